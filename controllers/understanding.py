"""What reads the words of a sentence: the lexicon, and where it lists nothing, the network that learned meanings."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from controllers.lexicon import Lexicon, load_lexicon
from controllers.meaning import Meant

Reading: TypeAlias = Literal["lexicon", "small", "minilm"]
DEFAULT_READING: Reading = "small"
READINGS: tuple[Reading, ...] = ("lexicon", "small", "minilm")
SURE, SURE_OF_SCENERY, SURE_BESIDE = 0.1, 0.7, 0.5
"""Probabilities from which a guess counts: of a stretch with unknown words, of one with plain words only, of a word beside a known wish."""
_NEAREST = 0.1
"""Probability from which a word that is not understood has a nearest meaning."""
_SECOND, _SECOND_SHARE = 0.4, 0.7
"""Probability, and share of the first guess's, from which a second meaning of the same stretch counts."""


@dataclass(frozen=True)
class Understanding:
    """How words are understood."""

    lexicon: Lexicon
    """Phrases that are looked up."""
    meaning: Callable[[Sequence[str]], list[Meant]] | None = None
    """Asked about stretches that the lexicon does not explain; without it they mean nothing."""
    english: Container[str] = frozenset()
    """Words that are English and therefore not misspelt."""

    def guess(self, text: str, sure: float) -> tuple[list[str], Meant | None]:
        """The concepts that a stretch of text is taken for, at most two, and all that the network thinks of it."""
        if self.meaning is None or not text:
            return [], None
        meant = self.meaning([text])[0]
        first, second = meant.guesses[:2]
        if first.probability < sure or meant.nothing >= first.probability:
            return [], meant
        both = second.probability >= max(_SECOND, _SECOND_SHARE * first.probability)
        return [first.concept, second.concept] if both else [first.concept], meant

    def nearest(self, word: str) -> str:
        """The meaning that a word comes nearest to, or an empty string when it comes near none."""
        if self.meaning is None:
            return ""
        first = self.meaning([word])[0].guesses[0]
        return first.concept if first.probability >= _NEAREST else ""


@lru_cache(maxsize=3)
def load_understanding(reading: Reading = DEFAULT_READING) -> Understanding:
    """The lexicon that ships, with the network of a front end or alone.

    Raises:
        InputError: the network is not there.
        ResourceError: its extra is not installed.
    """
    from controllers.word_vectors import load_word_vectors

    if reading == "lexicon":
        return Understanding(load_lexicon())
    from controllers.meaning import load_meaning

    return Understanding(load_lexicon(), load_meaning(reading), load_word_vectors())
