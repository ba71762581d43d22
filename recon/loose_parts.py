"""Gaussians for what a head model's mesh does not reach: long hair, collars, earrings, wide shoulders.

Where a training picture shows the person but the mesh is not, Gaussians are put at the depth of the nearest part of the mesh and bound to
it: hair beside the face follows the head, hair on the shoulders follows the shoulders.
"""

from dataclasses import fields, replace

import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.spatial import KDTree
from torch import Tensor

from emohead.avatar.binding import multiply_quats, rotate, triangle_frames
from emohead.avatar.corrections import Corrections
from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.head.base import HeadModel
from emohead.types import HeadMotion
from recon.initialise import PLANS, SH_C0, Layout
from recon.subject import project
from recon.types import FrameSet, TrackedSequence

PARTS = ("scalp", "ear", "neck", "torso")
"""Parts (by prefix) that things hang on."""
MOST = 9000
_VIEWS, _PER_VIEW = 6, 3000
_NEAR = 1 / 64
"""Distance from the mesh, as a share of the picture's side, up to which the mesh's own Gaussians reach."""
_ERODED = 2
_FREEDOM, _CORRECTION_FREEDOM = 30e-3, 8e-3
_OPACITY = 0.7
_PLAN = next(number for number, plan in enumerate(PLANS) if plan.prefix == "scalp")


def with_loose_parts(
    avatar: GaussianAvatar, layout: Layout, head: HeadModel, tracked: TrackedSequence, frames: FrameSet, *, generator: torch.Generator
) -> tuple[GaussianAvatar, Layout]:
    """The first guess and more Gaussians where training pictures show what it does not cover.

    Args:
        avatar: the first guess.
        layout: its limits.
        head: the model the clip was tracked with.
        tracked: the clip at the frames of the pictures.
        frames: the pictures; only training ones are looked at.
        generator: of the places.
    """
    pictures = frames.training[:: max(1, len(frames.training) // _VIEWS)][:_VIEWS]
    rest = head(tracked.identity, HeadMotion.neutral(1, tracked.fps)).vertices
    size = triangle_frames(rest, head.triangles).size[0]
    for picture in pictures:
        if len(layout.plan) - avatar_start(layout) >= MOST:
            break
        avatar, layout = _with_one_view(avatar, layout, head, tracked, frames, picture, size, generator)
    return avatar, layout


def avatar_start(layout: Layout) -> int:
    """Number of Gaussians that are not loose parts."""
    return int((~layout.is_loose).sum())


def _with_one_view(
    avatar: GaussianAvatar,
    layout: Layout,
    head: HeadModel,
    tracked: TrackedSequence,
    frames: FrameSet,
    picture: int,
    size: Float[Tensor, " F"],
    generator: torch.Generator,
) -> tuple[GaussianAvatar, Layout]:
    mesh = head(tracked.identity, tracked.motion.frames(picture, picture + 1))
    splats = avatar.pose(mesh, tracked.motion.frames(picture, picture + 1)).frame(0)
    bare = _uncovered(project(splats.means[None], tracked.camera)[0], frames.mattes[picture])
    places = torch.nonzero(bare)
    count = min(_PER_VIEW, MOST - int(layout.is_loose.sum()), len(places) // 4)
    if count < 20:
        return avatar, layout
    places = places[torch.randperm(len(places), generator=generator)[:count]]
    spacing = (float(bare.sum()) / count) ** 0.5
    pixels = places.flip(1) + 0.5
    triangle, depth = _nearest(pixels, head, mesh.vertices[0], tracked)
    camera_to_world = torch.linalg.inv(tracked.camera.world_to_camera[0])
    intrinsics = tracked.camera.intrinsics[0]
    rays = torch.cat([(pixels - intrinsics[:2, 2]) / intrinsics.diagonal()[:2], torch.ones(count, 1)], 1)
    world = rays * depth[:, None] @ camera_to_world[:3, :3].T + camera_to_world[:3, 3]
    used = triangle_frames(mesh.vertices, head.triangles[triangle])
    middle = mesh.vertices[0][head.triangles[triangle]].mean(1)
    inverse = used.quats[0] * torch.tensor([1.0, -1.0, -1.0, -1.0])
    stretch = (used.size[0] / size[triangle]).clamp(0.5, 2.0)
    offsets = rotate(inverse, world - middle) / stretch[:, None]
    colors = frames.images[picture][places[:, 0], places[:, 1]].float() / 255.0
    width = 0.6 * spacing * depth / intrinsics[0, 0]
    upright = torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(count, 4)
    more = {
        "triangle": triangle,
        "barycentric": torch.full((count, 3), 1 / 3),
        "rest_size": size[triangle],
        "offsets": offsets,
        "quats": multiply_quats(inverse, upright),
        "log_scales": width.clamp(2e-4, 7e-3).log()[:, None].expand(-1, 3),
        "opacity_logits": torch.full((count,), _OPACITY).logit(),
        "sh": ((colors - 0.5) / SH_C0)[:, None],
    }
    joined = {name: torch.cat([getattr(avatar, name), value]) for name, value in more.items()}
    avatar = replace(avatar, **joined, corrections=Corrections.none(len(joined["triangle"])))
    limits = {
        "start": offsets,
        "freedom": torch.full((count,), _FREEDOM),
        "correction_freedom": torch.full((count,), _CORRECTION_FREEDOM),
        "min_logit": torch.full((count,), 1e-3).logit(),
        "color_is_fixed": torch.zeros(count, dtype=torch.bool),
        "may_move": torch.ones(count, dtype=torch.bool),
        "inside_mouth": torch.zeros(count, dtype=torch.bool),
        "is_loose": torch.ones(count, dtype=torch.bool),
        "plan": torch.full((count,), _PLAN),
    }
    return avatar, Layout(*(torch.cat([getattr(layout, field.name), limits[field.name]]) for field in fields(Layout)))


def _uncovered(centres: Float[Tensor, "N 2"], matte: Tensor) -> Bool[Tensor, "H W"]:
    """Pixels surely of the person, out of reach of every Gaussian."""
    side = matte.shape[0]
    empty = torch.ones(matte.shape, dtype=torch.bool)
    column, row = centres.long().unbind(1)
    inside = (column >= 0) & (row >= 0) & (column < matte.shape[1]) & (row < side)
    empty[row[inside], column[inside]] = False
    far = torch.from_numpy(distance_transform_edt(empty.numpy())) > _NEAR * side  # type: ignore[arg-type]
    person = torch.from_numpy(binary_erosion((matte > 200).numpy(), iterations=_ERODED))
    return far & person


def _nearest(
    pixels: Float[Tensor, "n 2"], head: HeadModel, vertices: Float[Tensor, "V 3"], tracked: TrackedSequence
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """For each pixel the triangle (of the parts that things hang on) that is seen nearest to it, and that triangle's depth in metres."""
    part = torch.tensor([name.startswith(PARTS) for name in head.part_names])
    hanging = part[head.vertex_part[head.triangles]].all(1)
    chosen = torch.nonzero(hanging if bool(hanging.any()) else torch.ones_like(hanging))[:, 0]
    middle = vertices[head.triangles[chosen]].mean(1)
    seen = project(middle[None], tracked.camera)[0]
    world_to_camera = tracked.camera.world_to_camera[0]
    depth = (middle @ world_to_camera[:3, :3].T + world_to_camera[:3, 3])[:, 2]
    _, nearest = KDTree(seen.numpy()).query(pixels.numpy())
    index = torch.from_numpy(nearest)
    return chosen[index], depth[index]
