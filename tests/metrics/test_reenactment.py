"""Landmark and motion distances against values worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.metrics.reenactment import (
    EYE_CORNERS,
    MOUTH,
    expression_distance,
    face_measures,
    jitter_ratio,
    keypoint_distance,
    mouth_distance,
    pose_distance_deg,
)
from emohead.types import HeadMotion
from tests.unchecked import as_users_run


def _face(n_frames: int = 2) -> torch.Tensor:
    points = torch.rand(n_frames, 478, 2, generator=torch.Generator().manual_seed(0)) * 200
    points[:, EYE_CORNERS[0]] = torch.tensor([50.0, 80.0])
    points[:, EYE_CORNERS[1]] = torch.tensor([150.0, 80.0])
    return points


def test_the_mouth_is_twenty_different_points():
    assert len(MOUTH) == len(set(MOUTH)) == 20


def test_mouth_distance_is_centred():
    """One of 20 points moves by 10 px: the mean moves by .5, so it is off by 9.5 and the nineteen others by .5: .95 px in the mean."""
    filmed = _face(1)
    drawn = filmed + torch.tensor([7.0, -3.0])  # where the mouth as a whole is does not count
    assert math.isclose(mouth_distance(drawn, filmed), 0.0, abs_tol=1e-4)
    drawn[0, MOUTH[4], 0] += 10.0
    assert math.isclose(mouth_distance(drawn, filmed), (9.5 + 19 * 0.5) / 20, abs_tol=1e-4)
    assert math.isclose(mouth_distance(drawn, filmed, by_eye_distance=True), 0.0095, abs_tol=1e-6)


def test_frames_without_a_face_do_not_count():
    filmed, drawn = _face(2), _face(2)
    drawn[0, MOUTH[4], 0] += 10.0
    drawn[1] = torch.nan
    assert math.isclose(mouth_distance(drawn, filmed), 0.95, abs_tol=1e-4)
    assert math.isclose(keypoint_distance(drawn, filmed), 10.0 / 478, abs_tol=1e-5)
    with pytest.raises(InputError, match="no frame in which both"):
        mouth_distance(torch.full_like(filmed, torch.nan), filmed)
    with as_users_run(), pytest.raises(InputError, match="same frames"):
        keypoint_distance(drawn[:1], filmed)


def test_keypoint_distance_of_a_shift_is_its_length():
    filmed = _face()
    assert math.isclose(keypoint_distance(filmed + torch.tensor([3.0, 4.0]), filmed), 5.0, abs_tol=1e-4)


def test_jitter_ratio_of_twice_the_trembling_is_two():
    """Every second frame is off by d: second differences are 2 d. A steady drift adds nothing."""
    still, tremble = _face(1).expand(7, -1, -1), torch.tensor([0.0, 1.0, 0, 1, 0, 1, 0])[:, None, None]
    drift = torch.arange(7.0)[:, None, None] * 5
    assert math.isclose(jitter_ratio(still + 2 * tremble + drift, still + tremble), 2.0, abs_tol=1e-4)
    with_hole = (still + tremble).clone()
    with_hole[6] = torch.nan
    assert math.isclose(jitter_ratio(still + 2 * tremble, with_hole), 2.0, abs_tol=1e-4)
    with pytest.raises(InputError, match="three frames in a row"):
        jitter_ratio(still[:2], still[:2])


def test_distances_of_what_a_tracker_reads():
    filmed = HeadMotion.neutral(2, 25.0)
    rig, turned = filmed.rig.clone(), filmed.head_rotation.clone()
    rig[0, RIG_INDEX["jawOpen"]] = 0.44
    rig[:, RIG_INDEX["eyeLookUpLeft"]] = 1.0  # follows the gaze and is no expression
    turned[:, 1] = math.radians(6.0)
    drawn = replace(filmed, rig=rig, head_rotation=turned)
    assert math.isclose(expression_distance(drawn, filmed), 0.44 / 2 / 44, abs_tol=1e-6)
    assert math.isclose(pose_distance_deg(drawn, filmed), 2.0, abs_tol=1e-4)
    with as_users_run(), pytest.raises(InputError, match="same frames"):
        expression_distance(drawn.frames(0, 1), filmed)


def test_face_measures_are_shares_of_the_eyes_distance():
    points = _face(1)
    for index, place in {13: (100, 150), 14: (100, 170), 61: (75, 160), 291: (125, 160), 105: (70, 50), 334: (130, 60)}.items():
        points[0, index] = torch.tensor(place, dtype=torch.float32)
    points[0, 145], points[0, 374] = torch.tensor([70.0, 90.0]), torch.tensor([130.0, 90.0])
    assert torch.allclose(face_measures(points), torch.tensor([[0.2, 0.5, 0.35]]))
    assert torch.allclose(face_measures(points * 3), face_measures(points))
