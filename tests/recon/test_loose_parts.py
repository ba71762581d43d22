"""Gaussians beside the mesh: put where the person is and the mesh is not, bound so that they show the same place."""

import pytest
import torch

from emohead.head.generic import load_generic
from emohead.types import Camera, HeadMotion
from recon.initialise import initial_avatar
from recon.loose_parts import with_loose_parts
from recon.subject import project
from recon.types import FrameSet, TrackedSequence

SIDE = 256


@pytest.fixture(scope="module")
def scene():
    head = load_generic()
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[:3, 3] = torch.tensor([0.0, -0.02, 0.9])
    intrinsics = torch.tensor([[600.0, 0.0, SIDE / 2], [0.0, 600.0, SIDE / 2], [0.0, 0.0, 1.0]])
    motion = HeadMotion.neutral(2, 25.0)
    motion.head_rotation[1, 1] = 0.2
    tracked = TrackedSequence(25.0, Camera(world_to_camera[None], intrinsics[None], SIDE, SIDE), head.identity(), motion, torch.ones(2))
    mattes = torch.full((2, SIDE, SIDE), 255, dtype=torch.uint8)
    mattes[:, :, 200:] = 0  # to the right of the picture nothing is the person
    images = torch.full((2, SIDE, SIDE, 3), 90, dtype=torch.uint8)
    frames = FrameSet(25.0, images, mattes, torch.arange(2), torch.tensor([False, True]))
    first = initial_avatar("x", head, tracked, frames, background=torch.zeros(3), generator=torch.Generator().manual_seed(0))
    return head, tracked, frames, first


def test_they_fill_what_the_mesh_leaves_bare(scene):
    head, tracked, frames, (avatar, layout) = scene
    more, limits = with_loose_parts(avatar, layout, head, tracked, frames, generator=torch.Generator().manual_seed(0))
    loose = limits.is_loose
    assert not layout.is_loose.any() and int(loose.sum()) == more.n_gaussians - avatar.n_gaussians > 500
    assert torch.equal(more.offsets[: avatar.n_gaussians], avatar.offsets)
    assert all(len(getattr(limits, name)) == more.n_gaussians for name in ("start", "freedom", "min_logit", "plan", "may_move"))
    motion = tracked.motion.frames(0, 1)
    means = more.pose(head(tracked.identity, motion), motion).means
    column, row = project(means, tracked.camera)[0][loose].long().unbind(1)
    assert ((column >= 0) & (column < 200) & (row >= 0) & (row < SIDE)).all()  # where the person is, and nowhere else
    bare = torch.ones(SIDE, SIDE, dtype=torch.bool)
    ours = project(means, tracked.camera)[0][~loose].long()
    inside = (ours >= 0).all(1) & (ours < SIDE).all(1)
    bare[ours[inside, 1], ours[inside, 0]] = False
    assert bare[row, column].all()
    assert torch.allclose(torch.sigmoid(more.opacity_logits[loose]), torch.tensor(0.7)) and (more.sh[loose] < 0).all()


def test_nothing_is_added_where_the_mesh_covers_the_person(scene):
    head, tracked, frames, (avatar, layout) = scene
    mattes = torch.zeros_like(frames.mattes)
    mattes[:, 110:140, 110:140] = 255  # the middle of the face
    covered = FrameSet(25.0, frames.images, mattes, frames.index, frames.held_out)
    more, _ = with_loose_parts(avatar, layout, head, tracked, covered, generator=torch.Generator().manual_seed(0))
    assert more.n_gaussians == avatar.n_gaussians
