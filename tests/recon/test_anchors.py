"""The face at rest is found wherever it is in a clip."""

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.head.generic import load_generic
from emohead.types import HeadMotion
from recon.anchors import neutral_frames
from recon.landmark_head import landmark_points
from recon.types import FaceLandmarks

REST = range(30, 44)


@pytest.fixture(scope="module")
def landmarks() -> FaceLandmarks:
    """Sixty frames that begin with an open mouth and a turned head and rest in the middle only."""
    motion = HeadMotion.neutral(60, 25.0)
    for frame in set(range(60)) - set(REST):
        motion.rig[frame, RIG_INDEX["jawOpen"]] = 0.3 + 0.2 * (frame % 3)
        motion.rig[frame, RIG_INDEX["mouthSmileLeft"]] = motion.rig[frame, RIG_INDEX["mouthSmileRight"]] = 0.4
    motion.head_rotation[:10, 1] = 0.5
    motion.head_rotation[36:38, 1] = 0.6
    head = load_generic()
    world = landmark_points(head)(head.identity(), motion)
    pixels = torch.stack([256 + 1200 * world[..., 0], 256 - 1200 * world[..., 1]], -1)
    # Every landmarker has its own idea of this face at rest.
    scores = (motion.rig + 0.2 * (torch.arange(52) % 5 == 0)).clamp(max=1.0)
    return FaceLandmarks(pixels, scores)


def test_frames_at_rest_are_chosen(landmarks):
    chosen = neutral_frames(landmarks)
    assert len(chosen) == 3 and set(chosen.tolist()) <= set(REST) - {36, 37}
    assert (chosen.diff() >= 2).all()


def test_only_training_frames_with_a_face_are_chosen(landmarks):
    points = landmarks.points.clone()
    points[30:34] = torch.nan
    chosen = neutral_frames(FaceLandmarks(points, landmarks.scores), training=torch.arange(60) < 41)
    assert set(chosen.tolist()) <= {34, 35, 38, 39, 40}


def test_no_face_is_an_error(landmarks):
    nothing = FaceLandmarks(torch.full_like(landmarks.points, torch.nan), landmarks.scores)
    with pytest.raises(InputError, match="no face"):
        neutral_frames(nothing)
