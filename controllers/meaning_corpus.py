"""Sentences with known meanings, generated from the tables: what the meaning network learns from."""

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from controllers.described import Described, described_sentences
from controllers.expression import Expression, merged, scaled
from controllers.phrases import HeldOut, Phrase, concept_names, lexicon_phrases, nothing_phrases, situation_phrases
from controllers.states import states
from controllers.tables import read_table
from controllers.word_vectors import WordVectors

_ADVERBS = ("very", "a bit", "really", "slightly", "so", "quite", "rather", "deeply", "extremely", "almost")
_ARTICLES = frozenset({"a", "an", "the", "her", "his"})
_NEUTRAL_SHARE = 0.3
"""Share of the listed words, those least like any phrase, that are drawn as examples of nothing."""


_BARE = 0.7
"""Gain of a state that is named without an intensity word."""
_PEOPLE = (("he", "she"), ("him", "her"), ("his", "her"), ("himself", "herself"), ("man", "woman"), ("boy", "girl"))


@dataclass(frozen=True)
class Example:
    """A text and what it means."""

    text: str
    """As somebody might type it."""
    meant: tuple[Phrase, ...] | None
    """The phrases in it, none when it says nothing about a face; not known where somebody described the face instead."""
    expression: Expression
    """The face."""


@dataclass(frozen=True)
class CorpusConfig:
    """Shares and noise of the examples."""

    described: float = 0.65
    """Share of texts that come from tables/described.tsv; the other shares are of the rest."""
    nothing: float = 0.25
    """Share of texts that say nothing about a face."""
    pair: float = 0.1
    """Share of texts with two meanings."""
    situations: float = 0.5
    """Share of phrases that come from tables/situations.json."""
    fragment: float = 0.15
    """Share of texts with a bit of scenery."""
    adverb: float = 0.1
    """Share of states with an intensity word."""
    typo: float = 0.03
    """Share of words with a slip of the pen."""
    drop: float = 0.1
    """Share of articles left out."""


class MeaningCorpus:
    """Draws examples; one random state gives one list."""

    def __init__(self, vectors: WordVectors, *, without: HeldOut | None = None, config: CorpusConfig | None = None):
        self.config = config or CorpusConfig()
        known = [phrase for phrase in lexicon_phrases() if without is None or not without.occurs_in(phrase.text)]
        situations = [phrase for phrase in situation_phrases() if without is None or not without.occurs_in(phrase.text)]
        self.phrases = (*known, *situations)
        self.described = [item for item in described_sentences() if without is None or not without.occurs_in(item.text)]
        self._lexical, self._situations = _by_concept(known), _by_concept(situations)
        self._weights = [list(accumulate(len(found) ** 0.5 for found in pool.values())) for pool in (self._lexical, self._situations)]
        self._nothing = [text for text in nothing_phrases() if without is None or not without.occurs_in(text)]
        words = read_table("words")
        plain = [word.strip() for key in ("people", "scenery") for word in words[key].split(",")]
        self._plain = [word for word in plain if without is None or not without.occurs_in(word)]
        self._neutral = [word for word in neutral_words(vectors, self.phrases) if without is None or not without.occurs_in(word)]
        self._frames: dict[str, list[str]] = read_table("frames")["frames"]
        self._fragments: list[str] = read_table("frames")["fragments"]

    def draw(self, count: int, rng: random.Random) -> list[Example]:
        """`count` examples."""
        return [self._example(rng) for _ in range(count)]

    def _example(self, rng: random.Random) -> Example:
        if self.described and rng.random() < self.config.described:
            return self._retold(rng.choice(self.described), rng)
        kind = rng.random()
        if kind < self.config.nothing:
            return Example(self._noisy(self._empty(rng), rng), (), Expression())
        first = self._phrase(rng)
        text, meant = self._framed(first, rng), (first,)
        if kind < self.config.nothing + self.config.pair:
            second = self._phrase(rng)
            text, meant = rng.choice(self._frames["join"]).format(text, second.text), (first, second)
        if rng.random() < self.config.fragment:
            text = f"{text} {rng.choice(self._fragments)}"
        return Example(self._noisy(text, rng), meant, _together(meant))

    def _retold(self, described: Described, rng: random.Random) -> Example:
        """A described sentence, perhaps of another person, with scenery or a slip of the pen."""
        text = described.text.lower()
        if rng.random() < 0.5:
            text = _of_another(text)
        if rng.random() < 0.5 * self.config.fragment:
            text = f"{text} {rng.choice(self._fragments)}"
        meant = None if described.expression.au else ()
        return Example(self._noisy(text, rng), meant, described.expression)

    def _phrase(self, rng: random.Random) -> Phrase:
        pool = self._situations if rng.random() < self.config.situations else self._lexical
        # Rich meanings have more to learn than poor ones, but not in proportion.
        concept = rng.choices(list(pool), cum_weights=self._weights[pool is self._situations])[0]
        return rng.choice(pool[concept])

    def _framed(self, phrase: Phrase, rng: random.Random) -> str:
        text = phrase.text
        if phrase.kind in ("state", "words") and rng.random() < self.config.adverb:
            text = f"{rng.choice(_ADVERBS)} {text}"
        return rng.choice(self._frames[phrase.kind]).format(text)

    def _empty(self, rng: random.Random) -> str:
        """A text that says nothing about a face: a sentence of the table, or words that say nothing in a frame for words that do."""
        kind = rng.random()
        if kind < 0.5:
            text = rng.choice(self._frames["nothing"]).format(rng.choice(self._nothing))
            return f"{text} {rng.choice(self._fragments)}" if rng.random() < self.config.fragment else text
        pool = self._plain if kind < 0.75 else self._neutral
        words = " ".join(rng.choice(pool) for _ in range(rng.randint(1, 4)))
        frames = self._frames[rng.choice(("state", "words", "events", "likes", "nothing"))]
        return rng.choice(frames).format(words)

    def _noisy(self, text: str, rng: random.Random) -> str:
        words = [word for word in text.split() if not (word in _ARTICLES and rng.random() < self.config.drop)]
        return " ".join(_mistyped(word, rng) if rng.random() < self.config.typo else word for word in words)


def _together(phrases: Sequence[Phrase]) -> Expression:
    """The face of some phrases at once, as the tables have it."""
    face = Expression()
    for phrase in phrases:
        face = merged(face, scaled(phrase.expression, _BARE * phrase.gain if phrase.concept in states() else 1.0))
    return face


def _of_another(text: str) -> str:
    """The text about a woman instead of a man, or the other way round."""
    other = {one: two for pair in _PEOPLE for one, two in (pair, pair[::-1])}
    return " ".join(other.get(word, word) for word in text.split())


def neutral_words(vectors: WordVectors, phrases: Sequence[Phrase]) -> list[str]:
    """The listed words least like any phrase, in alphabetic order: an automatic list of words that say nothing about a face."""
    words, table = vectors.words, vectors.table()
    known = torch.stack([_mean(phrase.text, vectors) for phrase in phrases])
    table, known = torch.nn.functional.normalize(table, dim=1), torch.nn.functional.normalize(known, dim=1)
    near = torch.cat([(table[start : start + 4096] @ known.T).amax(1) for start in range(0, len(words), 4096)])
    limit = near.kthvalue(max(1, round(_NEUTRAL_SHARE * len(words)))).values
    return [word for word, value in zip(words, near.tolist(), strict=True) if value <= limit]


def _mean(text: str, vectors: WordVectors) -> torch.Tensor:
    found = [vector for vector in map(vectors.vector, text.split()) if vector is not None]
    return torch.stack(found).mean(0) if found else torch.zeros(vectors.width)


def _by_concept(phrases: Sequence[Phrase]) -> dict[str, list[Phrase]]:
    pool: dict[str, list[Phrase]] = {name: [] for name in concept_names()}
    for phrase in phrases:
        pool[phrase.concept].append(phrase)
    return {name: found for name, found in pool.items() if found}


def _mistyped(word: str, rng: random.Random) -> str:
    """A word with one letter doubled, left out, exchanged or hit beside."""
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    slips = (
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + rng.choice(string.ascii_lowercase) + word[at + 1 :],
    )
    return rng.choice(slips)
