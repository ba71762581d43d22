"""All phrases that mean something, from the tables: those that are looked up, and those that are only learned from."""

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property, lru_cache

from controllers.expression import Expression
from controllers.lexicon import Lexicon, stem, table_meanings
from controllers.states import actions, shaded, states
from controllers.tables import read_table

HELD_OUT_SHARE = 0.2
"""Share of each concept's phrases that the benchmark withholds."""
_WORD = re.compile(r"[a-z']+")
_KINDS = ("words", "events", "likes", "says")


@dataclass(frozen=True)
class Phrase:
    """A wording of one meaning."""

    text: str
    """Lower case."""
    concept: str
    """What it means; directed actions by their left-hand name."""
    gain: float
    """Strength, 1 for the plain word."""
    kind: str
    """`state` or `action` when it is in the lexicon; `words`, `events`, `likes` or `says` of tables/situations.json."""

    @property
    def expression(self) -> Expression:
        """The face of its meaning as this wording shows it, at full intensity."""
        return shaded(states().get(self.concept) or actions()[self.concept], self.text).expression


@dataclass(frozen=True)
class HeldOut:
    """What the benchmark withholds from lexicon and network."""

    phrases: tuple[Phrase, ...]
    """Phrases that neither knows."""

    @cached_property
    def texts(self) -> frozenset[str]:
        """Their wordings."""
        return frozenset(phrase.text for phrase in self.phrases)

    def lexicon(self) -> Lexicon:
        """The lexicon without them."""
        return Lexicon(without=self.texts)

    def occurs_in(self, text: str) -> bool:
        """Whether any of them stands in a text."""
        words = tuple(_WORD.findall(text.lower()))
        lengths = {len(held) for held in self._words}
        return any(words[at : at + n] in self._words for n in lengths for at in range(len(words) - n + 1))

    @cached_property
    def _words(self) -> frozenset[tuple[str, ...]]:
        return frozenset(tuple(_WORD.findall(text.lower())) for text in self.texts)


def concept_names() -> tuple[str, ...]:
    """The meanings that are learned, in the order of the network's outputs: states, then actions, right-hand twins left out."""
    return (*states(), *(name for name in actions() if "right" not in name.split()))


@lru_cache(maxsize=1)
def lexicon_phrases() -> tuple[Phrase, ...]:
    """The phrases of the lexicon, each once per meaning."""
    found = {}
    for meaning in table_meanings():
        if meaning.learned and meaning.concept is not None and meaning.concept.name in concept_names():
            kind = "state" if meaning.concept.is_state else "action"
            found[meaning.phrase, meaning.concept.name] = Phrase(meaning.phrase, meaning.concept.name, float(meaning.value), kind)
    return tuple(found.values())


@lru_cache(maxsize=1)
def situation_phrases() -> tuple[Phrase, ...]:
    """The phrases of tables/situations.json."""
    rows = read_table("situations")["concepts"]
    listed = ((concept, kind, text) for concept, row in rows.items() for kind in _KINDS for text in row.get(kind, "").split(","))
    return tuple(Phrase(text.strip(), concept, 1.0, kind) for concept, kind, text in listed if text.strip())


def nothing_phrases() -> tuple[str, ...]:
    """Phrases that say nothing about a face."""
    return tuple(text.strip() for text in read_table("situations")["nothing"].split(","))


@lru_cache(maxsize=2)
def held_out(seed: int = 0) -> HeldOut:
    """A fifth of every concept's phrases, drawn by seed; names of concepts and phrases with two meanings stay."""
    by_concept: dict[str, list[Phrase]] = defaultdict(list)
    meanings: dict[str, set[str]] = defaultdict(set)
    for phrase in lexicon_phrases():
        meanings[phrase.text].add(phrase.concept)
    for phrase in lexicon_phrases():
        if phrase.text not in (*states(), *actions()) and len(meanings[phrase.text]) == 1:
            by_concept[phrase.concept].append(phrase)
    drawn: list[Phrase] = []
    for concept in concept_names():
        known = sorted(by_concept[concept], key=lambda phrase: phrase.text)
        rng = random.Random(f"{seed} {concept}")
        drawn += rng.sample(known, round(HELD_OUT_SHARE * len(known)))
        learned = [phrase for phrase in situation_phrases() if phrase.concept == concept]
        drawn += rng.sample(learned, round(HELD_OUT_SHARE * len(learned)))
    return HeldOut(tuple(drawn))


def has_kin(phrase: Phrase, known: tuple[Phrase, ...]) -> bool:
    """Whether a known phrase of the same meaning shares a word's beginning (five letters of its stem) with it."""
    beginnings = {_beginning(word) for word in phrase.text.split() if len(word) > 3}
    return any(
        not beginnings.isdisjoint(_beginning(word) for word in other.text.split() if len(word) > 3)
        for other in known
        if other.concept == phrase.concept and other.text != phrase.text
    )


def _beginning(word: str) -> str:
    return stem(word)[:5]
