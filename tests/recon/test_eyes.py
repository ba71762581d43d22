"""Gaze read from drawn eyes whose gaze is known, and told by landmarks where there is no picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.head.gaze import gaze_to_rig
from emohead.head.generic import load_generic
from emohead.types import Camera, HeadIdentity, HeadMotion
from recon.eye_view import IRIS_CENTRES, eye_views
from recon.eyes import refine_eyes
from recon.landmark_head import landmark_points
from recon.types import FaceLandmarks, TrackedSequence

N_FRAMES, FPS, SIZE = 48, 25.0, 288
BLINK = slice(20, 23)
IRIS = 0.36
"""Radius in eyeball radii."""


@pytest.fixture(scope="module")
def points():
    return landmark_points(load_generic())


@pytest.fixture(scope="module")
def truth(points):
    """A head that turns and nods while its eyes wander, and blinks once."""
    head = load_generic()
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[2, 3] = 0.8
    intrinsics = torch.tensor([[1100.0, 0.0, SIZE / 2], [0.0, 1100.0, SIZE / 2], [0.0, 0.0, 1.0]])
    camera = Camera(world_to_camera[None], intrinsics[None], SIZE, SIZE)
    time = torch.arange(N_FRAMES) / N_FRAMES * 2 * torch.pi
    gaze = torch.stack([0.3 * (2 * time).sin(), 0.14 * (3 * time + 1).sin()], 1)[:, None].expand(-1, 2, -1).contiguous()
    motion = HeadMotion.neutral(N_FRAMES, FPS)
    motion.head_rotation[:, 1], motion.head_rotation[:, 0] = 0.2 * (5 * time).sin(), 0.08 * (4 * time).cos()
    rig = gaze_to_rig(gaze)
    rig[BLINK, RIG_INDEX["eyeBlinkLeft"]] = rig[BLINK, RIG_INDEX["eyeBlinkRight"]] = 1.0
    identity = HeadIdentity(torch.zeros(head.n_shape), torch.zeros_like(head.neutral))
    tracked = TrackedSequence(FPS, camera, identity, replace(motion, rig=rig, gaze=gaze), torch.ones(N_FRAMES))
    return tracked, _landmarks(tracked, points)


@pytest.fixture(scope="module")
def pictures(truth, points):
    return _draw(*truth, points)


@pytest.fixture(scope="module")
def blind(truth):
    """The same track that knows nothing of gaze."""
    tracked, landmarks = truth
    still = torch.zeros_like(tracked.motion.gaze)
    rig = tracked.motion.rig - gaze_to_rig(tracked.motion.gaze)
    # The landmarker follows the irises, but only a third of the way, and says nothing in its scores.
    middle = landmarks.points.clone()
    for iris, corners in zip(IRIS_CENTRES, ((263, 362), (33, 133)), strict=True):
        centre = landmarks.points[:, corners].mean(1)
        middle[:, iris] = centre + (landmarks.points[:, iris] - centre) / 3
    return replace(tracked, motion=replace(tracked.motion, gaze=still, rig=rig)), replace(landmarks, points=middle)


@pytest.fixture(scope="module")
def found(blind, pictures, points):
    return refine_eyes(pictures, blind[1], blind[0], points)


def _landmarks(tracked: TrackedSequence, points) -> FaceLandmarks:
    world = points(tracked.identity, tracked.motion)
    in_camera = world @ tracked.camera.world_to_camera[0, :3, :3].T + tracked.camera.world_to_camera[0, :3, 3]
    pixels = in_camera[..., :2] / in_camera[..., 2:] * 1100.0 + SIZE / 2
    return FaceLandmarks(pixels, torch.zeros(N_FRAMES, 52))


def _draw(tracked: TrackedSequence, landmarks: FaceLandmarks, points) -> list[torch.Tensor]:
    """Skin, the white between the lids, a brown iris with a black pupil, a reflection that stays where it is, and noise."""
    views = eye_views(tracked, points)
    grid = torch.stack(torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="xy"), -1).flatten(0, 1)
    generator = np.random.default_rng(0)
    images = []
    for frame in range(N_FRAMES):
        view = views.pick(torch.tensor([frame]))
        places = view.to_crops(grid.expand(1, 2, -1, -1))[0].numpy()
        towards = view.directions(tracked.motion.gaze[frame, :1])[0, :, 0].numpy()
        image = np.full((SIZE * SIZE, 3), (205.0, 160.0, 140.0))
        for eye in range(2):
            near = np.nonzero(np.abs(places[eye]).max(1) < 1)[0]
            place = places[eye][near]
            upper, lower = _lids(landmarks.points[frame : frame + 1], view, eye, place[:, 0])
            depth = -np.sqrt(np.clip(1 - np.square(place).sum(1), 0, None))
            chord = np.linalg.norm(np.concatenate([place, depth[:, None]], 1) - towards[eye], axis=1)
            share = np.clip((IRIS - chord) / 0.04 + 0.5, 0, 1)[:, None]
            colour = (1 - share) * np.array([225.0, 222.0, 220.0]) + share * np.where(chord < 0.15, 25.0, 80.0)[:, None]
            colour[np.linalg.norm(place - (0.1, -0.05), axis=1) < 0.07] = 255.0
            inside = (place[:, 1] > upper) & (place[:, 1] < lower)
            image[near[inside]] = colour[inside]
        image = image + generator.normal(0, 3, image.shape)
        images.append(torch.from_numpy(image.clip(0, 255).astype(np.uint8).reshape(SIZE, SIZE, 3)))
    return images


def _lids(points: torch.Tensor, view, eye: int, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from recon.eye_view import pick_points
    from recon.iris import LOWER_LIDS, UPPER_LIDS

    edges = []
    for lids in (UPPER_LIDS, LOWER_LIDS):
        lid = view.to_crops(pick_points(points, *lids))[0, eye].numpy()
        order = lid[:, 0].argsort()
        edges.append(np.interp(columns, lid[order, 0], lid[order, 1]))
    return edges[0], edges[1]


def _gap(tracked: TrackedSequence, points) -> torch.Tensor:
    posed = points(tracked.identity, tracked.motion)
    return (posed[:, [386, 159]] - posed[:, [374, 145]]).norm(dim=-1)


def _error(found: TrackedSequence, truth: TrackedSequence, frames: slice) -> torch.Tensor:
    """Mean error (yaw, pitch) in radians, a constant left out."""
    difference = (found.motion.gaze - truth.motion.gaze)[frames].mean(1)
    return (difference - difference.median(0).values).abs().mean(0)


def test_eye_views_find_the_ball_the_eye_turns_in(truth, points):
    tracked, landmarks = truth
    views = eye_views(tracked, points)
    joints = load_generic().joints(tracked.identity)[3:]
    rest = eye_views(tracked.pick(torch.tensor([12])), points)  # head_rotation is small, not zero
    assert views.radius == pytest.approx(0.0161, abs=3e-4)
    assert (rest.centre[0, 0] - rest.centre[0, 1]).norm() == pytest.approx(float((joints[0] - joints[1]).norm()), abs=1e-4)
    irises = views.to_crops(landmarks.points[:, list(IRIS_CENTRES)][:, :, None])[:, :, 0]
    assert torch.allclose(views.gaze(irises), tracked.motion.gaze, atol=0.02)


def test_places_in_crops_and_pixels_are_inverse(truth, points):
    views = eye_views(truth[0], points)
    places = torch.tensor([[0.3, -0.2], [0.0, 0.0], [-0.5, 0.4]])
    assert torch.allclose(views.to_crops(views.to_pixels(places)), places.expand(N_FRAMES, 2, 3, 2), atol=1e-4)


def test_gaze_comes_from_the_pictures(truth, blind, found, points):
    track, _ = blind
    yaw, pitch = _error(found, truth[0], slice(0, N_FRAMES))
    assert yaw < 0.03
    assert pitch < 0.03
    assert torch.equal(found.motion.gaze[:, 0], found.motion.gaze[:, 1])
    assert (_gap(found, points) - _gap(track, points)).abs().median() < 2e-4  # metres: lids stay though eyeLook* move them
    looks = [index for name, index in RIG_INDEX.items() if name.startswith("eyeLook")]
    assert torch.allclose(found.motion.rig[:, looks], gaze_to_rig(found.motion.gaze)[:, looks])


def test_frames_without_pictures_are_told_by_their_landmarks(truth, blind, pictures, points):
    track, landmarks = blind
    seen = torch.arange(0, 36)
    found = refine_eyes([pictures[i] for i in seen.tolist()], landmarks, track, points, index=seen)
    yaw, _ = _error(found, truth[0], slice(36, N_FRAMES))
    still, _ = _error(track, truth[0], slice(36, N_FRAMES))
    assert yaw < 0.4 * still


def test_a_blink_holds_the_gaze(found):
    gaze = found.motion.gaze[:, 0]
    before, after = gaze[BLINK.start - 1], gaze[BLINK.stop]
    low, high = torch.minimum(before, after) - 0.02, torch.maximum(before, after) + 0.02
    assert ((gaze[BLINK] >= low) & (gaze[BLINK] <= high)).all()


def test_frames_without_a_face_are_bridged(blind, pictures, points):
    track, landmarks = blind
    lost = landmarks.points.clone()
    lost[30:33] = torch.nan
    found = refine_eyes(pictures, replace(landmarks, points=lost), track, points)
    assert torch.isfinite(found.motion.gaze).all()


def test_same_pictures_same_gaze(blind, pictures, points, found):
    track, landmarks = blind
    assert torch.equal(refine_eyes(iter(pictures), landmarks, track, points).motion.gaze, found.motion.gaze)
