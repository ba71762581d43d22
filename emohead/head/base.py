"""The protocol every head model follows: identity + motion -> mesh."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.types import HeadIdentity, HeadMesh, HeadMotion


@runtime_checkable
class HeadModel(Protocol):
    """A riggable head of fixed topology. Calls are differentiable in every tensor and batched over frames."""

    name: str
    """`generic` or `flame`; stored in avatar files."""
    triangles: Int[Tensor, "F 3"]
    """Vertex indices, counter-clockwise seen from outside."""
    neutral: Float[Tensor, "V 3"]
    """The mean head at rest, metres, origin midway between the eyeball centres, +y up, +z out of the face."""
    n_shape: int
    """Number of identity coefficients `I`."""
    part_names: tuple[str, ...]
    """Names of the semantic parts."""
    vertex_part: Int[Tensor, " V"]
    """For each vertex, its index in `part_names`."""
    mirror: Int[Tensor, " V"]
    """For each vertex, the vertex it becomes when x is negated."""

    def identity(self) -> HeadIdentity:
        """The mean head: zero shape coefficients, zero offsets."""
        ...

    def __call__(self, identity: HeadIdentity, motion: HeadMotion) -> HeadMesh:
        """Vertices of `identity` doing `motion`, in world space."""
        ...

    def joints(self, identity: HeadIdentity) -> Float[Tensor, "5 3"]:
        """Where the joints of `identity` are at rest, metres: torso, neck, jaw, left eye, right eye (FLAME's own order of eyes)."""
        ...

    def to(self, device: torch.device | str) -> "HeadModel":
        """The same head on `device`."""
        ...
