"""Movements listed with commas: at once where they can be, one after the other where they cannot."""

import pytest

from controllers.plan import Event
from controllers.text_to_au import text_to_plan


def events(sentence: str) -> list[Event]:
    return list(text_to_plan(sentence, reading="lexicon").events)


@pytest.mark.parametrize(
    ("sentence", "signs"),
    [("look left, look right", (1, -1)), ("look right, look left", (-1, 1)), ("look left, look at the camera, look right", (1, 0, -1))],
)
def test_directions_come_in_turn(sentence: str, signs: tuple[int, ...]):
    found = events(sentence)
    assert [event.gaze and (event.gaze[0] > 0) - (event.gaze[0] < 0) for event in found] == list(signs)
    assert [round(event.start, 3) for event in found] == [round(place / len(signs), 3) for place in range(len(signs))]


def test_antagonists_come_in_turn():
    smile, frown, surprise = events("smile, frown, look surprised")
    assert "AU12L" in smile.au and "AU12L" not in frown.au and frown.au["AU15L"] > 0.3 and surprise.au["AU1L"] > 0.3
    shut, wide = events("eyes closed, eyes open")
    assert shut.au["AU43L"] == 1.0 and wide.au["AU5L"] > 0.1 and shut.end == wide.start == 0.5


def test_wished_and_then_denied():
    first, rest, again = events("smile, stop smiling, smile again")
    assert first.au["AU12L"] == again.au["AU12L"] > 0.5 and rest.au["AU12L"] == 0.0


@pytest.mark.parametrize("sentence", ["tilt head, chin up, smile", "smile, eyebrows raised, look left", "frown and smile", "happy, sad"])
def test_what_can_be_together_is(sentence: str):
    assert len({event.start for event in events(sentence) if event.gesture is None}) == 1


def test_an_ending_is_at_the_end():
    (grin,) = events("ends on a grin")
    assert grin.start == 0.75 and grin.au["AU12L"] > 0.5
    sad, smile = events("sad, ending with a smile")
    assert "AU15L" in sad.au and smile.start == 0.5 and "AU12L" in smile.au


def test_more_and_more_is_slow():
    (event,) = events("gets angrier and angrier")
    assert event.onset >= 0.5 and event.au["AU4L"] > 0.4
