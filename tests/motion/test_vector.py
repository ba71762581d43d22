"""Motion as vectors, and back."""

import torch

from emohead.channels import RIG_INDEX, RIG_NAMES
from emohead.head.gaze import gaze_to_rig, with_gaze
from emohead.motion.blinks import blink_closure, onsets_in, with_blinks
from emohead.motion.vector import CHANNELS, GROUPS, INDEX, N_CHANNELS, MotionScale, columns_of, group_of, to_motion, to_vectors
from emohead.types import HeadMotion


def random_motion(n_frames: int = 40) -> HeadMotion:
    generator = torch.Generator().manual_seed(0)
    rig = torch.rand(n_frames, len(RIG_NAMES), generator=generator)
    rig[:, [index for name, index in RIG_INDEX.items() if name.startswith("eyeLook")]] = 0.0
    still = HeadMotion.neutral(n_frames, 50.0)
    gaze = 0.3 * torch.randn(n_frames, 1, 2, generator=generator).clamp(-1, 1).expand(-1, 2, -1)
    moving = HeadMotion(50.0, rig, 0.1 * torch.randn(n_frames, 3, generator=generator), still.torso_rotation, still.translation, gaze)
    return with_gaze(moving, gaze.contiguous())


def test_every_channel_belongs_to_one_group():
    assert sorted(index for group in GROUPS for index in columns_of(group)) == list(range(N_CHANNELS))
    assert {group_of(name) for name in ("jawOpen", "tongueOut", "mouthClose")} == {"mouth"}
    assert {group_of(name) for name in ("browInnerUp", "cheekSquintLeft", "noseSneerLeft", "eyeBlinkLeft")} == {"upper"}
    assert group_of("blink") == "gaze" and group_of("headYaw") == "head" and len(CHANNELS) == N_CHANNELS


def test_a_motion_comes_back_from_its_vectors():
    motion = random_motion()
    back = to_motion(to_vectors(motion, torch.zeros(motion.n_frames)), 50.0)
    assert torch.allclose(back.rig, motion.rig, atol=1e-6)
    assert torch.allclose(back.gaze, motion.gaze, atol=1e-6)
    assert torch.allclose(back.head_rotation, motion.head_rotation)


def test_blinks_come_back_over_the_lids():
    motion = random_motion()
    closure = blink_closure(motion.n_frames, 50.0, [0.2])
    back = to_motion(to_vectors(motion, closure), 50.0)
    assert torch.allclose(back.rig, with_blinks(motion, closure).rig, atol=1e-6)
    assert float(back.rig[:, RIG_INDEX["eyeBlinkLeft"]].max()) == 1.0
    # The lids follow the eyes' dip in a blink.
    assert torch.allclose(
        gaze_to_rig(back.gaze).sum(1), back.rig[:, [RIG_INDEX[n] for n in RIG_NAMES if n.startswith("eyeLook")]].sum(1), atol=1e-5
    )


def test_blinks_are_found_where_they_were_put():
    onsets = [0.3, 1.4, 2.9]
    found = onsets_in(blink_closure(200, 50.0, onsets), 50.0)
    assert len(found) == 3
    assert all(abs(there - put) < 0.03 for there, put in zip(found, onsets, strict=True))


def test_scaling_is_undone():
    vectors = torch.randn(300, N_CHANNELS, generator=torch.Generator().manual_seed(1)) * 0.2 + 0.1
    scale = MotionScale.of(vectors)
    scaled = scale.shrink(vectors)
    assert torch.allclose(scale.grow(scaled), vectors, atol=1e-6)
    assert abs(float(scaled[:, INDEX["jawOpen"]].std()) - 1.0) < 1e-3


def test_a_channel_that_never_moves_is_not_blown_up():
    scale = MotionScale.of(torch.zeros(100, N_CHANNELS))
    assert float(scale.shrink(torch.full((1, N_CHANNELS), 0.01)).abs().max()) <= 10.0
