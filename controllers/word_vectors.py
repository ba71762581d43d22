"""What English words are near in meaning: one short vector per word, as `tools/build_word_vectors.py` made them from MiniLM."""

import json
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emohead import assets
from emohead.errors import InputError

ASSET_NAME = "word_vectors.safetensors"
_KIND = "emohead.word_vectors"
_LEVELS = 7
"""Steps to either side of 0 that four bits hold."""


class WordVectors:
    """Words and their vectors, four bits a number."""

    def __init__(self, words: Sequence[str], codes: Tensor, scale: Float[Tensor, " D"]):
        self._rows = {word: row for row, word in enumerate(words)}
        self._codes, self._scale = codes, scale

    @property
    def width(self) -> int:
        """Length of a vector."""
        return len(self._scale)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, word: str) -> bool:
        return word in self._rows

    def vector(self, word: str) -> Float[Tensor, " D"] | None:
        """The vector of a lower-case word, about .1 per number, or nothing when the word is not listed."""
        row = self._rows.get(word)
        return None if row is None else self._unpacked(self._codes[row : row + 1])[0]

    @property
    def words(self) -> list[str]:
        """The listed words, in the order of `table`."""
        return list(self._rows)

    def table(self) -> Float[Tensor, "N D"]:
        """All vectors."""
        return self._unpacked(self._codes)

    def _unpacked(self, codes: Tensor) -> Float[Tensor, "N D"]:
        levels = torch.stack([codes & 15, codes >> 4], 2).flatten(1)  # two numbers in a byte, the lower half first
        return (levels.float() - 8.0) / _LEVELS * self._scale


def save_word_vectors(words: Sequence[str], vectors: Float[Tensor, "N D"], path: Path) -> None:
    """Write words (packed) and vectors (four bits a number, one scale per dimension; the widest one in 500 are cut) as safetensors."""
    scale = torch.from_numpy(np.quantile(vectors.abs().numpy(), 0.998, axis=0).astype(np.float32))
    levels = (vectors / scale * _LEVELS).round().clamp(-_LEVELS, _LEVELS).to(torch.int16) + 8
    codes = (levels[:, 0::2] | (levels[:, 1::2] << 4)).to(torch.uint8)
    listed = torch.frombuffer(bytearray(zlib.compress("\n".join(words).encode(), 9)), dtype=torch.uint8)
    save_file({"words": listed, "codes": codes, "scale": scale}, path, metadata={"kind": _KIND, "made": json.dumps({"words": len(words)})})


def read_word_vectors(path: Path) -> WordVectors:
    """Word vectors from a file.

    Raises:
        InputError: no such file, or another kind of file.
    """
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("kind") != _KIND:
                raise KeyError("kind")
            words = zlib.decompress(file.get_tensor("words").numpy().tobytes()).decode().split("\n")
            codes, scale = file.get_tensor("codes"), file.get_tensor("scale")
        if codes.shape != (len(words), len(scale) // 2):
            raise ValueError("sizes")
    except (OSError, KeyError, ValueError, zlib.error, SafetensorError) as error:
        raise InputError(f"{path}: not a file of word vectors ({type(error).__name__}); install the package again") from error
    return WordVectors(words, codes, scale)


@lru_cache(maxsize=1)
def load_word_vectors() -> WordVectors:
    """The word vectors that ship."""
    return read_word_vectors(assets.find(ASSET_NAME))
