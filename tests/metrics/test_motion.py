"""Motion statistics on tracks whose answer is known."""

import math

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.metrics.motion import (
    MOUTH_COLUMNS,
    blink_rate,
    channel_std,
    jitter,
    joint_ratio,
    motion_statistics,
    saccade_directions,
    silence_std,
)
from emohead.types import HeadMotion


def _blinking(lid_level: float) -> HeadMotion:
    motion = HeadMotion.neutral(1500, 25.0)
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        motion.rig[:, RIG_INDEX[name]] = lid_level
        for start in range(50, 1500, 100):
            motion.rig[start : start + 4, RIG_INDEX[name]] = 1.0
    return motion


@pytest.mark.parametrize("lid_level", [0.0, 0.4])
def test_blinks_are_counted_above_the_usual_lid(lid_level: float):
    assert blink_rate(_blinking(lid_level)) == pytest.approx(15.0)


def test_a_wink_is_no_blink():
    motion = _blinking(0.0)
    motion.rig[:, RIG_INDEX["eyeBlinkRight"]] = 0.0
    assert blink_rate(motion) == 0.0


def test_jitter_of_a_sinusoid_and_of_trembling():
    times = torch.arange(2000) / 25
    slow = torch.sin(2 * math.pi * times)[:, None]
    assert jitter(slow) == pytest.approx((2 * math.sin(math.pi / 25)) ** 2, rel=0.02)
    assert jitter((torch.arange(100) % 2).float()[:, None]) == pytest.approx(4.0)
    assert jitter(torch.zeros(10, 3)) == 0.0
    with pytest.raises(InputError, match="at least 4 frames"):
        jitter(torch.zeros(3, 1))


def test_saccade_directions_are_seen():
    gaze = torch.zeros(400, 2)
    for index in range(1, 20):
        # Left (+yaw) and up (-pitch) in turn, each from and back to the middle.
        gaze[index * 20 : index * 20 + 10] = math.radians(8) * (torch.tensor([1.0, 0.0]) if index % 2 else torch.tensor([0.0, -1.0]))
    shares = saccade_directions(gaze, fps=25.0)
    assert torch.allclose(shares[[0, 2, 4, 6]], torch.tensor([10, 9, 10, 9]) / 38, atol=1e-3)


def test_statistics_of_a_clip():
    motion = HeadMotion.neutral(500, 25.0)
    motion.rig[::2, RIG_INDEX["jawOpen"]] = 0.2
    motion.head_rotation[:, 1] = math.radians(3) * torch.sin(torch.arange(500) / 25)
    statistics = motion_statistics(motion)
    assert statistics.jaw_std == pytest.approx(0.1) and channel_std(motion.rig).max() == pytest.approx(0.1)
    assert statistics.head_std_deg[1] == pytest.approx(3 / math.sqrt(2), rel=0.05)
    assert statistics.blinks_per_minute == 0.0 and statistics.mouth_jitter == pytest.approx(4.0, rel=0.01)


def test_a_mouth_in_silence():
    motion = HeadMotion.neutral(100, 25.0)
    motion.rig[:, RIG_INDEX["browInnerUp"]] = torch.rand(100, generator=torch.Generator().manual_seed(0))
    assert silence_std(motion) == 0.0
    motion.rig[::2, RIG_INDEX["jawOpen"]] = 0.2
    assert silence_std(motion) == pytest.approx(0.1 / len(MOUTH_COLUMNS))


def test_seams_between_chunks_are_seen():
    motion = HeadMotion.neutral(100, 25.0)
    motion.rig[:, 0] = 0.001 * torch.arange(100)
    assert joint_ratio(motion, [20, 40]) == pytest.approx(1.0, rel=1e-3)
    motion.rig[40:, 0] += 0.001
    assert joint_ratio(motion, [20, 40]) == pytest.approx(1.5, rel=1e-3)
    with pytest.raises(InputError, match="joints must be frames"):
        joint_ratio(motion, [100])
