"""Valence, arousal, dominance: neutral at the centre, the states at their places, no steps between."""

import math
import random

import pytest

from controllers.coordinates import expression_at
from controllers.states import states
from controllers.tables import read_table


def unit(place: tuple[float, ...], channel: str) -> float:
    return expression_at(place).au.get(channel, 0.0)


def test_the_centre_is_neutral():
    for centre in ((0.0, 0.0), (0.0, 0.0, 0.0), (0.02, -0.02)):
        assert not expression_at(centre).au and expression_at(centre).gaze is None and expression_at(centre).head is None


def test_a_state_lies_at_its_own_place():
    for name, row in read_table("coordinates")["states"].items():
        found, wanted = expression_at(tuple(row["at"])).au, states()[name].expression.au
        strong = {channel: value for channel, value in wanted.items() if value >= 0.35}
        assert all(abs(found.get(channel, 0.0) - value) < 0.2 for channel, value in strong.items()), name
        assert set(strong) <= set(found), name


def test_small_changes_move_little():
    draw = random.Random(0)
    for _ in range(400):
        place = tuple(draw.uniform(-1, 1) for _ in range(draw.choice((2, 3))))
        other = tuple(max(-1.0, min(1.0, value + draw.uniform(-0.01, 0.01))) for value in place)
        one, two = expression_at(place).au, expression_at(other).au
        moved = max((abs(one.get(name, 0.0) - two.get(name, 0.0)) for name in {*one, *two}), default=0.0)
        assert moved <= 8.0 * math.dist(place, other) + 1e-9


@pytest.mark.parametrize(("channel", "axis", "direction"), [("AU12L", 0, 1), ("AU4L", 0, -1), ("AU5L", 1, 1), ("AU43L", 1, -1)])
def test_what_each_axis_does(channel: str, axis: int, direction: int):
    for other in (-0.5, 0.0, 0.5):
        ends = [tuple(end * direction if index == axis else other for index in range(2)) for end in (-0.8, 0.0, 0.8)]
        low, middle, high = (unit(place, channel) for place in ends)
        assert low <= middle + 0.02 and middle < high, (other, low, middle, high)


def test_dominance_parts_anger_from_fear():
    angry, fearful = ((-0.55, 0.6, dominance) for dominance in (0.4, -0.5))
    assert unit(angry, "AU23") > 0.3 > unit(fearful, "AU23") + 0.25
    assert unit(fearful, "AU20L") > 0.4 > unit(angry, "AU20L") + 0.25
