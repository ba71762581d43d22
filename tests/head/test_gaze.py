"""Gaze and eyeLook*: signs, round trip, lids."""

import pytest
import torch

from emohead.channels import RIG_INDEX, RIG_NAMES
from emohead.head.gaze import PITCH_AT_ONE, YAW_AT_ONE, gaze_to_rig, rig_to_gaze, with_gaze
from emohead.types import HeadMotion


@pytest.mark.parametrize(
    ("gaze", "channels"),
    [
        ((YAW_AT_ONE, 0.0), {"eyeLookOutLeft", "eyeLookInRight"}),
        ((-YAW_AT_ONE, 0.0), {"eyeLookInLeft", "eyeLookOutRight"}),
        ((0.0, PITCH_AT_ONE), {"eyeLookDownLeft", "eyeLookDownRight"}),
        ((0.0, -PITCH_AT_ONE), {"eyeLookUpLeft", "eyeLookUpRight"}),
    ],
    ids=["left", "right", "down", "up"],
)
def test_full_channels(gaze: tuple[float, float], channels: set[str]):
    rig = gaze_to_rig(torch.tensor([gaze, gaze]))
    assert {name for name in RIG_NAMES if rig[RIG_INDEX[name]] != 0} == channels
    assert torch.allclose(rig[[RIG_INDEX[name] for name in channels]], torch.ones(2))


def test_round_trip_within_the_range():
    limits = torch.tensor([YAW_AT_ONE, PITCH_AT_ONE])
    gaze = (torch.rand(20, 2, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1) * limits
    assert torch.allclose(rig_to_gaze(gaze_to_rig(gaze)), gaze, atol=1e-6)


def test_beyond_the_range_is_clamped_and_gradients_flow_within():
    assert float(gaze_to_rig(torch.full((2, 2), 3.0)).max()) == 1.0
    gaze = torch.full((1, 2, 2), 0.1, requires_grad=True)
    gaze_to_rig(gaze).sum().backward()
    assert gaze.grad is not None
    assert torch.allclose(gaze.grad, torch.tensor([1 / YAW_AT_ONE, 1 / PITCH_AT_ONE]).expand(1, 2, 2))


def test_with_gaze_keeps_everything_else():
    motion = HeadMotion.neutral(3, 25.0)
    motion.rig[:, RIG_INDEX["jawOpen"]] = 0.4
    looking = with_gaze(motion, torch.full((3, 2, 2), 0.2))
    assert torch.allclose(rig_to_gaze(looking.rig), looking.gaze, atol=1e-6)
    assert torch.equal(looking.rig[:, RIG_INDEX["jawOpen"]], motion.rig[:, RIG_INDEX["jawOpen"]])
