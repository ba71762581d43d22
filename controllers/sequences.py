"""Wishes one after the other: those that cannot be met at once though commas list them (`look left, look right`), and what alternates."""

from collections.abc import Container, Sequence
from dataclasses import replace
from itertools import combinations

from controllers.mentions import Clause, Mention
from controllers.states import actions

_ANTAGONISTS = (("AU12", "AU15"), ("AU43", "AU5"), ("AU18", "AU20"), ("AU24", "AU26"))
BEFORE_ALL = -1
"""Number of the segment of what nobody said, because it goes without saying."""
_LEAST = 0.15
"""Intensity from which a movement is at odds with its antagonist."""


def in_turn(clauses: list[Clause], listed: Container[int]) -> list[Clause]:
    """Clauses whose comma-separated movements cannot be shown at once, or have lengths of their own, as one clause for each of them.

    Args:
        clauses: as read.
        listed: numbers of the segments that a comma begins.
    """
    return [part for clause in clauses for part in _parts(clause, listed)]


def with_beginning(clauses: list[Clause], *, stops: bool) -> list[Clause]:
    """Clauses that begin with the end of something, with that something before them: `her smile fades` begins with the smile.

    Args:
        clauses: as read.
        stops: whether what is denied is said to stop, not to be missing: `stops smiling at the end`.
    """
    clause = next((clause for clause in clauses if clause.mentions), None)
    if clause is None:
        return clauses
    first, later = clause.mentions[0], clause.windows.get(clause.mentions[0].segment)
    if first.negated:
        if later is None or later.first == 0.0 or not stops:
            return clauses
        begun = replace(first, negated=False)
        clause.windows[first.segment] = replace(later, last=max(later.last, 1.0))  # what stops halfway does not come back
    else:
        begun = replace(first, concept=actions()[first.concept.after]) if first.concept.after else None
    if begun is None:
        return clauses
    return [Clause([replace(begun, segment=BEFORE_ALL)], first=clause.first, stop=clause.first), *clauses]


def repeated(clauses: Sequence[Clause]) -> list[Clause]:
    """The same clauses once more, with mentions of their own."""
    return [replace(clause, mentions=[replace(mention) for mention in clause.mentions]) for clause in clauses]


def _parts(clause: Clause, listed: Container[int]) -> list[Clause]:
    groups: list[list[Mention]] = []
    for mention in clause.mentions:
        begins = not groups or bool(mention.concept.after) or (mention.segment in listed and mention.segment != groups[-1][-1].segment)
        groups[-1:] = [*groups[-1:], [mention]] if begins else [[*groups[-1], mention]]
    timed = sum(any(mention.segment in clause.lengths for mention in group) for group in groups) > 1
    ends = any(group[0].concept.after for group in groups[1:])
    if clause.windows or clause.repeated or not (timed or ends or any(_at_odds(*pair) for pair in combinations(groups, 2))):
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
