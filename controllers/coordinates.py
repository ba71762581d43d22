"""An expression from a place in valence, arousal and dominance: a blend of the states that lie around it."""

import math
from functools import lru_cache

from controllers.expression import Expression
from controllers.states import states
from controllers.tables import read_table

TRACE, ANGLE_TRACE = 0.03, 0.01
"""Intensities and angles (radians) up to this are left out of a blend."""
Place = tuple[float, ...]
"""Valence and arousal, or valence, arousal and dominance, each -1..1."""


def expression_at(place: Place) -> Expression:
    """The expression at (valence, arousal) or (valence, arousal, dominance).

    The states of tables/coordinates.json are weighed by their nearness, and each is as strong as the place is far from the neutral
    centre, up to the state's own distance. The blend is continuous, neutral at the centre, and at a state's own place nearly that state.
    Without dominance anger and fear, which differ in little else, are mixed.
    """
    shares = _shares(place)
    au: dict[str, float] = {}
    gaze, head = [0.0, 0.0], [0.0, 0.0, 0.0]
    for name, share in shares.items():
        expression = states()[name].expression
        for channel, value in expression.au.items():
            au[channel] = au.get(channel, 0.0) + share * value
        for total, offset in ((gaze, expression.gaze), (head, expression.head)):
            for axis, angle in enumerate(offset or ()):
                total[axis] += share * angle
    # Faint traces of the states around would ask channels to hold still that nobody would name; they leave without a step.
    kept = {channel: (value - TRACE) / (1.0 - TRACE) for channel, value in au.items() if value > TRACE}
    (yaw, pitch), (down, turn, tilt) = map(_without_trace, gaze), map(_without_trace, head)
    return Expression(kept, (yaw, pitch) if yaw or pitch else None, (down, turn, tilt) if down or turn or tilt else None)


def _shares(place: Place) -> dict[str, float]:
    """How much of each state is in the blend (Shepard 1968, inverse distances); far from the centre the shares add up to one."""
    table, size = read_table("coordinates"), math.hypot(*place)
    left_out = table["dominance_only"] if len(place) == 2 else ()
    places = {name: at[: len(place)] for name, at in _places().items() if name not in left_out}
    # Softened near the states, so that neighbours pass into each other without a step.
    weights = {name: (math.dist(place, at) ** 2 + table["softness"] ** 2) ** (-table["power"] / 2) for name, at in places.items()}
    total = sum(weights.values())
    return {name: weight / total * min(1.0, size / math.hypot(*places[name])) for name, weight in weights.items()}


@lru_cache(maxsize=1)
def _places() -> dict[str, Place]:
    return {name: tuple(row["at"]) for name, row in read_table("coordinates")["states"].items()}


def _without_trace(angle: float) -> float:
    return math.copysign(max(abs(angle) - ANGLE_TRACE, 0.0), angle)
