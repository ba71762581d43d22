"""A FLAME head has the 478 landmarks where the generic head has them, they move with the mesh, and a clip can be tracked with them."""

from dataclasses import replace

import torch

from emohead.channels import RIG_INDEX
from emohead.types import Camera, HeadMotion
from recon.flame_landmarks import flame_places
from recon.landmark_head import landmark_points
from recon.landmarks import IRISES
from recon.motion_model import View
from recon.tracking import track_footage
from recon.types import FaceLandmarks, Footage, FrameSet


def test_landmarks_lie_on_the_mesh_and_move_with_it(flame_head):
    motion = HeadMotion.neutral(3, 25.0)
    motion.rig[1:, RIG_INDEX["jawOpen"]] = 0.8
    motion.head_rotation[:] = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.3, 0.0], [-0.2, 0.1, 0.1]])
    motion.gaze[:, :, 0] = 0.2
    identity = replace(flame_head.identity(), shape=torch.randn(flame_head.n_shape, generator=torch.Generator().manual_seed(0)) * 0.3)
    whole = flame_places(flame_head).at(flame_head(identity, motion).vertices)
    difference = (landmark_points(flame_head)(identity, motion) - whole).norm(dim=-1)
    assert difference.mean() < 3e-4 and difference.max() < 4e-3  # metres; skinning weights vary between a landmark's vertices


def test_left_is_left_and_the_lower_lip_opens(flame_head):
    at_rest, opened = HeadMotion.neutral(1, 25.0), HeadMotion.neutral(1, 25.0)
    opened.rig[:, RIG_INDEX["jawOpen"]] = 1.0
    points = landmark_points(flame_head)
    rest = points(flame_head.identity(), at_rest)[0]
    moved = points(flame_head.identity(), opened)[0] - rest
    assert rest[263, 0] > 0.01 and rest[33, 0] < -0.01 and rest[473, 0] > 0.02
    assert rest[10, 1] > rest[1, 1] > rest[152, 1]
    # The procedural mesh has one soft mouth: the jaw carries its lower half most.
    assert moved[17, 1] < -0.003 and moved[17, 1] < 1.5 * moved[0, 1] and moved[list(IRISES)].norm(dim=1).max() < 1e-4


def test_a_clip_is_tracked_with_it(flame_head):
    n_frames = 16
    motion = HeadMotion.neutral(n_frames, 25.0)
    motion.rig[4:, RIG_INDEX["jawOpen"]] = 0.4 * (1 - torch.linspace(0, 2 * torch.pi, n_frames - 4).cos())
    motion.head_rotation[4:, 1] = 0.1 * (1 - torch.linspace(0, 2 * torch.pi, n_frames - 4).cos())
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[2, 3] = 0.8
    intrinsics = torch.tensor([[1178.0, 0.0, 256.0], [0.0, 1178.0, 256.0], [0.0, 0.0, 1.0]])
    camera = Camera(world_to_camera[None], intrinsics[None], 512, 512)
    points = landmark_points(flame_head)
    view = View(points, flame_head.identity(), camera, 1.0, torch.zeros(3))
    pixels = view.project(points(flame_head.identity(), motion))
    picture = FrameSet(25.0, torch.zeros(1, 8, 8, 3).byte(), torch.zeros(1, 8, 8).byte(), torch.zeros(1).long(), torch.zeros(1).bool())
    footage = Footage(picture, FaceLandmarks(pixels, motion.rig.clone()), torch.arange(n_frames) >= 14, camera, ())
    tracked = track_footage(footage, flame_head)
    assert tracked.identity.shape.shape == (300,) and tracked.confidence.mean() > 0.7
    assert (tracked.motion.head_rotation - motion.head_rotation).abs().max() < 0.06
    assert (tracked.motion.rig[:, RIG_INDEX["jawOpen"]] - motion.rig[:, RIG_INDEX["jawOpen"]]).abs().max() < 0.25
