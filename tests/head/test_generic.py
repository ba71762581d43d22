"""The generic head: symmetry, signs, contact, topology, and what a caller may rely on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emohead import assets
from emohead.channels import N_RIG, RIG_INDEX, RIG_NAMES
from emohead.errors import InputError
from emohead.head import generic
from emohead.head.generic import GenericHead, load_generic
from emohead.head.measure import lid_gap, lip_gap
from emohead.types import HeadIdentity, HeadMotion

MOVES_BOTH_SIDES = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")


@pytest.fixture(scope="module")
def head() -> GenericHead:
    return load_generic()


def rig(**values: float) -> HeadMotion:
    motion = HeadMotion.neutral(1, 25.0)
    for name, value in values.items():
        motion.rig[0, RIG_INDEX[name]] = value
    return motion


def posed(head: GenericHead, motion: HeadMotion, identity: HeadIdentity | None = None) -> torch.Tensor:
    with torch.no_grad():
        return head(identity or head.identity(), motion).vertices


def random_identity(head: GenericHead, seed: int) -> HeadIdentity:
    return HeadIdentity(torch.randn(head.n_shape, generator=torch.Generator().manual_seed(seed)), head.identity().offsets)


def other_side(name: str) -> str:
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    return name.removesuffix("Right") + "Left" if name.endswith("Right") else name


def test_asset_is_small_and_of_the_promised_size(head: GenericHead):
    assert assets.find(generic.ASSET_NAME).stat().st_size < 12e6
    assert 5000 <= len(head.neutral) <= 8000
    assert 60 <= head.n_shape <= 100
    assert head.data.shape_names[:N_RIG] == RIG_NAMES
    assert all(bool(shape.abs().max() > 1e-4) for shape in head.data.shapes), "a rig channel moves nothing"


def test_all_parts_are_there(head: GenericHead):
    wanted = {"face", "lips_upper", "lips_lower", "scalp", "neck", "torso", "teeth_upper", "teeth_lower", "gums", "tongue", "mouth_inner"}
    wanted |= {f"{part}_{side}" for part in ("eyelid", "brow", "ear", "eye") for side in ("left", "right")}
    assert wanted <= set(head.part_names)
    assert set(head.vertex_part.unique().tolist()) == set(range(len(head.part_names)))


def test_neutral_stands_where_the_conventions_say(head: GenericHead):
    left, right = (head.data.joints[joint] for joint in (generic.EYE_LEFT, generic.EYE_RIGHT))
    assert torch.allclose(left + right, torch.zeros(3), atol=1e-6)
    assert 0.058 < float(left[0] - right[0]) < 0.068
    for side, joint in (("left", left), ("right", right)):
        ball = head.neutral[head.vertices_of(f"eye_{side}")]
        assert torch.allclose((ball.amin(0) + ball.amax(0)) / 2, joint, atol=1e-3)
    assert float(head.neutral[head.vertices_of("scalp"), 1].amax()) > 0.09
    nose = head.landmarks(head.neutral[None], "multipie68")[0, 30]
    assert float(nose[2]) > 0.03
    assert abs(float(nose[0])) < 1e-3


def test_neutral_is_what_no_motion_gives(head: GenericHead):
    assert torch.allclose(posed(head, HeadMotion.neutral(1, 25.0))[0], head.neutral, atol=2e-6)


def test_mirror_is_an_exact_involution_that_swaps_sides(head: GenericHead):
    assert torch.equal(head.mirror[head.mirror], torch.arange(len(head.mirror)))
    assert torch.equal(head.neutral[head.mirror] * torch.tensor([-1.0, 1.0, 1.0]), head.neutral)
    names = [head.part_names[part] for part in head.vertex_part]
    image = [head.part_names[part] for part in head.vertex_part[head.mirror]]
    swapped = [name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right") for name in names]
    assert image == swapped


def test_mirrored_rig_gives_the_mirrored_mesh(head: GenericHead):
    values = torch.rand(3, N_RIG, generator=torch.Generator().manual_seed(1)) * 0.5
    motion = replace(HeadMotion.neutral(3, 25.0), rig=values)
    swapped = replace(motion, rig=values[:, [RIG_INDEX[other_side(name)] for name in RIG_NAMES]])
    straight, mirrored = posed(head, motion), posed(head, swapped)
    assert torch.allclose(mirrored, straight[:, head.mirror] * torch.tensor([-1.0, 1.0, 1.0]), atol=2e-6)


@pytest.mark.parametrize("name", [name for name in RIG_NAMES if name.endswith(("Left", "Right")) and name not in MOVES_BOTH_SIDES])
def test_one_sided_shapes_stay_on_their_side(head: GenericHead, name: str):
    moved = (posed(head, rig(**{name: 1.0}))[0] - head.neutral).square().sum(1)
    sign = 1.0 if name.endswith("Left") else -1.0
    wrong_side = head.neutral[:, 0] * sign < -1e-4
    assert float(moved[wrong_side].sum() / moved.sum()) < 0.05


def mean_move(head: GenericHead, motion: HeadMotion, *parts: str) -> torch.Tensor:
    return (posed(head, motion)[0] - head.neutral)[head.vertices_of(*parts)].mean(0)


@pytest.mark.parametrize(
    ("axis", "part", "component", "sign"),
    [(0, "lips_lower", 1, -1), (1, "lips_lower", 0, 1), (2, "scalp", 0, -1)],
    ids=["pitch lowers the chin", "yaw turns the face to the subject's left", "roll tips the crown to the subject's right"],
)
@pytest.mark.parametrize("joint", ["head_rotation", "torso_rotation"])
def test_signs_of_head_and_torso(head: GenericHead, joint: str, axis: int, part: str, component: int, sign: int):
    rotation = torch.zeros(1, 3)
    rotation[0, axis] = 0.3
    moved = mean_move(head, replace(HeadMotion.neutral(1, 25.0), **{joint: rotation}), part)
    assert float(moved[component]) * sign > 0.01


def test_head_turns_against_a_still_torso_and_torso_carries_all(head: GenericHead):
    turned = replace(HeadMotion.neutral(1, 25.0), head_rotation=torch.tensor([[0.0, 0.4, 0.0]]))
    chest = posed(head, turned)[0] - head.neutral
    low = head.neutral[:, 1] < -0.21
    assert float(chest[low].norm(dim=1).max()) < 1e-4
    carried = replace(
        HeadMotion.neutral(1, 25.0), torso_rotation=torch.tensor([[0.1, 0.4, 0.2]]), translation=torch.tensor([[0.1, 0.2, 0.3]])
    )
    before, after = torch.pdist(head.neutral[::97]), torch.pdist(posed(head, carried)[0][::97])
    assert torch.allclose(before, after, atol=1e-5)
    shift = replace(HeadMotion.neutral(1, 25.0), translation=torch.tensor([[0.1, 0.2, 0.3]]))
    assert torch.allclose(posed(head, shift)[0] - head.neutral, torch.tensor([0.1, 0.2, 0.3]), atol=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
def test_signs_of_the_eyes(head: GenericHead, side: str):
    ball = head.vertices_of(f"eye_{side}")
    pupil = ball[head.neutral[ball, 2].argmax()]
    joint = head.data.joints[generic.EYE_LEFT if side == "left" else generic.EYE_RIGHT]
    gaze = torch.zeros(1, 2, 2)
    gaze[0, 0 if side == "left" else 1] = torch.tensor([0.3, 0.2])
    vertices = posed(head, replace(HeadMotion.neutral(1, 25.0), gaze=gaze))[0]
    moved = vertices[pupil] - head.neutral[pupil]
    assert float(moved[0]) > 0.003, "positive yaw looks to the subject's left (+x)"
    assert float(moved[1]) < -0.002, "positive pitch looks down"
    radius = (head.neutral[ball] - joint).norm(dim=1)
    assert torch.allclose((vertices[ball] - joint).norm(dim=1), radius, atol=1e-6)
    other = head.vertices_of("eye_right" if side == "left" else "eye_left")
    assert torch.allclose(vertices[other], head.neutral[other], atol=1e-7)


def test_jaw_opens_down_and_carries_lower_teeth_and_tongue(head: GenericHead):
    opened = rig(jawOpen=1.0)
    for part in ("teeth_lower", "tongue", "lips_lower"):
        assert float(mean_move(head, opened, part)[1]) < -0.01, part
    assert float(mean_move(head, opened, "teeth_upper").norm()) < 1e-5
    teeth = head.vertices_of("teeth_lower")
    for amount in (0.3, 1.0):
        before, after = torch.pdist(head.neutral[teeth]), torch.pdist(posed(head, rig(jawOpen=amount))[0][teeth])
        assert float((before - after).abs().max()) < 5e-4, "lower teeth move as one piece"


def test_jaw_slides_left_right_and_forward(head: GenericHead):
    assert float(mean_move(head, rig(jawLeft=1.0), "teeth_lower")[0]) > 0.004
    assert float(mean_move(head, rig(jawRight=1.0), "teeth_lower")[0]) < -0.004
    assert float(mean_move(head, rig(jawForward=1.0), "teeth_lower")[2]) > 0.004


@pytest.mark.parametrize("amount", [0.05, 0.1, 0.3, 0.5, 0.7, 1.0])
def test_lips_meet_when_mouth_close_follows_jaw_open(head: GenericHead, amount: float):
    assert float(lip_gap(head, posed(head, rig(jawOpen=amount)))) > 0.001
    assert float(lip_gap(head, posed(head, rig(jawOpen=amount, mouthClose=amount)))) < 1e-4


@pytest.mark.parametrize("seed", range(6))
def test_lips_and_lids_close_for_other_people(head: GenericHead, seed: int):
    identity = random_identity(head, seed)
    assert float(lip_gap(head, posed(head, HeadMotion.neutral(1, 25.0), identity))) < 2e-4
    assert float(lip_gap(head, posed(head, rig(jawOpen=0.3, mouthClose=0.3), identity))) < 1e-3
    assert float(lid_gap(head, posed(head, rig(eyeBlinkLeft=1.0, eyeBlinkRight=1.0), identity)).max()) < 3e-4


@pytest.mark.parametrize("extra", [{}, {"eyeLookDownLeft": 1.0}, {"eyeWideLeft": 1.0}, {"eyeSquintLeft": 1.0}, {"eyeLookUpLeft": 1.0}])
def test_lids_close_at_blink_whatever_else_is_asked(head: GenericHead, extra: dict[str, float]):
    assert float(lid_gap(head, posed(head, rig(eyeBlinkLeft=1.0, **extra)))[0, 0]) < 1e-4


def visible_share_of_eye(vertices: np.ndarray, head: GenericHead, side: str) -> float:
    """Share of rays from straight ahead, over the eyeball's face, that reach the eyeball before anything else."""
    triangles, part = head.triangles.numpy(), head.vertex_part.numpy()
    joint = head.data.joints[generic.EYE_LEFT if side == "left" else generic.EYE_RIGHT].numpy()
    offsets = np.stack(np.meshgrid(np.linspace(-0.011, 0.011, 23), np.linspace(-0.009, 0.009, 19)), -1).reshape(-1, 2)
    corners = vertices[triangles]
    near = (np.abs(corners.mean(1)[:, :2] - joint[:2]).max(1) < 0.03) & (corners[:, :, 2].max(1) > -0.005)
    corners, is_eye = corners[near], part[triangles[near, 0]] == head.part_names.index(f"eye_{side}")
    seen = 0
    for point in offsets + joint[:2]:
        a, b, c = (corners[:, k, :2] - point for k in range(3))
        areas = np.stack(
            [b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0], c[:, 0] * a[:, 1] - c[:, 1] * a[:, 0], a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]], 1
        )
        hit = (areas >= 0).all(1) | (areas <= 0).all(1)
        weights = areas[hit] / areas[hit].sum(1, keepdims=True)
        seen += bool(is_eye[hit][np.argmax((weights * corners[hit][:, :, 2]).sum(1))])
    return seen / len(offsets)


@pytest.mark.parametrize("side", ["left", "right"])
def test_no_eyeball_shows_through_closed_lids(head: GenericHead, side: str):
    opened = visible_share_of_eye(posed(head, HeadMotion.neutral(1, 25.0))[0].numpy(), head, side)
    shut = rig(eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    closed = visible_share_of_eye(posed(head, shut)[0].numpy(), head, side)
    assert opened > 0.2
    assert closed == 0.0
    looking = replace(shut, gaze=torch.tensor([[[0.5, 0.3], [0.5, 0.3]]]))
    assert visible_share_of_eye(posed(head, looking)[0].numpy(), head, side) == 0.0


def test_tongue_comes_out_between_the_lips(head: GenericHead):
    vertices = posed(head, rig(jawOpen=0.4, tongueOut=1.0))[0]
    lips = vertices[head.vertices_of("lips_lower"), 2].max()
    assert float(vertices[head.vertices_of("tongue"), 2].max() - lips) > 0.004


def test_surface_is_manifold_and_wound_one_way(head: GenericHead):
    corners = head.neutral[head.triangles]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert float(normals.norm(dim=1).min()) > 1e-9, "no triangle without area"
    edges = head.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(torch.unique(edges, dim=0)) == len(edges), "each directed edge belongs to one triangle"
    for side in ("left", "right"):
        ball = torch.isin(head.triangles, head.vertices_of(f"eye_{side}")).all(1)
        outward = corners[ball].mean(1) - head.data.joints[generic.EYE_LEFT if side == "left" else generic.EYE_RIGHT]
        assert bool(((normals[ball] * outward).sum(1) > 0).all())
    scalp = torch.isin(head.triangles, head.vertices_of("scalp")).all(1)
    outward = corners[scalp].mean(1) - torch.tensor([0.0, 0.02, -0.07])
    assert float(((normals[scalp] * outward).sum(1) > 0).float().mean()) > 0.999


def test_skin_is_one_piece_from_scalp_to_chest(head: GenericHead):
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = head.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).numpy()
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(len(head.neutral),) * 2)
    _, piece = connected_components(graph, directed=False)
    skin = head.vertices_of("scalp", "face", "neck", "torso", "lips_upper", "lips_lower", "ear_left", "eyelid_right", "mouth_inner")
    assert len(set(piece[skin.numpy()])) == 1


def test_batch_equals_single_frames(head: GenericHead):
    generator = torch.Generator().manual_seed(2)
    frames = HeadMotion(
        25.0, *(torch.rand(4, n, generator=generator) * 0.3 for n in (N_RIG, 3, 3, 3)), torch.rand(4, 2, 2, generator=generator) * 0.3
    )
    together = posed(head, frames)
    for frame in range(4):
        assert torch.allclose(posed(head, frames.frames(frame, frame + 1))[0], together[frame], atol=1e-6)


def test_gradients_are_the_slopes(head: GenericHead):
    """Central differences in float64 along random directions, for identity and every part of the motion."""
    generator = torch.Generator().manual_seed(3)
    double = GenericHead(_doubled(head))
    identity = HeadIdentity(torch.randn(head.n_shape, generator=generator).double() * 0.5, head.identity().offsets.double())
    motion = HeadMotion.neutral(2, 25.0)
    tensors = {
        name: 0.1 + 0.3 * torch.rand(getattr(motion, name).shape, generator=generator).double()
        for name in ("rig", "head_rotation", "torso_rotation", "translation", "gaze")
    }
    tensors |= {"shape": identity.shape, "offsets": identity.offsets}
    probe = torch.randn(2, len(head.neutral), 3, generator=generator).double()

    def value(given: dict[str, torch.Tensor]) -> torch.Tensor:
        names = ("rig", "head_rotation", "torso_rotation", "translation", "gaze")
        mesh = double(HeadIdentity(given["shape"], given["offsets"]), HeadMotion(25.0, *(given[name] for name in names)))
        return (mesh.vertices * probe).sum()

    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    gradients = torch.autograd.grad(value(leaves), list(leaves.values()))
    for name, gradient in zip(leaves, gradients, strict=True):
        direction = torch.randn(gradient.shape, generator=generator).double()
        step = 1e-6
        ahead, behind = ({**tensors, name: tensors[name] + sign * step * direction} for sign in (1, -1))
        slope = (value(ahead) - value(behind)) / (2 * step)
        assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=2e-3, abs=1e-5), name


def _doubled(head: GenericHead) -> generic.GenericHeadData:
    tensors = {
        name: value.double() for name, value in vars(head.data).items() if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    return replace(head.data, **tensors)


def test_joints_follow_identity(head: GenericHead):
    assert torch.allclose(head.joints(head.identity()), head.data.joints)
    identity = random_identity(head, 0)
    joints, vertices = head.joints(identity), posed(head, HeadMotion.neutral(1, 25.0), identity)[0]
    ball = vertices[head.vertices_of("eye_left")]
    growth = (ball - joints[generic.EYE_LEFT]).norm(dim=1) / (head.neutral[head.vertices_of("eye_left")] - head.data.joints[3]).norm(dim=1)
    assert float(growth.std()) < 0.002, "the eyeball stays round about its joint"
    shifted = HeadIdentity(torch.zeros(head.n_shape), torch.full_like(head.neutral, 0.01))
    assert torch.allclose(head.joints(shifted), head.data.joints + 0.01, atol=1e-5)


def test_landmarks_lie_on_their_features(head: GenericHead):
    points = head.landmarks(head.neutral[None], "multipie68")[0]
    assert float(points[54, 0]) > 0.02, "landmark 54 is the subject's left corner of the mouth"
    assert float(points[48, 0]) < -0.02
    dense = head.landmarks(head.neutral[None], "mediapipe478")[0]
    assert torch.allclose(dense[473], head.data.joints[generic.EYE_LEFT] + torch.tensor([0.0, 0.0, 0.0161]), atol=1e-3)
    assert float(dense[468, 0]) < -0.02
    opened = head.landmarks(posed(head, rig(jawOpen=0.5)), "mediapipe478")[0] - dense
    assert float(opened[14, 1]) < -0.008, "landmark 14 is on the lower lip"
    assert abs(float(opened[13, 1])) < 0.003, "landmark 13 is on the upper lip"


def test_texture_coordinates_are_inside_the_square(head: GenericHead):
    assert head.uv.shape == (len(head.neutral), 2)
    assert 0.0 <= float(head.uv.min()) <= float(head.uv.max()) <= 1.0


def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / generic.ASSET_NAME).write_bytes(b"not an asset at all")
    monkeypatch.setenv("EMOHEAD_ASSETS", str(tmp_path))
    with pytest.raises(InputError, match="not a generic head asset") as caught:
        load_generic()
    assert "\n" not in str(caught.value)
