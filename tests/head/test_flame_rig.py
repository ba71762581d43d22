"""Rig -> FLAME: a transfer whose answer is known, the round trip through the cache, and the whole path from a file."""

import dataclasses

import numpy as np
import pytest
import torch

from emohead.channels import N_RIG, RIG_INDEX, RIG_NAMES
from emohead.errors import InputError
from emohead.head import load_head, rig_fit, rig_to_flame
from emohead.head.flame import FlameHead, load_flame
from emohead.head.flame_file import FlameData, LandmarkEmbedding, read_flame, read_landmark_embedding
from emohead.head.registration import Similarity, Surface
from emohead.head.rig_fit import RigSource
from emohead.head.rig_to_flame import RigToFlame
from emohead.types import HeadMotion
from tests.head import flame_fixture

SOURCE = Similarity(1.1, np.eye(3), np.array([0.0, 0.001, -0.002]))
"""FLAME's frame in the source head's: the source is larger and a little off."""

PART_NAMES = ("face", "scalp", "eye_left", "eye_right")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory):
    return flame_fixture.write_pickle(tmp_path_factory.mktemp("flame") / "generic_model.pkl", flame_fixture.flame_arrays())


@pytest.fixture(scope="module")
def data(file) -> FlameData:
    return read_flame(file)


def _known_parts(head: FlameHead) -> np.ndarray:
    """The crown, the eyeballs and the rest, as indices into `PART_NAMES`."""
    parts = np.where(head.neutral[:, 1].numpy() > 0.06, 1, 0)
    for number, name in enumerate(PART_NAMES[2:], 2):
        parts[(head.vertex_part == head.part_names.index(name)).numpy()] = number
    return parts


def _known_motion(head: FlameHead) -> np.ndarray:
    """Displacements [R V 3] on the FLAME head: the jaw's own motion, smooth bumps for other channels, mirrored by side."""
    vertices = head.neutral.double().numpy()
    skin = rig_fit.flame_surface(head).active[:, None]
    motion = np.zeros((N_RIG, len(vertices), 3))
    rng = np.random.default_rng(3)
    for name in RIG_NAMES:
        if name.endswith("Right") or name == "tongueOut":
            continue
        centre = np.array([0.02 if name.endswith("Left") else 0.0, rng.uniform(-0.1, 0.02), 0.02])
        direction = rng.normal(0, 0.004, 3) * [1.0 if name.endswith("Left") else 0.0, 1, 1]
        flip = np.array([-1.0, 1.0, 1.0])
        bump = np.exp(-np.square(vertices - centre).sum(1) / 0.02**2)[:, None] * direction * skin
        mirrored = np.exp(-np.square(vertices - centre * flip).sum(1) / 0.02**2)[:, None] * direction * flip * skin
        if name.endswith("Left"):
            motion[RIG_INDEX[name]], motion[RIG_INDEX[name.replace("Left", "Right")]] = bump, mirrored
        else:
            motion[RIG_INDEX[name]] = bump
    motion[RIG_INDEX["jawOpen"]] += rig_fit.flame_surface(head).jaw_motion
    return motion


@pytest.fixture(scope="module")
def fitted(data) -> tuple[np.ndarray, RigToFlame, FlameHead]:
    """Known motion on FLAME, carried to a source head of another size and place, and fitted back."""
    head = FlameHead(data)
    known, target = _known_motion(head), rig_fit.flame_surface(head)
    displacements = SOURCE.scale * known
    surface = Surface(SOURCE(target.vertices), target.triangles, displacements[RIG_INDEX["jawOpen"]], target.active)
    source = RigSource(
        surface,
        displacements,
        displacements[list(rig_to_flame.BLINKS)] * 0.6,
        0.063 * 1.1,
        np.zeros(68, int),
        PART_NAMES,
        _known_parts(head),
    )
    rig = rig_fit.fit_rig(source, head)
    return known, rig, FlameHead(data, rig=rig)


def _posed(head: FlameHead, rig: torch.Tensor) -> torch.Tensor:
    return head(head.identity(), dataclasses.replace(HeadMotion.neutral(len(rig), 25.0), rig=rig)).vertices


def test_known_motion_is_recovered(fitted):
    known, _, head = fitted
    context = torch.eye(N_RIG)
    context[RIG_INDEX["mouthClose"], RIG_INDEX["jawOpen"]] = 1.0
    moved = (_posed(head, context) - head.neutral).double().numpy()
    expected = np.einsum("tk,kvc->tvc", context.numpy(), known)
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        expected[RIG_INDEX[name]] *= rig_fit.LID_OVERLAP
    for channel, name in enumerate(RIG_NAMES):
        if np.abs(known[channel]).max() == 0:
            continue
        missed = np.linalg.norm(moved[channel] - expected[channel]) / np.linalg.norm(expected[channel])
        assert missed < 0.15, (name, missed)


def test_half_a_blink_goes_its_own_way_and_a_shut_eye_stays_shut(fitted):
    known, _, head = fitted
    blink, wide = RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeWideLeft"]
    rig = torch.zeros(3, N_RIG)
    rig[0, blink], rig[1, blink], rig[2, [blink, wide]] = 0.5, 1.0, 1.0
    half, shut, shut_and_wide = (_posed(head, rig) - head.neutral).numpy()
    assert np.linalg.norm(half - 0.6 * known[blink]) < 0.1 * np.linalg.norm(half), "the source's half blink is .6 of a whole one"
    np.testing.assert_allclose(shut_and_wide, shut, atol=1e-6)


def test_jaw_open_is_a_quarter_radian_and_only_jaw_channels_turn_it(fitted):
    _, rig, _ = fitted
    turned = {name for name, jaw in zip(RIG_NAMES, rig.jaw, strict=True) if jaw.abs().max() > 0}
    assert turned <= {"jawOpen", "jawLeft", "jawRight"}
    assert rig.jaw[RIG_INDEX["jawOpen"]].tolist() == [0.25, 0.0, 0.0]


def test_expression_stays_within_its_limit_and_reports_what_it_misses(fitted):
    _, rig, head = fitted
    assert rig.expression.abs().max() <= 3.0 + 1e-5
    assert ((rig.residual >= 0) & (rig.residual <= 1.2)).all()
    motion = dataclasses.replace(HeadMotion.neutral(1, 25.0), rig=torch.ones(1, N_RIG))
    assert head.parameters(motion).expression.abs().max() <= 3.0


def test_parts_come_from_the_generic_head(fitted, data):
    _, rig, head = fitted
    assert head.part_names == PART_NAMES == rig.part_names
    assert (head.vertex_part.numpy() == _known_parts(FlameHead(data))).mean() > 0.99


def test_left_and_right_mirror_each_other(fitted):
    _, _, head = fitted
    rig = torch.zeros(2, N_RIG)
    rig[0, RIG_INDEX["mouthSmileLeft"]] = rig[1, RIG_INDEX["mouthSmileRight"]] = 1.0
    left, right = _posed(head, rig) - head.neutral
    symmetric = (head.neutral[head.mirror] * torch.tensor([-1.0, 1.0, 1.0]) - head.neutral).norm(dim=1) < 1e-4
    difference = (left - right[head.mirror] * torch.tensor([-1.0, 1.0, 1.0]))[symmetric].norm(dim=1).max()
    assert difference < 0.05 * left.norm(dim=1).max()


def test_head_motion_drives_the_joints(fitted):
    _, _, head = fitted
    motion = dataclasses.replace(
        HeadMotion.neutral(2, 25.0),
        head_rotation=torch.tensor([[0.1, 0.0, 0.0]] * 2),
        torso_rotation=torch.tensor([[0.0, 0.2, 0.0]] * 2),
        translation=torch.tensor([[0.0, 0.0, 0.3]] * 2),
        gaze=torch.tensor([[[0.3, 0.0], [0.0, 0.2]]] * 2),
    )
    parameters = head.parameters(motion)
    assert (parameters.neck == motion.head_rotation).all() and (parameters.global_rotation == motion.torso_rotation).all()
    torch.testing.assert_close(parameters.eyes[0], torch.tensor([[0.0, 0.3, 0.0], [0.2, 0.0, 0.0]]), atol=1e-6, rtol=0)
    assert head(head.identity(), motion).vertices[..., 2].mean() > 0.2


def test_gradient_reaches_the_rig(fitted):
    _, _, head = fitted
    rig = torch.full((1, N_RIG), 0.1, requires_grad=True)
    _posed(head, rig).square().sum().backward()
    assert rig.grad is not None and torch.isfinite(rig.grad).all() and (rig.grad.abs() > 0).sum() > 45


def test_lids_slide_over_the_eyeball():
    """A flat lid pulled through an eyeball ends outside it; what was inside stays as deep as it was."""
    ball, faces = flame_fixture.ball(np.array([0.03, 0.0, 0.0]), 0.0125)
    lid = np.array([[0.03, 0.013, 0.008], [0.03, 0.0, -0.008]])
    vertices = np.concatenate([ball, ball * [-1, 1, 1], lid])
    active = np.arange(len(vertices)) >= 2 * len(ball)
    surface = Surface(vertices, faces, np.zeros_like(vertices), active)
    moved = np.zeros((1, *vertices.shape))
    moved[0, -2] = [0.0, -0.013, 0.001]
    cleared = rig_fit.clear_of_eyeballs(moved, surface)
    depth = np.linalg.norm(vertices + cleared[0] - [0.03, 0.0, 0.0], axis=1)[-2:]
    assert 0.0125 < depth[0] < 0.014
    assert depth[1] == pytest.approx(0.008)
    np.testing.assert_array_equal(cleared[0, : 2 * len(ball)], 0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    """One cache folder for the tests below: the fit takes seconds, so it runs once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def test_conversion_is_cached_by_content(cache, data):
    first = rig_to_flame.load_rig_to_flame(data)
    path = rig_to_flame.cache_path(data, None)
    assert list(path.parent.iterdir()) == [path], "no temporary file is left"
    stamp = path.stat().st_mtime_ns
    again = rig_to_flame.load_rig_to_flame(data)
    assert path.stat().st_mtime_ns == stamp, "read, not written"
    assert first.part_names == again.part_names
    for name in ("expression", "jaw", "correctives", "residual", "midway", "vertex_part"):
        assert (getattr(first, name) == getattr(again, name)).all()
    assert rig_to_flame.cache_path(dataclasses.replace(data, sha256="0" * 64), None) != path


def test_damaged_cache_is_not_used(cache, data, tmp_path):
    rig_to_flame.load_rig_to_flame(data)
    whole = rig_to_flame.cache_path(data, None).read_bytes()
    for kept in (0, 100, len(whole) // 2, len(whole) - 10):
        (tmp_path / "cut.npz").write_bytes(whole[:kept])
        assert rig_to_flame.read_cache(tmp_path / "cut.npz", n_vertices=5023) is None
    (tmp_path / "whole.npz").write_bytes(whole)
    assert rig_to_flame.read_cache(tmp_path / "whole.npz", n_vertices=5023) is not None
    assert rig_to_flame.read_cache(tmp_path / "whole.npz", n_vertices=6890) is None
    assert rig_to_flame.read_cache(tmp_path / "absent.npz", n_vertices=5023) is None


def test_from_file_to_moving_head(cache, file):
    head = load_head(file)
    assert isinstance(head, FlameHead) and head.name == "flame"
    rig = torch.zeros(3, N_RIG)
    rig[1, RIG_INDEX["jawOpen"]] = 1.0
    still, opened, _ = _posed(head, rig)
    torch.testing.assert_close(still, head.neutral, atol=1e-6, rtol=0)
    jaw = head.data.weights[:, 2] > 0.8
    assert (opened - still)[jaw, 1].mean() < -0.01, "jawOpen lowers the jaw"


def test_landmarks_lie_where_the_embedding_says(data, tmp_path):
    triangles = np.arange(100, 151)
    np.savez(tmp_path / "landmarks.npz", lmk_face_idx=triangles, lmk_b_coords=np.full((51, 3), 1 / 3))
    head = FlameHead(data, landmarks=read_landmark_embedding(tmp_path / "landmarks.npz"))
    expected = head.neutral[head.triangles[triangles]].mean(1)
    torch.testing.assert_close(head.landmarks(head.neutral[None])[0], expected, atol=1e-6, rtol=0)


def test_landmark_pairs_leave_out_the_jaw_line_and_the_inner_lips(data):
    """51 and 68 landmarks give the same 43 pairs: brows, nose, eyes, outer lips."""
    points = np.zeros((68, 3))
    surface = Surface(points, np.zeros((1, 3), int), points, np.ones(68, bool))
    source = RigSource(surface, np.zeros((N_RIG, 68, 3)), np.zeros((2, 68, 3)), 0.06, np.arange(68), PART_NAMES, np.zeros(68, int))
    for first in (0, 17):
        triangle = torch.arange(1000 + first, 1068)
        head = FlameHead(data, landmarks=LandmarkEmbedding(triangle, torch.full((68 - first, 3), 1 / 3)))
        vertices, points = rig_fit.landmark_pairs(source, head)
        assert vertices.tolist() == list(range(17, 60))
        corners = head.neutral[head.triangles[1017:1060]]
        np.testing.assert_allclose(points, corners.mean(1), atol=1e-6)
    assert rig_fit.landmark_pairs(source, FlameHead(data)) is None


def test_unknown_head_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="use 'generic' or the path"):
        load_head("robot")
    with pytest.raises(InputError, match="is not a file"):
        load_flame(tmp_path / "absent.npz")
