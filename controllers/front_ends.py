"""Text to what the meaning network reads: vectors of words that ship (`small`), MiniLM (`minilm`) or a CLIP of one's own (`clip`)."""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from controllers.clip_text import DEFAULT_SOURCE, ClipFrontEnd
from controllers.minilm import MAX_TOKENS, MiniLM, load_minilm
from controllers.text_features import FrontEnd, TextFeatures
from controllers.word_vectors import WordVectors, load_word_vectors

FrontEndName: TypeAlias = Literal["small", "minilm", "clip"]
FRONT_ENDS: tuple[FrontEndName, ...] = ("small", "minilm", "clip")
MAX_WORDS = 40
"""Words of a stretch that are read; the rest is cut off."""
_SPELLING = 96
"""Numbers that describe a word's letters."""
_SHORTEST, _LONGEST = 3, 5
_SPELLING_SCALE = 0.3
"""Size of the numbers of the spelling: what a word means counts more."""
_NO_MEANING, _NO_SPELLING, _BLUR = 0.1, 0.4, 0.2
"""Shares of words that lose their vector or their spelling in training, and the blur of vectors in their own spread."""
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


class SmallFrontEnd:
    """Per word its vector, whether it has one, and its spelling.

    The spelling is a sum over the word's character 3- to 5-grams (facial-motion notes 5.3), each hashed to a fixed row of signs: words with
    many of them in common are alike, whether they are in the list or not.
    """

    longest = MAX_WORDS

    def __init__(self, vectors: WordVectors):
        self._vectors = vectors
        self._known: dict[str, Tensor] = {}

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self._vectors.width + 1 + _SPELLING

    def __call__(self, texts: Sequence[str]) -> TextFeatures:
        """A row per word; a text without a word has one row of zeros."""
        rows = [self._rows(text) for text in texts]
        there = pad_sequence([torch.ones(len(row)) for row in rows], batch_first=True) if rows else torch.zeros(0, 1)
        values = pad_sequence(rows, batch_first=True) if rows else torch.zeros(0, 1, self.width)
        return TextFeatures(values, there)

    def weakened(self, values: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Some words lose their vector, others their spelling, and every vector is blurred."""
        meaning, spelling = values.split([self._vectors.width + 1, _SPELLING], dim=2)
        no_meaning, no_spelling = (torch.rand(*values.shape[:2], 1) < share for share in (_NO_MEANING, _NO_SPELLING))
        blurred = meaning + _BLUR * meaning.std() * torch.randn_like(meaning)
        return torch.cat([blurred * ~no_meaning, spelling * ~(no_spelling & ~no_meaning)], dim=2)

    def _rows(self, text: str) -> Float[Tensor, "L D"]:
        words = _WORD.findall(text.lower())[:MAX_WORDS]
        return torch.stack([self._word(word) for word in words]) if words else torch.zeros(1, self.width)

    def _word(self, word: str) -> Float[Tensor, " D"]:
        if word not in self._known:
            if len(self._known) > 20000:
                self._known.clear()  # an endless stream of new words must not fill the memory
            bare = word.split("'")[0]
            vector = self._vectors.vector(bare)
            known = torch.zeros(self._vectors.width) if vector is None else vector
            self._known[word] = torch.cat([3.0 * known, torch.tensor([float(vector is not None)]), _spelling(bare)])
        return self._known[word]


class MiniLMFrontEnd:
    """MiniLM's token numbers; the network runs them through MiniLM (`tuned_minilm.py`)."""

    width, longest = 1, MAX_TOKENS

    def __init__(self, model: MiniLM):
        self._model = model

    def __call__(self, texts: Sequence[str]) -> TextFeatures:
        """One number per token."""
        if not texts:
            return TextFeatures(torch.zeros(0, 1, 1), torch.zeros(0, 1))
        tokens, there = self._model.tokens([text.lower() for text in texts])
        return TextFeatures(tokens.float()[:, :, None], there)

    def weakened(self, values: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """As it is: the network drops channels instead."""
        return values


@lru_cache(maxsize=3)
def load_front_end(name: FrontEndName, source: str = "") -> FrontEnd:
    """A front end by name.

    Args:
        name: which.
        source: folder or hub name of its model, for `clip`; empty for the usual one.

    Raises:
        ResourceError: it needs an extra that is not installed.
        InputError: there is no such model.
    """
    if name == "clip":
        return ClipFrontEnd(source or DEFAULT_SOURCE)
    return MiniLMFrontEnd(load_minilm()) if name == "minilm" else SmallFrontEnd(load_word_vectors())


def _spelling(word: str) -> Float[Tensor, " D"]:
    """The word's character n-grams as a sum of hashed sign rows."""
    framed = f"<{word[:24]}>"
    grams = {framed[at : at + n] for n in range(_SHORTEST, _LONGEST + 1) for at in range(len(framed) - n + 1)}
    if not grams:
        return torch.zeros(_SPELLING)
    return torch.stack([_signs(gram) for gram in sorted(grams)]).sum(0) / len(grams) ** 0.5 * _SPELLING_SCALE


@lru_cache(maxsize=65536)
def _signs(gram: str) -> Float[Tensor, " D"]:
    """A row of -1 and 1 that is the same for the same letters on every machine."""
    digest = hashlib.blake2b(gram.encode(), digest_size=_SPELLING // 8).digest()
    return torch.tensor([1.0 if byte >> bit & 1 else -1.0 for byte in digest for bit in range(8)])
