"""The calibration map: nothing at first, neutral stays neutral, limits of the rig hold."""

import torch

from emohead.types import HeadMotion
from recon.calibration import N_INPUTS, N_OUTPUTS, Calibration


def _motion() -> HeadMotion:
    generator = torch.Generator().manual_seed(0)
    motion = HeadMotion.neutral(5, 25.0)
    motion.rig[:] = torch.rand(motion.rig.shape, generator=generator)
    motion.head_rotation[:] = 0.3 * torch.randn(5, 3, generator=generator)
    motion.translation[:] = 0.01 * torch.randn(5, 3, generator=generator)
    return motion


def test_zero_changes_nothing():
    motion = _motion()
    same = Calibration.none()(motion)
    for name in ("rig", "head_rotation", "torso_rotation", "translation", "gaze"):
        assert torch.equal(getattr(same, name), getattr(motion, name))


def test_neutral_stays_neutral_and_coefficients_stay_in_range():
    weights = torch.randn(N_INPUTS, N_OUTPUTS, generator=torch.Generator().manual_seed(1))
    calibrate = Calibration(weights)
    still = calibrate(HeadMotion.neutral(2, 25.0))
    assert still.rig.abs().max() == 0 and still.head_rotation.abs().max() == 0 and still.translation.abs().max() == 0
    moved = calibrate(_motion())
    assert moved.rig.min() >= 0 and moved.rig.max() <= 1
    assert not torch.equal(moved.rig, _motion().rig)


def test_a_torso_turns_under_a_head_that_stays():
    weights = torch.zeros(N_INPUTS, N_OUTPUTS)
    weights[0, 52 + 3] = 1.0  # the first rig channel turns the torso about x
    motion = _motion()
    moved = Calibration(weights)(motion)
    turned = moved.torso_rotation - motion.torso_rotation
    assert torch.allclose(turned[:, 0], 0.02 * motion.rig[:, 0])
    assert torch.allclose(moved.head_rotation + moved.torso_rotation, motion.head_rotation + motion.torso_rotation, atol=1e-6)
