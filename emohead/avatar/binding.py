"""How Gaussians ride on triangles: a local frame per triangle that follows the mesh's translation, rotation and stretch.

The idea is GaussianAvatars' (Qian et al., CVPR 2024, section 3.2): a Gaussian lives in the frame of its triangle. Here the frame sits
at a barycentric point instead of the triangle's centre, and stretch is relative to the rest shape, so that offsets and scales are metres.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

STRETCH_RANGE = (0.5, 2.0)
"""Limits of a triangle's linear stretch: lids and lips fold triangles to slivers, whose Gaussians must not vanish or explode."""


@dataclass(frozen=True)
class TriangleFrames:
    """Local frames of triangles over time."""

    quats: Float[Tensor, "T F 4"]
    """Rotation from the triangle's axes (first edge, in-plane normal to it, face normal) to the world, wxyz."""
    size: Float[Tensor, "T F"]
    """Square root of twice the area, metres."""


def triangle_frames(vertices: Float[Tensor, "T V 3"], triangles: Int[Tensor, "F 3"]) -> TriangleFrames:
    """The frames of `triangles` in each frame of `vertices`; degenerate triangles get a finite, arbitrary rotation."""
    corner_a, corner_b, corner_c = (vertices[:, triangles[:, corner]] for corner in range(3))  # [T, F, 3]
    edge = corner_b - corner_a
    normal = torch.linalg.cross(edge, corner_c - corner_a)
    double_area = normal.norm(dim=-1)
    axis_x = _normalised(edge)
    axis_z = _normalised(normal)
    axis_y = torch.linalg.cross(axis_z, axis_x)
    rotations = torch.stack([axis_x, axis_y, axis_z], dim=-1)  # columns are the axes
    return TriangleFrames(rotations_to_quats(rotations), double_area.clamp_min(1e-12).sqrt())


def barycentric_points(
    vertices: Float[Tensor, "T V 3"], corners: Int[Tensor, "N 3"], barycentric: Float[Tensor, "N 3"]
) -> Float[Tensor, "T N 3"]:
    """Points at barycentric coordinates of the triangles with vertex indices `corners`."""
    return sum(vertices[:, corners[:, corner]] * barycentric[:, corner, None] for corner in range(3))  # type: ignore[return-value]


def rotate(quats: Float[Tensor, "*B 4"], vectors: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """Rotate `vectors` by unit quaternions (wxyz): v + 2 w (u x v) + 2 u x (u x v), with q = (w, u)."""
    axis = quats[..., 1:]
    twice_cross = 2.0 * torch.linalg.cross(axis, vectors)
    return vectors + quats[..., :1] * twice_cross + torch.linalg.cross(axis, twice_cross)


def multiply_quats(left: Float[Tensor, "*B 4"], right: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 4"]:
    """Hamilton product (wxyz): the rotation `right` followed by `left`."""
    left_w, left_xyz = left[..., :1], left[..., 1:]
    right_w, right_xyz = right[..., :1], right[..., 1:]
    scalar = left_w * right_w - (left_xyz * right_xyz).sum(-1, keepdim=True)
    vector = left_w * right_xyz + right_w * left_xyz + torch.linalg.cross(left_xyz, right_xyz)
    return torch.cat([scalar, vector], dim=-1)


def rotations_to_quats(rotations: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B 4"]:
    """Unit quaternions (wxyz) of rotation matrices.

    Of the four textbook formulas (Shepperd 1978) the one with the largest divisor is taken per element, which keeps value and
    gradient finite everywhere.
    """
    m00, m11, m22 = rotations[..., 0, 0], rotations[..., 1, 1], rotations[..., 2, 2]
    m01, m10 = rotations[..., 0, 1], rotations[..., 1, 0]
    m02, m20 = rotations[..., 0, 2], rotations[..., 2, 0]
    m12, m21 = rotations[..., 1, 2], rotations[..., 2, 1]
    candidates = torch.stack(
        [
            torch.stack([1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], -1),
            torch.stack([m21 - m12, 1 + m00 - m11 - m22, m01 + m10, m02 + m20], -1),
            torch.stack([m02 - m20, m01 + m10, 1 - m00 + m11 - m22, m12 + m21], -1),
            torch.stack([m10 - m01, m02 + m20, m12 + m21, 1 - m00 - m11 + m22], -1),
        ],
        -2,
    )  # [.., 4 candidates, 4]
    largest = torch.diagonal(candidates, dim1=-2, dim2=-1).argmax(-1)
    chosen = candidates.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4)).squeeze(-2)
    return _normalised(chosen)


def _normalised(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12)
