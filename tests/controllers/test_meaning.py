"""The parts of the learned meaning of words: vectors, front ends, network, MiniLM."""

from pathlib import Path

import pytest
import torch

from controllers.described import N_FACE, face_row
from controllers.expression import mirrored
from controllers.front_ends import MAX_WORDS, SmallFrontEnd, load_front_end
from controllers.handedness import left_handed, other_side
from controllers.meaning import MeaningModel, load_meaning, read_meaning, save_meaning
from controllers.meaning_net import MeaningNetConfig
from controllers.minilm import is_installed, load_minilm
from controllers.phrases import concept_names
from controllers.word_vectors import load_word_vectors, read_word_vectors, save_word_vectors
from emohead.channels import N_AU
from emohead.errors import InputError
from emohead.head.action_units import mirror


def cosine(one: str, other: str) -> float:
    vectors = [load_word_vectors().vector(word) for word in (one, other)]
    return float(torch.nn.functional.cosine_similarity(vectors[0], vectors[1], dim=0))  # type: ignore[arg-type]


def test_words_that_mean_alike_have_vectors_alike():
    for word, near, far in (("happy", "joyful", "table"), ("furious", "enraged", "bicycle"), ("medal", "trophy", "soup")):
        assert cosine(word, near) > cosine(word, far) + 0.2
    assert load_word_vectors().vector("xyzzyx") is None and "xyzzyx" not in load_word_vectors()


def test_word_vectors_are_written_and_read(tmp_path: Path):
    vectors = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    words = [f"w{index}" for index in range(50)]
    save_word_vectors(words, vectors, tmp_path / "words.safetensors")
    read = read_word_vectors(tmp_path / "words.safetensors")
    assert read.words == words and (read.table() - vectors).abs().max() < 0.5
    found = read.vector("w7")
    assert found is not None and torch.equal(found, read.table()[7])
    (tmp_path / "text").write_text("not tensors")
    for name in ("text", "missing"):
        with pytest.raises(InputError, match="not a file of word vectors"):
            read_word_vectors(tmp_path / name)


def test_the_small_front_end_reads_any_text():
    front_end = SmallFrontEnd(load_word_vectors())
    features = front_end(["a lemon", "", "1234 !?", "й" * 30, "word " * 100])
    assert features.values.shape == (5, MAX_WORDS, front_end.width) and features.there.sum(1).tolist() == [2, 1, 1, 1, MAX_WORDS]
    assert features.values.isfinite().all() and features.values[1].abs().max() == 0.0
    again = SmallFrontEnd(load_word_vectors())(["a lemon"])
    assert torch.equal(again.values[0], features.values[0, :2])


def test_words_spelt_alike_are_alike_though_unlisted():
    spelling = load_front_end("small")(["grumblification", "grumblificator", "sesquipedalianism"]).values[:, 0, -96:]
    near, far = (torch.nn.functional.cosine_similarity(spelling[0], spelling[index], dim=0) for index in (1, 2))
    assert near > far + 0.3


def test_a_model_is_written_and_read(tmp_path: Path):
    torch.manual_seed(0)
    front_end = load_front_end("small")
    net = MeaningNetConfig(front_end.width, len(concept_names()), N_AU, N_FACE - N_AU, width=16).build().eval()
    save_meaning(MeaningModel(net, "small"), tmp_path / "net.safetensors")
    one, other = MeaningModel(net, "small")(["just won a medal"])[0], read_meaning(tmp_path / "net.safetensors")(["just won a medal"])[0]
    assert {guess.concept for guess in one.guesses} == set(concept_names())
    known = {guess.concept: guess.probability for guess in other.guesses}
    assert all(abs(known[guess.concept] - guess.probability) < 0.01 for guess in one.guesses)
    assert (one.shown - other.shown).abs().max() < 0.01 and (one.row - other.row).abs().max() < 0.01
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(InputError, match="not a text-to-AU network"):
        read_meaning(tmp_path / "text")


def test_left_and_right_are_exchanged_exactly():
    assert left_handed("Looks to the RIGHT") == ("looks to the left", True) and left_handed("left, then right") == (
        "left, then right",
        False,
    )
    model = load_meaning()
    one, other = (model([f"swivels her neck to the {side}"])[0] for side in ("left", "right"))
    assert [other_side(guess.concept) for guess in one.guesses] == [guess.concept for guess in other.guesses]
    assert [guess.probability for guess in one.guesses] == [guess.probability for guess in other.guesses]
    assert torch.equal(mirror(one.shown[None])[0], other.shown)
    assert torch.equal(face_row(mirrored(one.face)), face_row(other.face))
    assert model([]) == []


def test_texts_together_mean_what_they_mean_alone():
    model = load_meaning()
    texts = ["gobsmacked", "looks like he swallowed a lemon", "parks the car"]
    for text, together in zip(texts, model(texts), strict=True):
        assert together.guesses[0].concept == model([text])[0].guesses[0].concept
        assert together.guesses[0].probability == pytest.approx(model([text])[0].guesses[0].probability, abs=1e-4)


@pytest.mark.skipif(not is_installed(), reason="the extra text is not installed")
def test_minilm_gives_the_published_vectors():
    """The cosines that the model's own library gives (measured once with transformers)."""
    vectors = load_minilm()(["happy", "a joyful smiling face", "sad and tearful", ""])
    assert vectors.norm(dim=1).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
    assert float(vectors[0] @ vectors[1]) == pytest.approx(0.479, abs=0.005)
    assert float(vectors[0] @ vectors[2]) == pytest.approx(0.374, abs=0.005)
    assert torch.allclose(load_minilm()(["happy"])[0], vectors[0], atol=1e-5), "filling up shorter texts changes nothing"
