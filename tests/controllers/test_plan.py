"""Plans to tracks: envelopes, cross-fades, weights, gestures, JSON."""

import json

import pytest
import torch

from controllers.envelopes import minimum_jerk, mood_level
from controllers.gestures import Gesture
from controllers.plan import Event, TextPlan, plan_to_track
from controllers.text_to_au import text_to_plan
from emohead.channels import AU_INDEX

SMILE, BROW = AU_INDEX["AU12L"], AU_INDEX["AU4L"]


def plan(*events: Event, duration: float | None = 4.0) -> TextPlan:
    return TextPlan(events, duration)


def test_the_ramp_is_smooth_at_both_ends():
    ramp = minimum_jerk(torch.linspace(-0.5, 1.5, 401))
    assert ramp[0] == 0.0 and ramp[-1] == 1.0 and ramp[200] == pytest.approx(0.5)
    assert (ramp.diff() >= 0).all() and ramp.diff().max() < 2.0 * 0.005


def test_an_event_comes_and_goes_inside_its_time():
    track = plan_to_track(plan(Event(1.0, 2.5, {"AU12L": 0.8})), 100, 25.0)
    smile = track.intensity[:, SMILE]
    assert smile[:25].max() == 0.0 and smile[45:60].min() == pytest.approx(0.8, abs=0.01)
    assert smile[-5:].max() < 0.01 and track.weight[-5:, SMILE].max() == 0.0
    assert track.weight[:, BROW].max() == 0.0


def test_steps_that_touch_cross_fade_without_a_dip():
    track = plan_to_track(plan(Event(0.0, 2.0, {"AU12L": 0.6}), Event(2.0, 4.0, {"AU12L": 0.6, "AU4L": 0.9})), 100, 25.0)
    assert track.intensity[20:, SMILE].min() == pytest.approx(0.6, abs=0.01)
    assert track.weight[20:, SMILE].min() == pytest.approx(1.0)
    assert track.intensity[:50, BROW].max() == 0.0 and track.intensity[-1, BROW] == pytest.approx(0.9, abs=0.01)


def test_an_overlay_replaces_only_what_it_asks_for():
    base, over = Event(0.0, 4.0, {"AU12L": 0.6, "AU6L": 0.5}), Event(1.5, 3.0, {"AU12L": 0.0}, overlay=True)
    track = plan_to_track(plan(base, over), 100, 25.0)
    assert track.intensity[60, SMILE] < 0.01 and track.weight[60, SMILE] == pytest.approx(1.0)
    assert track.intensity[60, AU_INDEX["AU6L"]] == pytest.approx(0.5, abs=0.01)
    assert track.intensity[-1, SMILE] == pytest.approx(0.6, abs=0.05)


def test_fractions_stretch_with_the_clip():
    event = Event(0.5, 1.0, {"AU12L": 1.0})
    short, long = (plan_to_track(plan(event, duration=None), n, 25.0) for n in (50, 200))
    assert short.intensity[:25, SMILE].max() == 0.0 and short.intensity[-1, SMILE] > 0.9
    assert long.intensity[:100, SMILE].max() == 0.0 and long.intensity[-1, SMILE] > 0.99


def test_the_frame_rate_does_not_change_the_course():
    moody = plan(Event(0.0, 4.0, {"AU12L": 0.8}, sustained=True))
    slow, fast = plan_to_track(moody, 100, 25.0, seed=2), plan_to_track(moody, 200, 50.0, seed=2)
    assert torch.allclose(slow.intensity, fast.intensity[::2], atol=0.02)


def test_a_mood_holds_swells_and_stays_below_one():
    level = mood_level(torch.arange(0, 20, 0.04), torch.Generator().manual_seed(0))
    assert level.max() <= 1.0 and level.min() > 0.7
    high = (level > 0.95).float().diff()
    assert 4 <= int((high > 0).sum()) <= 9, "one to two swells in five seconds"


def test_gestures_move_what_they_should():
    nod = plan_to_track(plan(Event(1.0, 2.2, gesture=Gesture("nod"), overlay=True)), 100, 25.0)
    assert 0.06 < nod.head_rotation[:, 0].max() < 0.12 and nod.head_rotation[:, 1:].abs().max() == 0.0
    assert nod.head_rotation[:25].abs().max() == 0.0 and nod.pose_weight[40, 1] == pytest.approx(1.0)
    wink = plan_to_track(plan(Event(1.0, 1.5, gesture=Gesture("wink", "L"), overlay=True)), 100, 25.0)
    assert wink.intensity[:, AU_INDEX["AU43L"]].max() > 0.95 and wink.intensity[:, AU_INDEX["AU43R"]].max() == 0.0
    roll = plan_to_track(plan(Event(1.0, 2.0, gesture=Gesture("eye roll"), overlay=True)), 100, 25.0)
    assert roll.gaze[:, 1].min() < -0.4, "up and over"
    for track in (nod, wink, roll):
        assert torch.equal(track.head_rotation[-1], torch.zeros(3)) and torch.equal(track.gaze[-1], torch.zeros(2))


def test_the_json_keeps_to_the_contract():
    for duration, unit in ((None, "fraction"), (6.0, "seconds")):
        written = json.loads(json.dumps(text_to_plan("happy, then looks left and nods", duration=duration).to_json()))
        assert set(written) == {"duration", "peak", "events", "not_understood", "guessed", "unit"}
        assert written["unit"] == unit and written["duration"] == duration
        assert written["peak"]["AU12L"] == written["peak"]["AU12R"] > 0.5 and "AU4L" not in written["peak"]
        for event in written["events"]:
            assert {"start", "end", "au", "gaze", "head", "text"} <= set(event)
            assert 0 <= event["start"] <= event["end"] <= (duration or 1.0) + 1e-6
        assert any(event.get("gesture") == "nod" for event in written["events"])
