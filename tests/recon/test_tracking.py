"""The tracker finds again the identity, camera and motion that made a clip's landmarks."""

from dataclasses import replace

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.head.gaze import gaze_to_rig
from emohead.head.generic import load_generic
from emohead.types import Camera, HeadIdentity, HeadMotion
from recon.landmark_head import landmark_points
from recon.landmarks import EYES, LIPS
from recon.tracking import TrackingConfig, smooth_offset_basis, track, track_motion
from recon.types import FaceLandmarks

N_FRAMES, FPS = 36, 25.0


@pytest.fixture(scope="module")
def head():
    return load_generic()


@pytest.fixture(scope="module")
def points(head):
    return landmark_points(head)


def _camera() -> Camera:
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[2, 3] = 0.9
    intrinsics = torch.tensor([[1200.0, 0.0, 256.0], [0.0, 1200.0, 256.0], [0.0, 0.0, 1.0]])
    return Camera(world_to_camera[None], intrinsics[None], 512, 512)


def _motion() -> HeadMotion:
    """Ten neutral frames, then a jaw that opens and closes, a blink and a turn."""
    motion = HeadMotion.neutral(N_FRAMES, FPS)
    phase = torch.linspace(0, torch.pi, N_FRAMES - 10).sin()
    motion.rig[10:, RIG_INDEX["jawOpen"]] = 0.7 * phase
    for side in ("Left", "Right"):
        motion.rig[10:, RIG_INDEX["mouthSmile" + side]] = 0.5 * phase.flip(0) ** 2
    motion.head_rotation[10:, 1] = 0.3 * torch.linspace(-torch.pi, torch.pi, N_FRAMES - 10).sin()
    motion.gaze[10:, :, 0] = 0.15 * phase[:, None]
    return replace(motion, rig=motion.rig + gaze_to_rig(motion.gaze))


@pytest.fixture(scope="module")
def truth(head, points):
    shape = torch.randn(head.n_shape, generator=torch.Generator().manual_seed(3)) * 0.5
    identity = HeadIdentity(shape, torch.zeros_like(head.neutral))
    motion, camera = _motion(), _camera()
    world = points(identity, motion)
    in_camera = world @ camera.world_to_camera[0, :3, :3].T + camera.world_to_camera[0, :3, 3]
    pixels = in_camera[..., :2] / in_camera[..., 2:] * 1200.0 + 256.0
    return identity, motion, FaceLandmarks(pixels, motion.rig.clone())


@pytest.fixture(scope="module")
def tracked(head, points, truth):
    basis = smooth_offset_basis(head.neutral, head.landmarks(head.neutral[None], "mediapipe478")[0])
    return track(
        truth[2],
        points,
        fps=FPS,
        camera=_camera(),
        offset_basis=basis,
        n_shape=head.n_shape,
        training=torch.arange(N_FRAMES) < 33,
        config=TrackingConfig(iterations=150),
    )


def test_motion_is_found_again(truth, tracked):
    _, motion, _ = truth
    assert (tracked.motion.head_rotation - motion.head_rotation).abs().max() < 0.06
    jaw = RIG_INDEX["jawOpen"]
    assert (tracked.motion.rig[:, jaw] - motion.rig[:, jaw]).abs().max() < 0.2
    assert (tracked.motion.gaze - motion.gaze).abs().mean() < 0.05
    assert tracked.confidence.min() > 0.7  # under 1.4 px mean error


def test_neutral_frames_are_neutral_by_definition(tracked):
    assert tracked.motion.rig[:10].abs().max() == 0
    assert tracked.motion.head_rotation[:10].abs().max() == 0


def test_known_identity_needs_no_second_solve_of_it(points, truth, tracked):
    again = track_motion(truth[2], points, fps=FPS, camera=tracked.camera, identity=tracked.identity, config=TrackingConfig(iterations=150))
    assert torch.equal(again.motion.rig, tracked.motion.rig)
    assert torch.equal(again.camera.world_to_camera, tracked.camera.world_to_camera)


def test_frames_without_a_face_have_no_confidence(points, truth, tracked):
    holes = truth[2].points.clone()
    holes[20] = torch.nan
    landmarks = FaceLandmarks(holes, truth[2].scores)
    result = track_motion(
        landmarks, points, fps=FPS, camera=tracked.camera, identity=tracked.identity, config=TrackingConfig(iterations=60)
    )
    assert result.confidence[20] == 0 and result.confidence[19] > 0
    assert torch.isfinite(result.motion.rig).all()


def test_offset_basis_fades_away_from_the_landmarks(head):
    landmarks = head.landmarks(head.neutral[None], "mediapipe478")[0]
    basis = smooth_offset_basis(head.neutral, landmarks)
    assert basis.min() >= 0 and basis.sum(1).max() <= 1
    lips_and_eyes = list(LIPS + EYES)
    near = torch.cdist(head.neutral, landmarks[lips_and_eyes]).amin(1) < 0.003
    far = torch.cdist(head.neutral, landmarks).amin(1) > 0.05
    assert basis[near].sum(1).min() > 0.6 and basis[far].sum(1).max() < 1e-4
