"""What the parser makes of a sentence: clauses in order of time, and in each what is mentioned."""

from dataclasses import dataclass, field

from controllers.expression import Expression
from controllers.states import Concept


@dataclass(frozen=True)
class Window:
    """A stretch of the clip."""

    first: float
    """Its beginning: a share of the clip, or seconds, which count from the end where they are negative."""
    last: float
    """Its end, likewise."""
    in_seconds: bool = False
    """Whether these are seconds."""

    def within(self, length: float) -> tuple[float, float]:
        """Beginning and end in a clip of so many seconds."""
        scale = 1.0 if self.in_seconds else length
        first, last = (length + value if value < 0.0 else value * scale for value in (self.first, self.last))
        return min(max(first, 0.0), length), min(last, length)


@dataclass
class Mention:
    """One state or action as the sentence has it."""

    concept: Concept
    gain: float
    negated: bool
    side: str
    """`L`, `R`, `one` or empty."""
    region: str
    """`upper` (sad eyes), `lower` (a sad mouth) or empty for the whole face."""
    segment: int
    """Number of the comma- or and-separated stretch it stands in."""
    first: int
    stop: int
    weak: bool = False
    """The word may as well tell what was done (`lost`): what is guessed of the whole stretch outweighs it."""
    held_back: bool = False
    """It is kept from showing (`stifles a yawn`, `wants to scream`): less of it, behind closed lips."""
    known: Expression | None = None
    """Where a guess had a part in it: what is known of it, at its strength, which may be nothing."""


@dataclass
class Clause:
    """One step of the sentence's course."""

    mentions: list[Mention] = field(default_factory=list)
    speed: str = ""
    """`fast`, `slow`, `turn` or empty."""
    windows: dict[int, Window] = field(default_factory=dict)
    """Per segment, the stretch of the clip that it was pinned to."""
    lengths: dict[int, float] = field(default_factory=dict)
    """Per segment, the seconds it was given."""
    repeated: set[int] = field(default_factory=set)
    """Segments that happen now and then."""
    counts: dict[int, int] = field(default_factory=dict)
    """Per segment, how many times it was asked for."""
    first: int = 0
    stop: int = 0
    """Its first token, and the one after its last."""
    unclear: bool = False
    """Whether it has words that are not known."""


@dataclass(frozen=True)
class Modifiers:
    """What was said before a word about how it is meant."""

    intensities: tuple[float, ...] = ()
    """Values of intensity words."""
    factor: float = 1.0
    """Of comparatives."""
    side: str = ""
    """As a mention's."""
    region: str = ""
    """As a mention's."""
    since: int | None = None
    """Index of the first of them."""


@dataclass(frozen=True)
class Loose:
    """A word that the lexicon does not explain."""

    index: int
    """Of the token."""
    kind: str
    """`unknown`, `event` (a mood's word that is used for a doing: `lost the keys`), `plain` (people, scenery), or `thing` (a mood's word
    that describes a thing: `a warm room`)."""
    modifiers: Modifiers
    """What stood before it."""


@dataclass(frozen=True)
class Parsed:
    """A sentence read."""

    clauses: list[Clause]
    """In order of time."""
    text: str
    """The sentence with emoji in words."""
    spans: list[tuple[int, int]]
    """First and last character of each token; mentions point into them."""
    unknown: list[tuple[str, str, str]]
    """Words that were not known, each with the known word taken instead and the nearest meaning, or empty strings."""
    guessed: list[tuple[str, str]]
    """Stretches whose meaning was guessed, each with what it was taken for."""
    first_side: str
    """The first side the sentence names, `L`, `R` or empty."""

    def words(self, mentions: list[Mention]) -> str:
        """The stretch of the sentence from the first of some mentions to the last."""
        first, stop = min(mention.first for mention in mentions), max(mention.stop for mention in mentions)
        return self.text[self.spans[first][0] : self.spans[stop - 1][1]]


def runs(words: list[Loose]) -> list[list[Loose]]:
    """Words that stand next to each other, together."""
    runs: list[list[Loose]] = []
    for word in words:
        if runs and runs[-1][-1].index == word.index - 1:
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def without_empty(clauses: list[Clause]) -> list[Clause]:
    """Clauses that say something; a speed at the very end belongs to the clause before it."""
    kept: list[Clause] = []
    for clause in clauses:
        if clause.mentions:
            kept.append(clause)
        elif clause.speed and kept and not kept[-1].speed:
            kept[-1].speed = clause.speed
    return kept
