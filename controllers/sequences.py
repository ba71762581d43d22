"""Wishes that cannot be met at once: listed with commas, they are meant one after the other (`look left, look right`)."""

from collections.abc import Container, Sequence
from dataclasses import replace
from itertools import combinations

from controllers.mentions import Clause, Mention

_ANTAGONISTS = (("AU12", "AU15"), ("AU43", "AU5"), ("AU18", "AU20"), ("AU24", "AU26"))
_LEAST = 0.15
"""Intensity from which a movement is at odds with its antagonist."""


def in_turn(clauses: list[Clause], listed: Container[int]) -> list[Clause]:
    """Clauses whose comma-separated movements cannot be shown at once, or have lengths of their own, as one clause for each of them.

    Args:
        clauses: as read.
        listed: numbers of the segments that a comma begins.
    """
    return [part for clause in clauses for part in _parts(clause, listed)]


def _parts(clause: Clause, listed: Container[int]) -> list[Clause]:
    groups: list[list[Mention]] = []
    for mention in clause.mentions:
        begins = not groups or (mention.segment in listed and mention.segment != groups[-1][-1].segment)
        groups[-1:] = [*groups[-1:], [mention]] if begins else [[*groups[-1], mention]]
    timed = sum(any(mention.segment in clause.lengths for mention in group) for group in groups) > 1
    if clause.windows or clause.repeated or not (timed or any(_at_odds(*pair) for pair in combinations(groups, 2))):
        return [clause]
    starts = [clause.first, *(group[0].first for group in groups[1:])]
    spans = zip(starts, [*starts[1:], clause.stop], strict=True)
    return [replace(clause, mentions=group, first=first, stop=stop) for group, (first, stop) in zip(groups, spans, strict=True)]


def _at_odds(some: list[Mention], others: list[Mention]) -> bool:
    return any(_opposed(one, other) for one in some for other in others if not one.concept.is_state and not other.concept.is_state)


def _opposed(one: Mention, other: Mention) -> bool:
    """Whether two movements exclude each other: one is denied and wished, two directions, or a muscle and its antagonist."""
    if one.negated or other.negated:
        return one.negated != other.negated and one.concept.name == other.concept.name
    mine, its = one.concept.expression, other.concept.expression
    if any(_apart(*turned) for turned in ((mine.gaze, its.gaze), (mine.head, its.head))):
        return True
    return any(
        min(mine.au.get(first + side, 0.0), its.au.get(second + side, 0.0)) >= _LEAST
        for pair in _ANTAGONISTS
        for first, second in (pair, pair[::-1])
        for side in ("L", "R", "")
    )


def _apart(one: Sequence[float] | None, other: Sequence[float] | None) -> bool:
    """Whether gaze or head would have to be in two places: turned in opposite directions, or straight ahead and turned."""
    if one is None or other is None or any(one) != any(other):
        return one is not None and other is not None
    return sum(mine * its for mine, its in zip(one, other, strict=True)) < 0.0
