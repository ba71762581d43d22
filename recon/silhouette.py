"""Carve a head's scalp to the silhouettes: what projects outside the person in a frame cannot be part of the person."""

from collections.abc import Callable
from dataclasses import fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.head.base import HeadModel
from emohead.types import HeadIdentity, HeadMotion
from recon.types import FrameSet, TrackedSequence

CARVED_PARTS = ("scalp",)
"""Parts (by prefix) that landmarks do not reach."""
_STEP = 1e-3
_TOLERATED = 0.1
"""Share of frames in which a vertex may be outside: mattes and tracking are not perfect."""


def carve_scalp(head: HeadModel, tracked: TrackedSequence, frames: FrameSet, *, n_views: int = 40, steps: int = 30) -> HeadIdentity:
    """The tracked identity with its scalp moved inwards, 1 mm at a time, until it is inside the mattes of the training frames."""
    training = torch.tensor(frames.training[:: max(1, len(frames.training) // n_views)])
    names = [field.name for field in fields(HeadMotion) if field.name != "fps"]
    motion = replace(tracked.motion, **{name: getattr(tracked.motion, name)[training] for name in names})

    def outside(identity: HeadIdentity, chosen: Tensor) -> Tensor:
        return _outside(head(identity, motion).vertices[:, chosen], tracked, frames.mattes[training])

    return carve_inwards(head, tracked.identity, outside, steps=steps)


def carve_inwards(
    head: HeadModel, identity: HeadIdentity, outside: Callable[[HeadIdentity, Tensor], Tensor], *, steps: int = 30
) -> HeadIdentity:
    """The identity with its scalp moved inwards, 1 mm at a time, until it is inside.

    Args:
        head: the head model.
        identity: where to start.
        outside: of an identity and indices of vertices, in which share of the views each of these is outside the person.
        steps: at most so many millimetres.
    """
    part = torch.tensor([name.startswith(CARVED_PARTS) for name in head.part_names])
    chosen = torch.nonzero(part[head.vertex_part])[:, 0]
    rest = head(identity, HeadMotion.neutral(1, 25.0)).vertices[0]
    inwards = -_vertex_normals(rest, head.triangles)[chosen]
    depth = torch.zeros(chosen.shape[0])
    offsets = identity.offsets.clone()
    for _ in range(steps):
        depth = depth + _STEP * (outside(replace(identity, offsets=offsets), chosen) > _TOLERATED)
        offsets = identity.offsets.index_add(0, chosen, inwards * _smooth(depth, rest[chosen])[:, None])
    return replace(identity, offsets=offsets)


def _outside(vertices: Float[Tensor, "T n 3"], tracked: TrackedSequence, mattes: Tensor) -> Float[Tensor, " n"]:
    """In which share of the frames each vertex lies on a pixel that is not the person's."""
    world_to_camera, intrinsics = tracked.camera.world_to_camera[0], tracked.camera.intrinsics[0]
    in_camera = vertices @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    pixels = (in_camera[..., :2] / in_camera[..., 2:] * intrinsics.diagonal()[:2] + intrinsics[:2, 2]).long()
    column = pixels[..., 0].clamp(0, mattes.shape[2] - 1)
    row = pixels[..., 1].clamp(0, mattes.shape[1] - 1)
    frame = torch.arange(mattes.shape[0])[:, None]
    return (mattes[frame, row, column] < 128).float().mean(0)


def _smooth(depth: Tensor, places: Tensor, *, radius: float = 0.012) -> Tensor:
    """Depths averaged over neighbours, but nowhere less than carved."""
    weights = torch.exp(-torch.cdist(places, places).square() / radius**2)
    return torch.maximum(depth, (weights @ depth) / weights.sum(1))


def _vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    corners = vertices[triangles]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total.index_add_(0, triangles[:, corner], normal)
    return torch.nn.functional.normalize(total, dim=-1)
