"""The tracker finds again the identity, camera and motion that made a clip's landmarks."""

from dataclasses import replace

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.head.gaze import gaze_to_rig
from emohead.head.generic import load_generic
from emohead.types import Camera, HeadIdentity, HeadMotion
from recon import tracking
from recon.landmark_head import landmark_points
from recon.landmarks import EYES, LIPS
from recon.tracking import TrackingConfig, smooth_offset_basis, track, track_motion
from recon.types import FaceLandmarks

N_FRAMES, FPS = 22, 25.0
ANCHORS = 4
CONFIG = TrackingConfig(anchor_frames=ANCHORS)


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
    """Four neutral frames, then a jaw that opens and closes, a blink and a turn."""
    motion = HeadMotion.neutral(N_FRAMES, FPS)
    phase = torch.linspace(0, torch.pi, N_FRAMES - ANCHORS).sin()
    motion.rig[ANCHORS:, RIG_INDEX["jawOpen"]] = 0.7 * phase
    for side in ("Left", "Right"):
        motion.rig[ANCHORS:, RIG_INDEX["mouthSmile" + side]] = 0.5 * phase.flip(0) ** 2
    motion.head_rotation[ANCHORS:, 1] = 0.1 * (1 - torch.linspace(0, 2 * torch.pi, N_FRAMES - ANCHORS).cos())
    motion.gaze[ANCHORS:, :, 0] = 0.15 * phase[:, None]
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
        training=torch.arange(N_FRAMES) < 20,
        config=CONFIG,
    )


def test_motion_is_found_again(truth, tracked):
    _, motion, _ = truth
    assert (tracked.motion.head_rotation - motion.head_rotation).abs().max() < 0.1
    jaw = RIG_INDEX["jawOpen"]
    assert (tracked.motion.rig[:, jaw] - motion.rig[:, jaw]).abs().max() < 0.25
    assert (tracked.motion.gaze - motion.gaze).abs().mean() < 0.06
    assert tracked.confidence.mean() > 0.6  # 2 px mean error after few steps


def test_the_face_at_rest_is_zero(tracked):
    assert tracked.motion.rig[:ANCHORS].abs().max() < 0.1
    assert tracked.motion.head_rotation[:ANCHORS].abs().max() < 0.02


def test_a_frame_without_a_face_is_carried_by_its_neighbours(points, truth):
    identity, motion, landmarks = truth
    holes = landmarks.points.clone()
    holes[12] = torch.nan
    with_hole = FaceLandmarks(holes, landmarks.scores)
    result = track_motion(with_hole, points, fps=FPS, camera=_camera(), identity=identity, config=CONFIG)
    assert result.confidence[12] == 0 and result.confidence[11] > 0.7
    assert (result.motion.head_rotation - motion.head_rotation).abs().max() < 0.1
    assert result.identity is identity


def test_held_out_frames_change_nothing_else(head, points, truth, tracked):
    """Other landmarks in the held-out frames: identity, camera and the motion of the training frames stay as they are, bit by bit."""
    landmarks = truth[2]
    other = landmarks.points.clone()
    other[20:] = other[20:].flip(0) + torch.tensor([30.0, -12.0])
    basis = smooth_offset_basis(head.neutral, head.landmarks(head.neutral[None], "mediapipe478")[0])
    again = track(
        FaceLandmarks(other, landmarks.scores.clone()),
        points,
        fps=FPS,
        camera=_camera(),
        offset_basis=basis,
        n_shape=head.n_shape,
        training=torch.arange(N_FRAMES) < 20,
        config=CONFIG,
    )
    assert torch.equal(again.identity.shape, tracked.identity.shape) and torch.equal(again.identity.offsets, tracked.identity.offsets)
    assert torch.equal(again.camera.world_to_camera, tracked.camera.world_to_camera)
    assert torch.equal(again.motion.rig[:20], tracked.motion.rig[:20])
    assert torch.equal(again.motion.head_rotation[:20], tracked.motion.head_rotation[:20])
    assert not torch.equal(again.motion.translation[20:], tracked.motion.translation[20:])


def test_stretches_equal_the_whole(points, truth, monkeypatch):
    identity, _, landmarks = truth
    quick = TrackingConfig(iterations=2)
    whole = track_motion(landmarks, points, fps=FPS, camera=_camera(), identity=identity, config=quick)
    monkeypatch.setattr(tracking, "STRETCH", 8)
    parts = track_motion(landmarks, points, fps=FPS, camera=_camera(), identity=identity, config=quick)
    monkeypatch.setattr(tracking, "MARGIN", 6)
    short = track_motion(landmarks, points, fps=FPS, camera=_camera(), identity=identity, config=quick)
    assert torch.equal(whole.motion.rig, parts.motion.rig)  # the margin reaches over the whole of this short clip
    assert (whole.motion.head_rotation - short.motion.head_rotation).abs().max() < 0.01


def test_noise_is_smoothed_without_lag(points, truth):
    identity, motion, landmarks = truth
    noise = torch.randn(N_FRAMES, 1, 2, generator=torch.Generator().manual_seed(1)) * 1.5
    noisy = FaceLandmarks(landmarks.points + noise, landmarks.scores)
    result = track_motion(noisy, points, fps=FPS, camera=_camera(), identity=identity)
    early, late = motion.rig[:, RIG_INDEX["jawOpen"]], result.motion.rig[:, RIG_INDEX["jawOpen"]]
    ahead, behind = torch.corrcoef(torch.stack([late[:-1], early[1:]]))[0, 1], torch.corrcoef(torch.stack([late[1:], early[:-1]]))[0, 1]
    assert torch.corrcoef(torch.stack([late, early]))[0, 1] > 0.98 and (ahead - behind).abs() < 0.02


def test_offset_basis_fades_away_from_the_landmarks(head):
    landmarks = head.landmarks(head.neutral[None], "mediapipe478")[0]
    basis = smooth_offset_basis(head.neutral, landmarks)
    assert basis.min() >= 0 and basis.sum(1).max() <= 1
    lips_and_eyes = list(LIPS + EYES)
    near = torch.cdist(head.neutral, landmarks[lips_and_eyes]).amin(1) < 0.003
    far = torch.cdist(head.neutral, landmarks).amin(1) > 0.05
    assert basis[near].sum(1).min() > 0.6 and basis[far].sum(1).max() < 1e-4
