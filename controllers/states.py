"""The named expressions of tables/emotions.json and the direct actions of tables/actions.json."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from controllers.envelopes import ONSET
from controllers.expression import Expression, mirrored, parse_codes
from controllers.handedness import other_side
from controllers.tables import read_table

VARIANT_INTENSITY = 0.8
"""Intensity of a unit that everyone shows in a compound emotion; a variant has its share of it."""


@dataclass(frozen=True)
class Concept:
    """Something a face can be asked for by name."""

    name: str
    """`happy`, `raise brows`."""
    expression: Expression
    """At full intensity (a state) or at its usual strength (an action)."""
    is_state: bool
    """A state scales with intensity words and swells when sustained; an action is done as said."""
    onset: float = ONSET
    """Seconds to appear."""
    opposite: str = ""
    """The state that its denial suggests, if any."""
    gesture: str = ""
    """A movement of tables/gestures.json that belongs to it."""
    side: str = ""
    """`L` or `R` when its name says a direction (look left)."""
    after: str = ""
    """The action that it ends: where nothing was asked for before it, that comes first (a smile that fades is a smile)."""


@lru_cache(maxsize=1)
def states() -> dict[str, Concept]:
    """All named states."""
    return {name: _state(name, row) for name, row in read_table("emotions")["states"].items()}


@lru_cache(maxsize=1)
def actions() -> dict[str, Concept]:
    """All direct actions; those with `left` in their name also with `right`."""
    table = {name: _action(name, row) for name, row in read_table("actions")["actions"].items()}
    return table | {other_side(name): _right(concept) for name, concept in table.items() if "left" in name.split()}


def shaded(concept: Concept, phrase: str) -> Concept:
    """A state as a word for it shows it (tables/shades.json): `starstruck` is not quite any awe. Others, and actions, as they are."""
    codes = read_table("shades")["states"].get(concept.name, {}).get(phrase) if concept.is_state else None
    if codes is None:
        return concept
    own = concept.expression
    resting = {name: 0.0 for name, value in own.au.items() if value == 0.0}
    return replace(concept, expression=replace(own, au={**resting, **parse_codes(codes).au}, share={}))


def _state(name: str, row: dict[str, Any]) -> Concept:
    core, variants = parse_codes(row["au"]), parse_codes(row.get("variants", ""))
    au = {**core.au, **{channel: VARIANT_INTENSITY * share for channel, share in variants.au.items()}}
    expression = replace(core, au=au, share=dict(variants.au))
    return Concept(name, expression, True, row.get("onset", ONSET), row.get("opposite", ""), row.get("gesture", ""))


def _action(name: str, row: dict[str, Any]) -> Concept:
    side = "L" if "left" in name.split() else ""
    return Concept(name, parse_codes(row.get("au", "")), False, gesture=row.get("gesture", ""), side=side, after=row.get("after", ""))


def _right(concept: Concept) -> Concept:
    return replace(concept, name=other_side(concept.name), expression=mirrored(concept.expression), side="R")
