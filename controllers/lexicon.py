"""The words a sentence may use: phrases to meanings, with inflection, and the nearest known word for a misspelt one."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from controllers.handedness import other_side
from controllers.states import Concept, actions, shaded, states
from controllers.tables import read_table

_SWAPPED = 0.9
"""How alike two spellings are that differ in the order of their letters: `smrik`."""
NEAR = 0.75
"""Spelling similarity 0..1 from which a word is taken for a known one."""
_KINDS = (
    "not negator", "time", "negator", "held back", "intensity", "comparative", "mixture", "side", "with", "action", "state", "ignore",
    "people", "scenery",
)  # fmt: skip
"""Kinds of meaning; where two phrases fit equally the earlier kind wins."""
_AS_SPELT = frozenset({"not negator", "negator", "held back", "intensity", "comparative", "mixture", "side", "with"})
"""Kinds whose words are not inflected: `touched` is not `a touch`."""
_IRREGULAR = {
    "eyes": "eye", "eyed": "eye", "wept": "weep", "shook": "shake", "shaken": "shake", "bit": "bit", "bitten": "bite", "biting": "bite",
    "rose": "rise", "risen": "rise", "fell": "fall", "fallen": "fall", "hung": "hang", "shot": "shoot", "drew": "draw", "drawn": "draw",
    "dropped": "drop", "lips": "lip", "teeth": "teeth", "grown": "grow", "grew": "grow", "stuck": "stick", "shone": "shine",
    "lying": "lie", "dying": "die", "leant": "lean", "blew": "blow", "blown": "blow", "shrank": "shrink", "thrown": "throw",
    "threw": "throw", "drooping": "droop", "fled": "flee", "gritted": "grit", "gritting": "grit", "jutting": "jut", "knitted": "knit",
}  # fmt: skip
_MAX_SKIPPED = 6
_DETERMINERS = frozenset("a an the his her their its my your our this that everything nothing all some".split())


@dataclass(frozen=True)
class Meaning:
    """What a phrase means."""

    kind: str
    """One of `not negator`, `time`, `negator`, `intensity`, `comparative`, `mixture`, `side`, `with`, `action`, `state`, `ignore`,
    `people`, `scenery`."""
    phrase: str
    """The phrase as the table has it."""
    value: str | float = ""
    """The operation of a time phrase, the side of a side word, the factor of an intensity word, the gain of a state's word."""
    concept: Concept | None = None
    """The state or action."""
    learned: bool = True
    """Whether networks learn it too, and the benchmark may withhold it."""


@dataclass(frozen=True)
class Match:
    """A phrase found in a sentence."""

    meaning: Meaning
    """What it means."""
    stop: int
    """Index of the first token after it."""
    inside: tuple[int, ...]
    """Indices of the tokens that stand inside the phrase without belonging to it (`raises [the left] eyebrow`)."""


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A word without its inflection: enough to join smile, smiles, smiling and smiled."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    word = word.removesuffix("'s")
    for suffix, end in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)] + end
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou" else word


_SUFFIXES = (
    ("iness", "y"), ("edness", ""), ("ness", ""), ("ily", "y"), ("fully", "ful"), ("ingly", ""), ("edly", ""), ("ly", ""), ("iest", "y"),
    ("ier", "y"), ("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"),
    ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", ""),
)  # fmt: skip


class Lexicon:
    """All phrases of the tables, but for those it shall be `without`, indexed by the stem of their first word."""

    def __init__(self, *, without: frozenset[str] = frozenset()) -> None:
        words = read_table("words")
        self.inside = set(_split(words["inside"]))
        self.ambiguous = set(_split(words["ambiguous"]))
        self.doings = set(_split(words["doings"]))
        self.scope_end = set(_split(words["scope_end"]))
        self.bare_intensity: float = words["bare_intensity"]
        self._phrases: dict[str, list[tuple[tuple[str, ...], Meaning]]] = defaultdict(list)
        self._words: dict[str, Meaning] = {}
        for meaning in table_meanings():
            if meaning.phrase not in without:
                self._add(meaning)
        self._fragments: dict[str, set[str]] = defaultdict(set)
        for word in self._words:
            for fragment in _fragments(word):
                self._fragments[fragment].add(word)

    def match(self, tokens: list[str], start: int) -> Match | None:
        """The best phrase that begins at a token: the longest, then the one spelt exactly so, then the earlier kind."""
        best, best_rank = None, None
        for stems, meaning in self._phrases.get(stem(tokens[start]), ()):
            found = self._follow(tokens, start, stems, meaning.kind)
            if found is None:
                continue
            stop, inside = found
            spelt = " ".join(word for index, word in enumerate(tokens[start:stop], start) if index not in inside) == meaning.phrase
            if not spelt and meaning.kind in _AS_SPELT:
                continue
            rank = (len(stems), spelt, -len(inside), -_KINDS.index(meaning.kind))
            if best_rank is None or rank > best_rank:
                best, best_rank = Match(meaning, stop, inside), rank
        return best

    def nearest(self, word: str) -> tuple[Meaning, float] | None:
        """The single-word meaning spelt most like `word` and how alike they are (0..1), or nothing when no letters agree."""
        votes = Counter(known for fragment in _fragments(word) for known in self._fragments.get(fragment, ()))
        best = max(((_similarity(word, known), known) for known, _ in votes.most_common(12)), default=None)
        return (self._words[best[1]], best[0]) if best else None

    def is_thing(self, tokens: list[str], index: int) -> bool:
        """Whether a thing, not a person, is named from a token on (`old stone house`)."""
        named = False
        while index < len(tokens):
            found = self.match(tokens, index)
            if found is None or found.meaning.kind != "scenery":
                return named and (found is None or found.meaning.kind != "people")
            named, index = True, found.stop
        return named

    def is_object(self, tokens: list[str], index: int) -> bool:
        """Whether something is named from a token on that a doing is done to (`[lost] the keys`)."""
        if index >= len(tokens) or tokens[index] not in _DETERMINERS:
            return False
        found = self.match(tokens, index + 1) if index + 1 < len(tokens) else None
        return index + 1 < len(tokens) and (found is None or found.meaning.kind not in ("action", "state", "time", "with"))

    def _add(self, meaning: Meaning) -> None:
        stems = tuple(stem(word) for word in meaning.phrase.split())
        self._phrases[stems[0]].append((stems, meaning))
        if len(stems) == 1 and len(meaning.phrase) >= 4:
            known = self._words.setdefault(meaning.phrase, meaning)
            if _KINDS.index(meaning.kind) < _KINDS.index(known.kind):
                self._words[meaning.phrase] = meaning

    def _follow(self, tokens: list[str], start: int, stems: tuple[str, ...], kind: str) -> tuple[int, tuple[int, ...]] | None:
        position, inside = start + 1, []
        for wanted in stems[1:]:
            while position < len(tokens) and stem(tokens[position]) != wanted:
                # `From sad to angry` is a change, not the compound of both.
                apart = kind == "state" and tokens[position] in ("from", "to")
                if apart or not self._may_stand_inside(tokens[position]) or len(inside) >= _MAX_SKIPPED:
                    return None
                inside.append(position)
                position += 1
            if position == len(tokens):
                return None
            position += 1
        return position, tuple(inside)

    def _may_stand_inside(self, word: str) -> bool:
        meanings = (meaning for _, meaning in self._phrases.get(stem(word), ()))
        return word in self.inside or any(meaning.phrase == word and _may_divide(meaning) for meaning in meanings)


def _may_divide(meaning: Meaning) -> bool:
    """Whether a word may stand inside a phrase: `raises the left eyebrow`, `her smile slowly fades`."""
    return meaning.kind in ("side", "intensity") or (meaning.kind == "time" and meaning.value in ("fast", "slow"))


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """The one lexicon, built on first use."""
    return Lexicon()


def table_meanings() -> Iterator[Meaning]:
    """Every phrase of the tables with its meaning."""
    words = read_table("words")
    for kind, key in (
        ("negator", "negators"),
        ("not negator", "not_negators"),
        ("held back", "held_back"),
        ("ignore", "ignore"),
        ("people", "people"),
        ("scenery", "scenery"),
    ):
        yield from (Meaning(kind, phrase) for phrase in _split(words[key]))
    for kind, key in (("intensity", "intensity"), ("mixture", "mixtures")):
        for value, text in words[key].items():
            yield from (Meaning(kind, phrase, float(value)) for phrase in _split(text))
    for operation, text in words["time"].items():
        yield from (Meaning("with" if operation == "with" else "time", phrase, operation) for phrase in _split(text))
    yield from (Meaning("comparative", phrase, factor) for phrase, factor in words["comparatives"].items())
    yield from (Meaning("side", phrase, side) for side, text in words["sides"].items() for phrase in _split(text))
    for name, row in read_table("emotions")["states"].items():
        for gain, text in {**row["words"], "1": f"{name}, {row['words'].get('1', name)}"}.items():
            yield from (Meaning("state", phrase, float(gain), shaded(states()[name], phrase)) for phrase in _split(text))
    for name, row in read_table("actions")["actions"].items():
        learned = _action_phrases(name, row)
        for phrase in (*learned, *_split(row.get("also", ""))):
            yield Meaning("action", phrase, 1.0, actions()[name], phrase in learned)
            if "left" in name.split() and not {"left", "right"}.isdisjoint(phrase.split()):
                yield Meaning("action", other_side(phrase), 1.0, actions()[other_side(name)], phrase in learned)


def _action_phrases(name: str, row: dict[str, str]) -> list[str]:
    phrases = [name, *_split(row.get("phrases", ""))]
    for verb in _split(row.get("verbs", "")):
        for noun in _split(row.get("nouns", "")):
            phrases += [f"{verb} {noun}", f"{noun} {verb}"]
    return list(dict.fromkeys(phrases))


def _split(text: str) -> list[str]:
    return [phrase for phrase in (re.sub(r"[^a-z0-9' ]+", " ", part.lower()).strip() for part in text.split(",")) if phrase]


def _fragments(word: str) -> set[str]:
    framed = f"^{word}$"
    return {framed[i : i + 2] for i in range(len(framed) - 1)}


def _similarity(word: str, known: str) -> float:
    """How alike two spellings are, 0..1: their common letters in order, or one word within the other's derivation."""
    ratio = SequenceMatcher(None, word, known, autojunk=False).ratio()
    if sorted(word) == sorted(known) and word[0] == known[0] and len(word) >= 5:
        ratio = max(ratio, _SWAPPED)
    base = stem(known)
    derived = len(base) / len(word) if len(base) >= 5 and word.startswith(base) else 0.0
    if word[0] != known[0]:
        # Slips of the pen rarely hit the first letter; another first letter is usually another word.
        ratio -= 0.15
    return max(ratio * ratio, derived)
