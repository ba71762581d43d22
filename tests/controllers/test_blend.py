"""Blending: priority, masks, cross-fades; and the one call that uses them all."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from controllers.blend import blend, crossfade, masked
from controllers.control import control
from controllers.expression import UPPER_CHANNELS
from controllers.keyframes import Curve, KeyframeController, Keyframes
from controllers.labels import LabelController
from controllers.sliders import SliderController
from emohead.channels import AU_INDEX, AU_NAMES
from emohead.errors import InputError
from emohead.head.generic import load_generic
from emohead.head.measure import lip_gap
from emohead.metrics.lip import closure_score
from emohead.motion.rules import RuleConfig
from emohead.types import AUTrack, HeadMotion
from tests.motion.voices import spoken

SMILE, BROW = AU_INDEX["AU12L"], AU_INDEX["AU4L"]


def test_later_tracks_win_only_where_they_ask():
    label, sliders = LabelController("happy")(50, 25.0), SliderController(("AU12=0.1", "AU4=.5"))(50, 25.0)
    both = blend([label, sliders])
    assert torch.allclose(both.intensity[:, SMILE], torch.tensor(0.1))
    assert torch.allclose(both.intensity[:, BROW], torch.tensor(0.5))
    cheek = AU_INDEX["AU6L"]
    assert torch.allclose(both.intensity[:, cheek], label.intensity[:, cheek])
    assert torch.allclose(both.weight[:, cheek], label.weight[:, cheek])


def test_blending_with_nothing_changes_nothing():
    label = LabelController("sad")(50, 25.0)
    for both in (blend([label]), blend([label, AUTrack.neutral(50, 25.0)]), blend([AUTrack.neutral(50, 25.0), label])):
        assert torch.allclose(both.intensity * both.weight, label.intensity * label.weight, atol=1e-6)
        assert torch.allclose(both.weight, label.weight) and torch.allclose(
            both.gaze * both.pose_weight[:, :1], label.gaze * label.pose_weight[:, :1]
        )


def test_tracks_of_different_length_are_refused():
    with pytest.raises(InputError, match="one length"):
        blend([AUTrack.neutral(5, 25.0), AUTrack.neutral(6, 25.0)])
    with pytest.raises(InputError):
        blend([])


def test_a_crossfade_leaves_one_for_the_other():
    one, other = SliderController(("AU12=.8",))(100, 25.0), SliderController(("AU12=.2", "AU4=1"))(100, 25.0)
    faded = crossfade(one, other, start=1.0, length=2.0)
    assert faded.intensity[24, SMILE] == pytest.approx(0.8) and faded.intensity[-1, SMILE] == pytest.approx(0.2)
    assert faded.weight[24, BROW] == 0.0 and faded.weight[-1, BROW] == 1.0
    assert torch.allclose(faded.weight[:, SMILE], torch.tensor(1.0))
    assert faded.intensity[:, SMILE].diff().abs().max() < 0.03


def test_control_puts_sliders_over_text_over_label():
    result = control(100, 25.0, sentence="raises her eyebrows", label="sad:0.8", sliders=["AU15=0"], seed=1)
    last = result.track.intensity[-1]
    assert last[AU_INDEX["AU2L"]] == pytest.approx(0.8)
    assert last[AU_INDEX["AU15L"]] == 0.0 and result.track.weight[-1, AU_INDEX["AU15L"]] == 1.0
    assert 0.3 < last[AU_INDEX["AU17"]] * 1.25 < 0.45
    assert result.plan.events[0].text == "raises her eyebrows" and result.warnings == ()


def test_control_of_nothing_is_neutral():
    result = control(30, 25.0)
    assert result.track.weight.max() == 0.0 and result.plan.events == ()


def test_intensity_nought_asks_for_nothing():
    result = control(50, 25.0, sentence="smiles, then frowns", label="sad", intensity=0.0)
    assert result.track.weight.max() == 0.0 and result.track.pose_weight.max() == 0.0


def test_control_scales_and_warns_and_refuses():
    full, half = (control(100, 25.0, sentence="smiles", intensity=gain).track.intensity[-1, SMILE] for gain in (1.0, 0.5))
    assert half == pytest.approx(float(full) / 2, rel=1e-3)
    assert control(10, 25.0, sentence="a flurbish smile").warnings
    refused: list[dict[str, Any]] = [
        {"sentence": "a flurbish smile", "strict": True}, {"intensity": 3.0}, {"label": "hapy"}, {"sliders": ["AU12=2"]},
    ]  # fmt: skip
    for options in refused:
        with pytest.raises(InputError):
            control(10, 25.0, **options)


def test_a_mask_leaves_nothing_else_and_no_other_time():
    label = LabelController("sad")(100, 25.0)
    upper = masked(label, channels=UPPER_CHANNELS, head=False)
    assert upper.weight[:, AU_INDEX["AU15L"]].max() == 0.0 and torch.equal(upper.weight[:, BROW], label.weight[:, BROW])
    assert upper.pose_weight[:, 1].max() == 0.0 and torch.equal(upper.pose_weight[:, 0], label.pose_weight[:, 0])
    timed = masked(label, start=1.0, end=2.0, fade=0.4)
    assert timed.weight[:25].max() == 0.0 and timed.weight[60:].max() == 0.0 and timed.weight[40, BROW] == 1.0
    assert timed.weight[:, BROW].diff().abs().max() < 0.25, "it comes and goes without a step"
    assert torch.equal(masked(label).weight, label.weight)
    with pytest.raises(InputError, match="unknown channel 'AU12'"):
        masked(label, channels=["AU12"])


def test_one_half_of_the_face_for_each_controller():
    left, right = {name for name in AU_NAMES if name.endswith("L")}, {name for name in AU_NAMES if name.endswith("R")}
    tracks = [masked(LabelController("happy")(60, 25.0), channels=left), masked(LabelController("sad")(60, 25.0), channels=right)]
    both = blend(tracks).intensity[-1]
    assert both[AU_INDEX["AU12L"]] > 0.6 and both[AU_INDEX["AU12R"]] == 0.0
    assert both[AU_INDEX["AU15R"]] > 0.5 and both[AU_INDEX["AU15L"]] == 0.0


def test_a_crossfade_has_no_dip():
    one, other = SliderController(("AU12=.5",))(100, 50.0), SliderController(("AU12=.5",))(100, 50.0)
    faded = crossfade(one, other, start=0.5, length=1.0)
    assert torch.allclose(faded.intensity[:, SMILE], torch.tensor(0.5)) and torch.allclose(faded.weight[:, SMILE], torch.tensor(1.0))


def test_articulation_wins_over_every_open_mouth():
    """Lips meet at every /p b m/ although a blend of all controllers asks for an open mouth and a dropped jaw."""
    audio, segments = spoken()
    n_frames = round(audio.duration * 25)
    keys = KeyframeController(Keyframes((Curve("AU27", (0.0, 1.0), (0.0, 1.0)),)))
    result = control(
        n_frames, 25.0, sentence="mouth wide open, then jaw drops", label="astonished:1.3", sliders=["AU25=1", "AU26=1"], keyframes=keys
    )
    asked = result.track.intensity * result.track.weight
    assert all(asked[30:, AU_INDEX[name]].min() > 0.9 for name in ("AU25", "AU26", "AU27")), "the blend insists"
    motion = RuleConfig().build()(audio, segments, prompt=result.track)
    head = load_generic()
    face = replace(HeadMotion.neutral(n_frames, 25.0), rig=motion.rig)
    score = closure_score(lip_gap(head, head(head.identity(), face).vertices), 25.0, segments)
    assert score.hit == score.labelled == 15
