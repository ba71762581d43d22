"""Spread and diversity of takes whose differences are known."""

import math

import pytest

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.metrics.variety import au_std, diversity, group_values, std_ratio
from emohead.types import HeadMotion


def _turned(degrees: float) -> HeadMotion:
    motion = HeadMotion.neutral(50, 25.0)
    motion.head_rotation[:] = math.radians(degrees)
    return motion


def test_diversity_is_the_mean_distance_of_pairs():
    takes = [_turned(0.0), _turned(1.0), _turned(4.0)]
    assert diversity(takes, "head") == pytest.approx((1 + 4 + 3) / 3, rel=1e-4)
    assert diversity(takes, "mouth") == 0.0


def test_groups_share_no_channel():
    motion = HeadMotion.neutral(10, 25.0)
    motion.rig[:, RIG_INDEX["browInnerUp"]] = 1.0
    assert float(group_values(motion, "upper").sum()) == 10.0 and float(group_values(motion, "mouth").sum()) == 0.0
    with pytest.raises(InputError, match="unknown group"):
        group_values(motion, "ears")


def test_takes_must_compare():
    with pytest.raises(InputError, match="at least two takes"):
        diversity([_turned(0.0)], "head")
    with pytest.raises(InputError, match="one length"):
        diversity([_turned(0.0), HeadMotion.neutral(49, 25.0)], "head")


def test_au_std_sees_brows_and_mouth_apart():
    motion = HeadMotion.neutral(40, 25.0)
    motion.rig[::2, RIG_INDEX["jawOpen"]] = 0.2
    assert au_std(motion) > 0.0 and au_std(motion, upper_only=True) == pytest.approx(0.0, abs=1e-6)
    motion.rig[::2, RIG_INDEX["browDownLeft"]] = 0.5
    assert au_std(motion, upper_only=True) > 0.005


def test_std_ratio_is_of_all_channels_and_clips_together():
    still, nodding, shaking = (HeadMotion.neutral(100, 25.0) for _ in range(3))
    nodding.head_rotation[::2, 0] = 0.1
    shaking.head_rotation[::2, 1] = 0.2
    assert std_ratio([shaking], [nodding], "head") == pytest.approx(2.0)
    assert std_ratio([nodding, nodding], [nodding, still], "head") == pytest.approx(2**0.5)
    assert std_ratio([still], [nodding], "head") == 0.0 and math.isnan(std_ratio([nodding], [still], "head"))
