"""Silhouette carving: the hull holds the person, and a head at any place, turn and size is found in it without a face."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from emohead.errors import InputError
from emohead.head.generic import load_generic
from emohead.head.skinning import axis_angle_to_rotations
from emohead.types import Camera, HeadMotion
from recon import capture
from recon.hull_alignment import align
from recon.landmarks import stacked
from recon.multiview import MultiView, multiview_fit, place
from recon.types import FrameSet
from recon.visual_hull import Hull, carve, one_camera, project_depth, signed_distances, surface, up_of
from tests.shared import shared_data

SIDE = 96
SKIN, HAIR, SHIRT = (220, 170, 150), (60, 40, 30), (40, 60, 150)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _cameras(yaws, *, distance=1.0) -> Camera:
    """Cameras around the origin that look at it, some from above, some from below; y is up."""
    poses = []
    for number, yaw in enumerate(yaws):
        eye = torch.tensor([math.sin(yaw) * distance, 0.15 if number % 2 else -0.1, math.cos(yaw) * distance])
        forward = torch.nn.functional.normalize(-eye, dim=0)
        right = torch.nn.functional.normalize(torch.linalg.cross(forward, torch.tensor([0.0, 1.0, 0.0])), dim=0)
        pose = torch.eye(4)
        pose[:3, :3] = torch.stack([right, torch.linalg.cross(forward, right), forward])
        pose[:3, 3] = -pose[:3, :3] @ eye
        poses.append(pose)
    intrinsics = torch.tensor([[1.7 * SIDE, 0.0, SIDE / 2], [0.0, 1.7 * SIDE, SIDE / 2], [0.0, 0.0, 1.0]])
    return Camera(torch.stack(poses), intrinsics.repeat(len(poses), 1, 1), SIDE, SIDE)


def _drawn(vertices, cameras, head):
    """Pictures and mattes of a head, triangles painted from far to near in the colour of their part."""
    colors = [HAIR if name == "scalp" else SHIRT if name == "torso" else SKIN for name in head.part_names]
    part = head.vertex_part[head.triangles[:, 0]].tolist()
    pixels, depth = project_depth(vertices, cameras)
    images, mattes = [], []
    for number in range(len(pixels)):
        picture = Image.new("RGBA", (3 * SIDE, 3 * SIDE), (0, 0, 0, 0))
        draw = ImageDraw.Draw(picture)
        corners = (3 * pixels[number])[head.triangles].flatten(1).tolist()
        for triangle in depth[number][head.triangles].mean(1).argsort(descending=True).tolist():
            draw.polygon(corners[triangle], fill=(*colors[part[triangle]], 255))
        rgba = torch.from_numpy(np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX)).copy())
        images.append(rgba[..., :3])
        mattes.append(rgba[..., 3])
    return torch.stack(images), torch.stack(mattes)


@pytest.fixture(scope="module")
def scene():
    """The generic head, tilted, seen by eight cameras all around in a world of other axes, place and unit."""
    head = load_generic()
    generator = torch.Generator().manual_seed(3)
    cameras = _cameras([0.2 + number * math.pi / 4 for number in range(8)])
    tilt = axis_angle_to_rotations(torch.tensor([[0.15, 0.3, -0.1]]))[0]
    vertices = (head.neutral + torch.tensor([0.0, 0.03, 0.06])) @ tilt.T + torch.tensor([0.02, -0.01, 0.03])
    images, mattes = _drawn(vertices, cameras, head)
    scale, turn = 3.7, axis_angle_to_rotations(torch.randn(1, 3, generator=generator))[0]
    shift = torch.randn(3, generator=generator)
    poses = cameras.world_to_camera.clone()
    poses[:, :3, :3] = cameras.world_to_camera[:, :3, :3] @ turn.T
    poses[:, :3, 3] = scale * cameras.world_to_camera[:, :3, 3] - poses[:, :3, :3] @ shift
    cameras = replace(cameras, world_to_camera=poses)
    return head, cameras, images, mattes, scale * vertices @ turn.T + shift, scale, turn @ tilt, turn[:, 1]


def _angle(one, other) -> float:
    return math.degrees(math.acos(min(1.0, (float((one.T @ other).trace()) - 1) / 2)))


def test_the_hull_holds_the_head_and_fills_its_silhouettes(scene):
    head, cameras, images, mattes, vertices, *_ = scene
    hull = carve(mattes, cameras)
    inner = torch.tensor([name.startswith(("face", "scalp", "lip", "neck")) for name in head.part_names])[head.vertex_part]
    shown = project_depth(vertices, cameras)[0]
    whole = ((shown > 1) & (shown < SIDE - 1)).all(-1).all(0) & inner
    assert hull.contains(vertices[whole]).float().mean() > 0.99
    for number in range(0, 8, 3):
        seen, person = hull.depth(one_camera(cameras, number)).isfinite(), mattes[number] >= 128
        assert (seen & person).sum() / person.sum() > 0.99  # it covers the silhouette
        assert (seen & person).sum() / (seen | person).sum() > 0.85  # by little more than a voxel
    skin = surface(hull, images, cameras)
    middle = hull.centres.mean(0)
    assert ((skin.points - middle) * skin.normals).sum(1).mean() > 0
    assert torch.allclose(skin.normals.norm(dim=1), torch.ones(len(skin.points)), atol=1e-4)
    assert skin.colors.isfinite().all(1).float().mean() > 0.6
    crown = skin.colors[(skin.points @ scene[-1]) > float((vertices @ scene[-1]).quantile(0.98))].nanmedian(0).values
    assert torch.allclose(crown, torch.tensor(HAIR) / 255.0, atol=0.08)


def test_the_head_is_found_at_any_place_turn_and_size(scene):
    head, cameras, images, mattes, vertices, scale, rotation, up = scene
    assert math.degrees(math.acos(min(1.0, float(up_of(cameras) @ up)))) < 1.0
    hull = carve(mattes, cameras)
    found = align(head, hull, surface(hull, images, cameras), signed_distances(mattes), cameras)
    assert (found.to_world(head.neutral) - vertices).norm(dim=1).mean() / scale < 4e-3
    assert _angle(found.rotation, rotation) < 2.5
    assert abs(found.scale / scale - 1) < 0.02
    assert found.error < 3e-3 and found.is_sure
    assert torch.allclose(found.to_head(found.to_world(head.neutral)), head.neutral, atol=1e-5)
    pixels = project_depth(head.neutral, found.cameras_of_head(cameras))[0]
    assert torch.allclose(pixels, project_depth(found.to_world(head.neutral), cameras)[0], atol=0.02)


def _view(images, mattes, cameras, camera_of, steps) -> MultiView:
    unseen = torch.zeros(len(steps), dtype=torch.bool)
    frames = FrameSet(25.0, images, mattes, torch.tensor(steps), unseen)
    return MultiView(frames, torch.tensor(camera_of), cameras, stacked([None] * len(steps)))


def test_without_a_face_the_silhouettes_place_a_still_head_and_the_fit_goes_on(scene):
    head, cameras, images, mattes, vertices, scale, *_ = scene
    # Five cameras, one picture each at its own time: nobody says that they were taken at once.
    few = [0, 1, 3, 5, 7]
    around = replace(cameras, world_to_camera=cameras.world_to_camera[few], intrinsics=cameras.intrinsics[few])
    view = _view(images[few], mattes[few], around, list(range(5)), list(range(5)))
    placed = place(view, head)
    assert abs(placed.scale / scale - 1) < 0.03 and placed.main == 0
    assert any("no face was found" in note for note in placed.notes)
    assert placed.tracked.motion.n_frames == 5
    assert all(float(value.abs().max()) == 0 for value in (placed.tracked.motion.rig, placed.tracked.motion.head_rotation))
    mesh = head(placed.tracked.identity, HeadMotion.neutral(1, 25.0)).vertices[0]
    off = project_depth(mesh, placed.cameras)[0] - project_depth(vertices, around)[0]
    assert off.norm(dim=-1).mean() < 2.0  # pixels of 96, with a scalp that was carved
    assert torch.equal(placed.tracked.camera.world_to_camera[0], placed.cameras.world_to_camera[placed.main])
    generator = torch.Generator().manual_seed(0)
    avatar, _, data = multiview_fit(view, placed, head, background=torch.ones(3), generator=generator)
    assert avatar.triangle.shape[0] > 10000 and data.images.shape == images[few].shape


def test_a_rendered_person_is_found_as_she_is_turned():
    folder = shared_data("captures/mei")
    views = [view for view in json.loads((folder / "novel.json").read_text()) if int(view["frame"]) == 340]
    pictures = [np.asarray(Image.open(folder / view["file"]).convert("RGBA").resize((256, 256))) for view in views]
    rgba = torch.from_numpy(np.stack(pictures))
    each = [capture._camera(view, 256, 256) for view in views]
    poses, intrinsics = (torch.cat([getattr(camera, name) for camera in each]) for name in ("world_to_camera", "intrinsics"))
    cameras = Camera(poses, intrinsics, 256, 256)
    assert len(rgba) == 5
    images, mattes = rgba[..., :3].contiguous(), rgba[..., 3].contiguous()
    hull = carve(mattes, cameras)
    found = align(load_generic(), hull, surface(hull, images, cameras), signed_distances(mattes), cameras)
    yaw, pitch, roll = (math.radians(angle) for angle in (-4.99, -0.53, -0.23))  # the capture's ground truth
    turns = axis_angle_to_rotations(torch.tensor([[0.0, yaw, 0.0], [pitch, 0.0, 0.0], [0.0, 0.0, roll]]))
    assert _angle(found.rotation, turns[0] @ turns[1] @ turns[2]) < 4.0
    assert found.is_sure and found.error < 0.01
    assert 0.8 < found.scale < 0.95  # a smaller head than the mean; placed by her face it is 0.87


def test_too_few_silhouettes_are_one_line(scene):
    head, cameras, images, mattes, *_ = scene
    empty = mattes.clone()
    empty[3:] = 0
    view = _view(images, empty, cameras, list(range(8)), [0] * 8)
    with pytest.raises(InputError, match="3 cameras with a silhouette are too few"):
        place(view, head)


def test_silhouettes_that_do_not_fit_together_are_one_line(scene):
    _, cameras, _, mattes, *_ = scene
    apart = cameras.world_to_camera.clone()
    apart[:, :3, 3] += torch.linspace(-3, 3, 8)[:, None]
    with pytest.raises(InputError, match="no common inside"):
        carve(mattes, replace(cameras, world_to_camera=apart))


def test_one_bad_matte_among_many_does_no_harm(scene):
    _, cameras, _, mattes, vertices, *_ = scene
    twice = replace(cameras, world_to_camera=cameras.world_to_camera.repeat(2, 1, 1), intrinsics=cameras.intrinsics.repeat(2, 1, 1))
    spoilt = mattes.repeat(2, 1, 1)
    spoilt[9, : SIDE // 2] = 0
    assert carve(spoilt, twice).contains(vertices[:1000]).float().mean() > 0.98


def test_depth_and_inside_of_a_single_block():
    block = torch.zeros(5, 5, 5, dtype=torch.bool)
    block[1:4, 1:4, 1:4] = True
    hull = Hull(block, torch.full((3,), -0.2), 0.1)
    assert hull.contains(torch.tensor([[0.0, 0.0, 0.0], [0.14, 0.0, 0.0], [0.16, 0.0, 0.0], [9.0, 0.0, 0.0]])).tolist() == [
        True,
        True,
        False,
        False,
    ]
    camera = one_camera(_cameras([0.0]), 0)
    depth = hull.depth(replace(camera, world_to_camera=_facing()))
    assert abs(float(depth[SIDE // 2, SIDE // 2]) - 0.85) < 0.06
    assert torch.isinf(depth[0, 0])


def _facing():
    pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    pose[2, 3] = 1.0
    return pose[None]
