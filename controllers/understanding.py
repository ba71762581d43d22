"""What reads the words of a sentence: the lexicon, and where it lists nothing, the network that learned meanings."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

from controllers.lexicon import Lexicon, load_lexicon
from controllers.meaning import Meant
from emohead.channels import AU_NAMES

Reading: TypeAlias = Literal["lexicon", "small", "minilm", "clip"]
DEFAULT_READING: Reading = "small"
READINGS: tuple[Reading, ...] = ("lexicon", "small", "minilm", "clip")
SURE, NOTHING = 0.5, 0.3
"""Probability of its likeliest unit from which a guess counts, and of `nothing facial` up to which it does."""
CERTAIN, HARDLY = 0.75, 0.1
"""The same for a text of plain words."""
ALONE, HARDLY_ALONE = 0.55, 0.15
"""The same for a sentence without any known word."""
HARDLY_SCENERY = 0.2
"""Probability of `nothing facial` from which plain words beside a known mood leave it as it is."""
SCENERY = 0.5
"""Probability of `nothing facial` from which words beside a known mood leave it as it is."""
LIKELY = 0.3
"""Probability in the whole clause from which a unit that was guessed of a part of it stays."""
NAMED = 0.5
"""Probability of a meaning from which words beside a known wish count by themselves."""
ASKING, LARGER = 0.75, 0.65
"""How much the small network, which asks its neighbours, counts beside the second one, which has none; and a larger model's beside it."""
_REMEMBERED = 512
"""Texts of which the network's opinion is kept."""
_NEAREST = 0.1
"""Probability from which a word that is not understood has a nearest meaning."""


@dataclass(frozen=True)
class Understanding:
    """How words are understood."""

    lexicon: Lexicon
    """Phrases that are looked up."""
    meaning: Callable[[Sequence[str]], list[Meant]] | None = None
    """Asked about stretches that the lexicon does not explain; without it they mean nothing."""
    english: Container[str] = frozenset()
    """Words that are English and therefore not misspelt."""
    _asked: dict[str, Meant] = field(default_factory=dict, init=False, repr=False, compare=False)

    def guess(self, text: str, *, plain: bool = False, alone: bool = False) -> Meant | None:
        """What a stretch of text is taken for, or nothing where the network is not sure.

        It must be surer of plain or of unknown words, a little less so where they are `alone` and no known wish stands beside them.
        """
        if self.meaning is None or not text:
            return None
        plain = plain or not any(word in self.english for word in text.split())
        certain, hardly = (ALONE, HARDLY_ALONE) if alone else (CERTAIN, HARDLY)
        meant, (sure, nothing) = self._meant(text), (certain, hardly) if plain or alone else (SURE, NOTHING)
        return meant if meant.sure >= sure and meant.nothing < nothing else None

    def is_scenery(self, text: str, *, plain: bool = False) -> bool:
        """Whether a text says nothing about a face; plain words do unless the network is sure that they do not."""
        return self.meaning is None or not text.strip() or self._meant(text).nothing >= (HARDLY_SCENERY if plain else SCENERY)

    def _meant(self, text: str) -> Meant:
        """The network's opinion of a text, once: a sentence is asked about in overlapping pieces."""
        assert self.meaning is not None
        if text not in self._asked:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            self._asked[text] = self.meaning([text])[0]
        return self._asked[text]

    def likely(self, text: str) -> frozenset[str]:
        """The action units, by name, that a text may well ask for."""
        if self.meaning is None or not text:
            return frozenset()
        return frozenset(name for name, odds in zip(AU_NAMES, self._meant(text).odds.tolist(), strict=True) if odds >= LIKELY)

    def names(self, words: str) -> bool:
        """Whether some words, out of their sentence, clearly name a known meaning."""
        return self.meaning is not None and self._meant(words).guesses[0].probability >= NAMED

    def nearest(self, word: str) -> str:
        """The meaning that a word comes nearest to, or an empty string when it comes near none."""
        if self.meaning is None:
            return ""
        first = self._meant(word).guesses[0]
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
    from controllers.meaning import BothMeanings, load_meaning

    small = load_meaning("small")
    meaning = (
        BothMeanings(small, load_meaning("second"), ASKING) if reading == "small" else BothMeanings(load_meaning(reading), small, LARGER)
    )
    return Understanding(load_lexicon(), meaning, load_word_vectors())
