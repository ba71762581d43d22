"""Vertex errors by hand-made displacements: what moves counts, in millimetres, where it should and nowhere else."""

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.head.generic import load_generic
from emohead.metrics.vertices import (
    centred,
    dynamics_deviation,
    face_region,
    face_vertices,
    lip_region,
    lip_vertex_error,
    mean_vertex_error,
    mouth_opening_difference,
    upper_face_dynamics,
    upper_region,
)
from emohead.types import HeadMotion

HEAD = load_generic()


def _rest(n_frames: int) -> torch.Tensor:
    return HEAD.neutral.expand(n_frames, -1, -1).clone()


def test_lip_error_is_the_worst_vertex_of_each_frame():
    lips = lip_region(HEAD)
    moved = _rest(2)
    moved[0, lips[0], 1] += 0.003
    moved[0, lips[5], 1] -= 0.001
    moved[1, lips[7], 2] += 0.001
    assert lip_vertex_error(moved, _rest(2), lips) == pytest.approx(2.0, rel=1e-3)
    assert lip_vertex_error(moved, _rest(2), lips, root_mean_square=True) == pytest.approx(5.0**0.5, rel=1e-3)


def test_a_constant_difference_is_no_error_of_movement():
    lips = lip_region(HEAD)
    moved = _rest(4) + torch.tensor([0.0, 0.002, 0.0])
    assert lip_vertex_error(moved, _rest(4), lips) == pytest.approx(2.0, rel=1e-3)
    assert lip_vertex_error(centred(moved), centred(_rest(4)), lips) == pytest.approx(0.0, abs=1e-3)


def test_mean_error_is_over_all_vertices_of_the_region():
    region = face_region(HEAD)
    moved = _rest(4)
    moved[:, region, 0] += 0.002
    assert mean_vertex_error(moved, _rest(4), region) == pytest.approx(2.0, rel=1e-3)
    assert mean_vertex_error(moved, _rest(4), HEAD.vertices_of("torso")) == 0.0


def test_upper_face_deviation_is_positive_when_too_little_moves():
    upper = upper_region(HEAD)
    lively = _rest(100)
    lively[::2, upper, 1] += 0.004
    assert upper_face_dynamics(lively, HEAD.neutral, upper) == pytest.approx(2.0, rel=1e-3)
    assert dynamics_deviation(_rest(100), lively, HEAD.neutral, upper) == pytest.approx(2.0, rel=1e-3)
    assert dynamics_deviation(lively, _rest(100), HEAD.neutral, upper) == pytest.approx(-2.0, rel=1e-3)


def test_mouth_opening_difference():
    assert mouth_opening_difference(torch.tensor([0.004, 0.0]), torch.tensor([0.001, 0.001])) == pytest.approx(2.0)


def test_faces_of_other_lengths_are_refused():
    with pytest.raises(InputError, match="same frames"):
        lip_vertex_error(_rest(2), _rest(3), lip_region(HEAD))
    with pytest.raises(InputError, match="same frames"):
        mouth_opening_difference(torch.zeros(0), torch.zeros(0))


def test_regions_follow_the_rig_and_turning_is_no_error():
    motion = HeadMotion.neutral(2, 25.0)
    motion.rig[1, RIG_INDEX["browInnerUp"]] = 1.0
    motion.head_rotation[:] = 0.3
    moved = (face_vertices(HEAD, motion) - HEAD.neutral).norm(dim=-1)
    assert float(moved[0, face_region(HEAD)].max()) < 1e-3
    assert float(moved[1, upper_region(HEAD)].max()) > 3e-3 > float(moved[1, lip_region(HEAD)].max())
    motion.rig[1] = 0.0
    motion.rig[1, RIG_INDEX["jawOpen"]] = 1.0
    moved = (face_vertices(HEAD, motion) - HEAD.neutral).norm(dim=-1)
    assert float(moved[1, lip_region(HEAD)].max()) > 1e-2 > 2 * float(moved[1, upper_region(HEAD)].max())
