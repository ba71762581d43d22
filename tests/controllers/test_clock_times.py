"""Seconds, counts and shares in a sentence."""

import math

import pytest

from controllers.clock_times import clock_time, closed, count_or_share
from controllers.mentions import Window
from controllers.plan import Event, plan_to_track
from controllers.text_to_au import text_to_plan
from emohead.channels import AU_INDEX


def events(sentence: str) -> list[Event]:
    return list(text_to_plan(sentence, duration=6.0, reading="lexicon").events)


def spans(sentence: str) -> list[tuple[float, float]]:
    return [(round(event.start, 2), round(event.end, 2)) for event in events(sentence)]


@pytest.mark.parametrize(
    ("sentence", "times"),
    [
        ("after two seconds she starts smiling", [(2, 6)]),
        ("smiles after two seconds", [(2, 6)]),
        ("two seconds in, she smiles", [(2, 6)]),
        ("at three seconds he raises both eyebrows", [(3, 6)]),
        ("from 2 to 4 seconds he looks disgusted", [(2, 4)]),
        ("smiles from second 1 to second 3", [(1, 3)]),
        ("smiles at 2s, frowns at 4s", [(2, 4), (4, 6)]),
        ("0-2s happy, 2-4s sad, 4-6s angry", [(0, 2), (2, 4), (4, 6)]),
        ("happy (2s), sad (2s), angry (2s)", [(0, 2), (2, 4), (4, 6)]),
        ("sad for 2 seconds, happy for 2 seconds, angry for the rest", [(0, 2), (2, 4), (4, 6)]),
        ("in the last second she closes her eyes", [(5, 6)]),
        ("in the last 2 seconds she smiles", [(4, 6)]),
        ("for the first two seconds he looks angry, then he relaxes", [(0, 2), (2, 6)]),
        ("sad, one second later happy", [(0, 3), (3, 6)]),
        ("for about 1.5 s he looks afraid", [(0, 1.5)]),
        ("happy at the end for two seconds", [(4, 6)]),
        ("smiles after nine seconds", []),
        ("from 1 to 2 seconds he is sad, then happy", [(1, 2), (2, 6)]),
        ("at 2 seconds he is sad, then happy", [(2, 4), (4, 6)]),
    ],
)
def test_times_in_seconds(sentence: str, times: list[tuple[float, float]]):
    assert spans(sentence) == times


def test_what_is_no_time():
    for sentence in ("two children", "a second thought", "after the second of may", "for a friend", "in the first row"):
        assert clock_time(sentence.split(), 0) is None, sentence
    assert events("one of the two")[:] == []


def test_an_endless_number_is_the_whole_clip():
    assert spans(f"happy for {'9' * 400} seconds") == [(0, 6)]


def test_an_open_window_ends_where_the_next_begins():
    one, two, last = closed([Window(1.0, math.inf, True), Window(3.0, math.inf, True), Window(-1.0, math.inf, True)])
    assert (one.first, one.last) == (1.0, 3.0) and math.isinf(two.last) and last.within(6.0) == (5.0, 6.0)


def test_counts():
    found = [count_or_share(text.split(), 0) for text in ("twice", "three times", "12 times")]
    assert [item and item.times for item in found] == [2, 3, 12]
    assert count_or_share("nine hundred times".split(), 0) is None
    (nods,), (usual,) = events("nods four times"), events("nods")
    assert nods.end - nods.start > 1.8 * (usual.end - usual.start)
    assert len(events("raises her eyebrows twice")) == 2
    track = plan_to_track(text_to_plan("blinks three times", duration=6.0, reading="lexicon"), 150, 25.0)
    shut = track.intensity[:, AU_INDEX["AU43L"]] > 0.5
    assert int((shut[1:] & ~shut[:-1]).sum()) == 3


def test_a_slow_nod_is_slow():
    (slow,), (usual,) = events("nods slowly"), events("nods")
    assert slow.end - slow.start > 1.5 * (usual.end - usual.start)


def test_shares():
    (half,), (full,) = events("50% happy"), events("100 per cent happy")
    assert half.au["AU12L"] == pytest.approx(0.45) and full.au["AU12L"] == pytest.approx(0.9)
    (mixed,) = events("70% happy, 30% surprised")
    assert mixed.au["AU12L"] > 2.0 * mixed.au["AU1L"] > 0.3


def test_a_mouth_that_is_shut_in_surprise_is_shut():
    (event,) = events("surprised but mouth closed")
    assert event.au["AU1L"] > 0.5 and event.au["AU25"] == event.au["AU26"] == 0.0


def test_eyes_on_the_camera_counter_the_head():
    (event,) = events("looks at the camera while turning the head left")
    assert event.gaze is not None and event.head is not None and event.head[1] > 0.2 and event.gaze[0] == pytest.approx(-event.head[1])
    (up,) = events("looks up and to the left")
    assert up.gaze is not None and up.gaze[0] > 0.2 and up.gaze[1] < -0.2


def test_the_other_side_alone_repeats_a_movement():
    left, right = events("raises the left eyebrow, then the right one")
    assert "AU2L" in left.au and "AU2R" not in left.au and "AU2R" in right.au and "AU2L" not in right.au
    (both,) = events("left and right eyebrow raised")
    assert both.au["AU2L"] == both.au["AU2R"] > 0.5
    assert [event.gaze and event.gaze[0] > 0 for event in events("eyes dart left and right")] == [True, False]
