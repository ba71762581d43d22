"""Make emohead/assets/word_vectors.safetensors: MiniLM's meaning of English words, in short vectors.

    python tools/build_word_vectors.py            (3 minutes on one core; needs the extra `text`)

Words: those of pocketsphinx's dictionary (BSD) that its language model finds most usual, the whole words of MiniLM's own vocabulary among
them, and every word of the tables of `controllers`. Vectors: MiniLM's (Apache-2.0) for the word alone and for `she looks <word>`, joined,
without what the usual words have in common, on their principal axes; the axes' spreads are evened out by half (to the power .5).
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from controllers.minilm import load_minilm
from controllers.tables import read_table
from controllers.word_vectors import ASSET_NAME, save_word_vectors
from emohead.assets import PACKAGE_ASSETS
from emohead.output import whole_file

FRAMES = ("{}", "she looks {}")
_BATCH = 256


def usual_words(count: int) -> list[str]:
    """The `count` most usual words of the dictionary."""
    import pocketsphinx

    folder = Path(pocketsphinx.get_model_path()) / "en-us"
    lines = (folder / "cmudict-en-us.dict").read_text(encoding="utf-8").splitlines()
    listed = {line.split()[0].split("(")[0] for line in lines}
    words = sorted(word for word in listed if re.fullmatch(r"[a-z]{2,}", word))
    model = pocketsphinx.NGramModel.readfile(str(folder / "en-us.lm.bin"))
    usual = {word: model.prob([word]) for word in words}
    whole = load_minilm().whole_words
    ranked = sorted(words, key=lambda word: (word not in whole, -usual[word], word))
    return ranked[:count]


def table_words() -> set[str]:
    """Every word of the tables."""
    text = " ".join(str(read_table(name)) for name in ("words", "emotions", "actions", "situations", "frames"))
    return set(re.findall(r"[a-z]{2,}", text.lower()))


def meanings(words: Sequence[str]) -> Float[Tensor, "N D"]:
    """MiniLM's vectors of each word in each frame, joined."""
    model = load_minilm()
    columns = []
    for frame in FRAMES:
        rows = []
        for start in range(0, len(words), _BATCH):
            rows.append(model([frame.format(word) for word in words[start : start + _BATCH]]))
            if start // _BATCH % 20 == 0:
                print(f"{frame.format('...')}: {start} of {len(words)}")
        columns.append(torch.cat(rows))
    return torch.cat(columns, dim=1)


def on_principal_axes(vectors: Float[Tensor, "N D"], width: int) -> Float[Tensor, "N W"]:
    """The first `width` principal components, each divided by the square root of its spread."""
    centred = vectors - vectors.mean(0)
    _, axes = torch.linalg.eigh((centred.T @ centred).double())
    parts = centred @ axes.flip(1)[:, :width].float()
    return parts / parts.std(0).sqrt()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=48000, help="words of the dictionary")
    parser.add_argument("--width", type=int, default=112, help="numbers per word, even")
    parser.add_argument("-o", "--out", type=Path, default=PACKAGE_ASSETS / ASSET_NAME)
    options = parser.parse_args()
    torch.set_num_threads(1)
    words = sorted({*usual_words(options.words), *table_words()})
    vectors = on_principal_axes(meanings(words), options.width)
    with whole_file(options.out) as partial:
        save_word_vectors(words, vectors, partial)
    print(f"wrote {options.out}: {len(words)} words, {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
