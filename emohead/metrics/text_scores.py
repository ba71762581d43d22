"""How well action units were understood from sentences: error, F1, side, order, and whether a whole plan is right.

A sentence's meaning is a list of phases in order of time, each with its action units. Every figure is over many sentences; `TextScores.of`
takes what was meant and what was found, in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.channels import AU_NAMES
from emohead.errors import InputError

PRESENT = 0.1
"""Intensity above which an action unit counts as shown."""
_EVEN = 0.05
"""Difference of the sides, summed over the sided units, up to which a face counts as even."""
_EQUAL = 1e-4
"""Difference of likeness up to which two phases are equally like a third."""
_LEFT = [index for index, name in enumerate(AU_NAMES) if name.endswith("L")]
_RIGHT = [AU_NAMES.index(AU_NAMES[index][:-1] + "R") for index in _LEFT]


@dataclass(frozen=True)
class Phases:
    """Action units in order of time."""

    intensity: Float[Tensor, "P A"]
    """One row per phase, 0..1; no row for a sentence that asks for nothing."""

    @property
    def peak(self) -> Float[Tensor, " A"]:
        """The greatest intensity of each unit."""
        return self.intensity.amax(0) if len(self.intensity) else torch.zeros(len(AU_NAMES))

    @property
    def shown(self) -> Float[Tensor, "S A"]:
        """The phases that show something; a face at rest before, between or after them is none."""
        return self.intensity[self.intensity.amax(1) > PRESENT] if len(self.intensity) else self.intensity

    @property
    def one_sided(self) -> float:
        """Left minus right over the sided units: 0 for an even face."""
        peak = self.peak
        return float((peak[_LEFT] - peak[_RIGHT]).sum())


@dataclass(frozen=True)
class TextScores:
    """Figures of one method on one set of sentences; a share without any sentence to take it over is not a number."""

    n: int
    """Sentences."""
    mae: float
    """Mean absolute error of the peaks over all channels."""
    f1: float
    """F1 of units above `PRESENT`, counts pooled over sentences and channels."""
    side: float
    """Of the sentences with a one-sided meaning: share whose face leans to the same side."""
    order: float
    """Of the sentences with two or more phases that show something: share whose phases come in the same order."""
    whole: float
    """Share of sentences with as many phases as meant, and in each the units that are meant and no other."""

    @classmethod
    def of(cls, meant: Sequence[Phases], found: Sequence[Phases]) -> "TextScores":
        """Compare what was found with what was meant.

        Raises:
            InputError: not as many of one as of the other, or none.
        """
        if len(meant) != len(found) or not meant:
            raise InputError(f"text scores compare equally many sentences, at least one; got {len(meant)} and {len(found)}")
        truth, guess = torch.stack([item.peak for item in meant]), torch.stack([item.peak for item in found])
        sided = [(one, other) for one, other in zip(meant, found, strict=True) if abs(one.one_sided) > 2 * _EVEN]
        timed = [(one, other) for one, other in zip(meant, found, strict=True) if len(one.shown) > 1]
        return cls(
            len(meant),
            float((truth - guess).abs().mean()),
            f1_score(truth > PRESENT, guess > PRESENT),
            _share([same_side(one, other) for one, other in sided]),
            _share([same_order(one, other) for one, other in timed]),
            _share([whole_plan(one, other) for one, other in zip(meant, found, strict=True)]),
        )


def f1_score(meant: Bool[Tensor, "N A"], found: Bool[Tensor, "N A"], *, excused: Bool[Tensor, "N A"] | None = None) -> float:
    """F1 over pooled counts; what is `excused` and was found anyway is neither a hit nor a fault."""
    fault = found & ~meant if excused is None else found & ~meant & ~excused
    hits = float((meant & found).sum())
    total = 2 * hits + float(fault.sum()) + float((meant & ~found).sum())
    return 2 * hits / total if total else 1.0


def same_side(meant: Phases, found: Phases) -> bool:
    """Whether a face leans to the side it should."""
    return abs(found.one_sided) > _EVEN and (found.one_sided > 0) == (meant.one_sided > 0)


def same_order(meant: Phases, found: Phases) -> bool:
    """Whether the phases most like the meant ones come in the meant order; of equals (a smile, a wince, a smile) the next will do."""
    if len(found.shown) < 2:
        return False
    likeness = torch.nn.functional.cosine_similarity(meant.shown[:, None], found.shown[None], dim=2)  # [P meant, P found]
    place = -1
    for row in likeness:
        later = [index for index in range(place + 1, len(row)) if row[index] > row.max() - _EQUAL]
        if not later:
            return False
        place = later[0]
    return True


def whole_plan(meant: Phases, found: Phases) -> bool:
    """Whether every phase shows the units that are meant and no other."""
    if meant.intensity.shape != found.intensity.shape:
        return False
    return bool(((meant.intensity > PRESENT) == (found.intensity > PRESENT)).all())


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right) if right else float("nan")


@dataclass(frozen=True)
class AnnotatedScores:
    """Figures of one method against two annotators of the same sentences; units count as shown above `PRESENT`."""

    mean: TextScores
    """Against the mean of both (`mean_of`)."""
    f1_both: float
    """F1 where a unit is meant if both have it; one that only one of them has is excused."""
    f1_any: float
    """F1 where a unit is meant if either has it."""

    @classmethod
    def of(cls, one: Sequence[Phases], other: Sequence[Phases], found: Sequence[Phases]) -> "AnnotatedScores":
        """Compare what was found with two annotations."""
        pairs = list(zip(one, other, strict=True))
        first, second, guess = (torch.stack([item.peak for item in items]) > PRESENT for items in (one, other, found))
        return cls(
            TextScores.of([mean_of(a, b) for a, b in pairs], found),
            f1_score(first & second, guess, excused=first | second),
            f1_score(first | second, guess),
        )


def mean_of(one: Phases, other: Phases) -> Phases:
    """The mean of two annotations of a sentence, phase by phase; the shorter one is taken to hold its nearest phase."""
    if not len(one.intensity) or not len(other.intensity):
        filled = one if len(one.intensity) else other
        return Phases(0.5 * filled.intensity)
    longer, shorter = (one, other) if len(one.intensity) >= len(other.intensity) else (other, one)
    likeness = torch.nn.functional.cosine_similarity(longer.intensity[:, None], shorter.intensity[None], dim=2)
    nearest = range(len(longer.intensity)) if likeness.shape[0] == likeness.shape[1] else likeness.argmax(1).tolist()
    return Phases(0.5 * (longer.intensity + shorter.intensity[list(nearest)]))
