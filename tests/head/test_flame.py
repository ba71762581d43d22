"""The FLAME head: FLAME's equations, this project's signs, batching and gradients (file and bases made by the fixture)."""

import dataclasses

import pytest
import torch
from jaxtyping import TypeCheckError

from emohead.errors import InputError
from emohead.head.flame import FlameHead, FlameParameters, gaze_to_axis_angle
from emohead.head.flame_file import FlameData
from emohead.head.skinning import axis_angle_to_rotations
from emohead.types import HeadIdentity, HeadMotion
from tests.head import flame_fixture

CROWN = 0


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> FlameHead:
    return FlameHead(_data(tmp_path_factory))


def _data(tmp_path_factory: pytest.TempPathFactory) -> FlameData:
    import numpy as np

    from emohead.head.flame_file import read_flame

    path = tmp_path_factory.mktemp("flame") / "flame.npz"
    np.savez(path, **flame_fixture.flame_arrays())
    return read_flame(path)


def _moved(head: FlameHead, **rotation: tuple[float, float, float]) -> torch.Tensor:
    """Displacement from rest under one rotation."""
    parameters = FlameParameters.neutral(1)
    changes = {name: torch.tensor([value]) for name, value in rotation.items()}
    posed = head.mesh(head.identity(), dataclasses.replace(parameters, **changes)).vertices[0]
    return posed - head.neutral


def test_rest_pose_is_the_template_with_the_origin_between_the_eyes(head):
    rest = head.mesh(head.identity(), FlameParameters.neutral(2)).vertices
    torch.testing.assert_close(rest, head.neutral.expand(2, -1, -1), atol=1e-6, rtol=0)
    torch.testing.assert_close(head.neutral + head.origin, head.data.template, atol=1e-7, rtol=0)
    eyes = [head.neutral[head.vertex_part == head.part_names.index(name)].mean(0) for name in ("eye_left", "eye_right")]
    torch.testing.assert_close(eyes[0] + eyes[1], torch.zeros(3), atol=1e-5, rtol=0)
    assert eyes[0][0] > 0.02 and eyes[1][0] < -0.02


@pytest.mark.parametrize("joint", ["global_rotation", "neck"])
def test_head_rotation_signs(head, joint):
    nose = head.neutral[:, 2].argmax()
    pitch, yaw, roll = (_moved(head, **{joint: axis}) for axis in ((0.2, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.0, 0.2)))
    assert pitch[nose, 1] < -0.005, "+x pitches the nose down"
    assert yaw[nose, 0] > 0.005, "+y turns the nose to the subject's left (+x)"
    assert roll[CROWN, 0] < -0.005, "+z tips the crown to the subject's right (-x)"


def test_positive_jaw_opens(head):
    jaw = head.data.weights[:, 2] > 0.8
    moved = _moved(head, jaw=(0.2, 0.0, 0.0))
    assert moved[jaw, 1].max() < 0
    assert moved[head.data.weights[:, 2] < 1e-6].norm(dim=1).max() < 0.01, "the rest moves by pose correctives only"
    assert _moved(head, jaw=(0.0, 0.1, 0.0))[jaw, 0].min() > 0, "+y moves the chin to the subject's left"


@pytest.mark.parametrize(("side", "part"), [(0, "eye_left"), (1, "eye_right")])
def test_gaze_turns_one_eyeball_with_the_right_signs(head, side, part):
    ball = head.vertex_part == head.part_names.index(part)
    pupil = torch.where(ball, head.neutral[:, 2], torch.tensor(-1.0)).argmax()
    gaze = torch.zeros(1, 2, 2)
    gaze[0, side] = torch.tensor([0.3, 0.2])
    parameters = dataclasses.replace(FlameParameters.neutral(1), eyes=gaze_to_axis_angle(gaze))
    moved = head.mesh(head.identity(), parameters).vertices[0] - head.neutral
    assert moved[pupil, 0] > 0.003 and moved[pupil, 1] < -0.002, "left and down"
    other = head.vertex_part == head.part_names.index("eye_right" if part == "eye_left" else "eye_left")
    assert moved[other].norm(dim=1).max() < 1e-6


def test_eyes_are_found_by_side_and_not_by_order(head):
    swapped = torch.tensor([0, 1, 2, 4, 3])
    data = dataclasses.replace(head.data, weights=head.data.weights[:, swapped], joint_regressor=head.data.joint_regressor[swapped])
    eyes = torch.tensor([[[0.1, 0.2, 0.0], [0.0, -0.1, 0.0]]])
    parameters = dataclasses.replace(FlameParameters.neutral(1), eyes=eyes)
    # Pose correctives belong to the file's joint order, so they are left out of the comparison.
    without = [dataclasses.replace(d, pose_directions=torch.zeros_like(d.pose_directions)) for d in (head.data, data)]
    heads = [FlameHead(d) for d in without]
    first, second = (h.mesh(h.identity(), parameters).vertices for h in heads)
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


def test_pose_correctives_vanish_at_rest_and_follow_the_rotations(head):
    posed = dataclasses.replace(FlameParameters.neutral(1), jaw=torch.tensor([[0.3, 0.0, 0.0]]))
    rest, _ = head.rest_and_transforms(head.identity(), FlameParameters.neutral(1))
    moved, _ = head.rest_and_transforms(head.identity(), posed)
    torch.testing.assert_close(rest[0], head.neutral, atol=1e-7, rtol=0)
    feature = axis_angle_to_rotations(torch.tensor([0.3, 0.0, 0.0])) - torch.eye(3)
    expected = torch.einsum("vcp,p->vc", head.data.pose_directions[..., 9:18], feature.flatten())
    torch.testing.assert_close(moved[0] - rest[0], expected, atol=1e-6, rtol=0)
    turned = dataclasses.replace(FlameParameters.neutral(1), global_rotation=torch.tensor([[0.3, 0.0, 0.0]]))
    torch.testing.assert_close(head.rest_and_transforms(head.identity(), turned)[0], rest)


def test_global_rotation_and_translation_are_rigid(head):
    """Turning and moving the posed head equals posing it turned and moved: equivariance about FLAME's root joint."""
    generator = torch.Generator().manual_seed(1)
    parameters = FlameParameters(*(0.2 * torch.randn(3, *size, generator=generator) for size in ((100,), (3,), (3,), (3,), (2, 3), (3,))))
    identity = HeadIdentity(torch.randn(300, generator=generator), 1e-3 * torch.randn(5023, 3, generator=generator))
    upright = dataclasses.replace(parameters, global_rotation=torch.zeros(3, 3), translation=torch.zeros(3, 3))
    still, moved = head.mesh(identity, upright).vertices, head.mesh(identity, parameters).vertices
    _, transforms = head.rest_and_transforms(identity, upright)
    rotations = axis_angle_to_rotations(parameters.global_rotation)
    # The root joint moves with the expression, as in FLAME; it is read off the joint's own transform.
    _, turned = head.rest_and_transforms(identity, parameters)
    expected = still @ rotations.transpose(1, 2) + turned[:, 0, :, 3][:, None] + parameters.translation[:, None]
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)
    assert transforms[:, 0, :, 3].abs().max() < 1e-6
    distances = [torch.cdist(mesh[:, ::500], mesh[:, ::500]) for mesh in (still, moved)]
    torch.testing.assert_close(distances[0], distances[1], atol=1e-5, rtol=1e-4)


def test_batch_equals_single_frames(head):
    generator = torch.Generator().manual_seed(2)
    parameters = FlameParameters(*(0.2 * torch.randn(4, *size, generator=generator) for size in ((100,), (3,), (3,), (3,), (2, 3), (3,))))
    together = head.mesh(head.identity(), parameters).vertices
    third = FlameParameters(*(getattr(parameters, f.name)[2:3] for f in dataclasses.fields(parameters)))
    torch.testing.assert_close(head.mesh(head.identity(), third).vertices[0], together[2], atol=1e-6, rtol=0)


def test_identity_is_linear_and_moves_the_joints(head):
    identity = head.identity()
    shape = torch.zeros(300)
    shape[0] = 2.0
    bent = HeadIdentity(shape, torch.full_like(head.neutral, 0.01))
    mesh = head.mesh(bent, FlameParameters.neutral(1)).vertices[0]
    torch.testing.assert_close(mesh, head.neutral + 2 * head.data.shape_directions[..., 0] + 0.01, atol=1e-6, rtol=0)
    torch.testing.assert_close(head.joints(bent), head.data.joint_regressor @ mesh, atol=1e-5, rtol=0)
    torch.testing.assert_close(head.joints(identity)[3:].mean(0), torch.zeros(3), atol=1e-6, rtol=0)


def test_gradients_reach_every_parameter_also_at_rest(head):
    parameters = FlameParameters.neutral(2)
    tensors = [getattr(parameters, field.name).requires_grad_() for field in dataclasses.fields(parameters)]
    identity = HeadIdentity(torch.zeros(300, requires_grad=True), torch.zeros(5023, 3, requires_grad=True))
    target = head.neutral + 0.01 * torch.sin(50 * head.neutral)
    (head.mesh(identity, parameters).vertices - target).square().sum().backward()
    for tensor in (*tensors, identity.shape, identity.offsets):
        assert tensor.grad is not None and torch.isfinite(tensor.grad).all() and tensor.grad.abs().max() > 0


def test_gaze_is_yaw_after_pitch():
    gaze = torch.tensor([[[0.4, 0.2], [0.0, 0.0]]])
    yaw, pitch = axis_angle_to_rotations(torch.tensor([[0.0, 0.4, 0.0], [0.2, 0.0, 0.0]]))
    rotations = axis_angle_to_rotations(gaze_to_axis_angle(gaze))[0]
    torch.testing.assert_close(rotations[0], yaw @ pitch, atol=1e-6, rtol=0)
    torch.testing.assert_close(rotations[1], torch.eye(3), atol=1e-6, rtol=0)


def test_mirror_is_an_involution_that_swaps_the_eyes(head):
    everyone = torch.arange(5023)
    assert (head.mirror[head.mirror] == everyone).all()
    left = head.vertex_part == head.part_names.index("eye_left")
    assert (head.vertex_part[head.mirror[left]] == head.part_names.index("eye_right")).all()
    reflected = head.neutral[head.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    assert (reflected - head.neutral).norm(dim=1).median() < 1e-5


def test_skinning_weights_sum_to_one(head):
    torch.testing.assert_close(head.data.weights.sum(1), torch.ones(5023), atol=1e-5, rtol=0)


def test_without_a_rig_conversion_a_head_motion_is_refused(head):
    with pytest.raises(InputError, match="no rig conversion"):
        head(head.identity(), HeadMotion.neutral(1, 25.0))
    with pytest.raises(InputError, match="no landmark embedding"):
        head.landmarks(head.neutral[None])


def test_unequal_lengths_are_refused():
    # Under the tests' type checker jaxtyping speaks first.
    with pytest.raises((InputError, TypeCheckError)):
        dataclasses.replace(FlameParameters.neutral(2), jaw=torch.zeros(3, 3))
