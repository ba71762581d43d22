"""Expressions: codes, gains, sides, merging."""

import pytest

from controllers.expression import Expression, merged, mirrored, on_side, parse_codes, scaled
from emohead.errors import InputError


def test_codes_become_channels_and_offsets():
    expression = parse_codes("12=.6 AU4L=1 17=.2 61=.5 54=1")
    assert expression.au == {"AU12L": 0.6, "AU12R": 0.6, "AU4L": 1.0, "AU17": 0.2}
    assert expression.gaze == pytest.approx((0.3, 0.0))
    assert expression.head == pytest.approx((0.35, 0.0, 0.0))


@pytest.mark.parametrize("wrong", ["AU12", "AU12=", "AU12=much", "AU12=1.2", "AU12=-0.1", "AU12=nan", "AU12=inf", "AU3=.5", "smile=.5"])
def test_wrong_codes_are_refused_with_what_was_given(wrong: str):
    with pytest.raises(InputError, match=wrong.split("=")[0]):
        parse_codes(wrong)


def test_a_faint_expression_keeps_its_core():
    expression = Expression({"AU12L": 0.8, "AU6L": 0.4}, share={"AU6L": 0.5})
    faint, full = scaled(expression, 0.15), scaled(expression, 1.0)
    assert faint.au == {"AU12L": pytest.approx(0.12)}
    assert full.au == {"AU12L": 0.8, "AU6L": 0.4}
    assert scaled(expression, 1.3).au["AU12L"] == 1.0


def test_mirroring_twice_is_nothing():
    expression = parse_codes("12R=.5 4=.3 17=.2 61=.5 51=.4 55=.3 64=.2")
    assert mirrored(mirrored(expression)) == expression
    assert mirrored(expression).au["AU12L"] == 0.5


def test_sides_keep_or_move():
    assert on_side(parse_codes("1=.8 25=.2"), "L").au == {"AU1L": 0.8, "AU25": 0.2}
    assert on_side(parse_codes("12R=.5"), "L").au == {"AU12L": 0.5}


def test_merging_takes_the_stronger_and_adds_the_pose():
    both = merged(parse_codes("12=.5 61=.2"), parse_codes("12=.3 4=.4 64=.5"))
    assert both.au == {"AU12L": 0.5, "AU12R": 0.5, "AU4L": 0.4, "AU4R": 0.4}
    assert both.gaze == pytest.approx((0.12, 0.225))
