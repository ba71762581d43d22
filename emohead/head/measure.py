"""What a face does, measured in metres on the generic head's vertices.

All measures are taken in the head's own frame: `to_head_frame` undoes the rigid pose, fitted on the scalp, which no expression moves.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.head.generic import GenericHead

LIP_COLUMNS = (-0.008, -0.004, 0.0, 0.004, 0.008)
"""Metres from the middle, on the mean head: where the gap between the lips is measured."""
_COLUMN_HALF_WIDTH = 0.0025
_NEAR_LIP_LINE = 0.006
_CORNER_LEFT, _CORNER_RIGHT = 54, 48
_BROWS = (((22, 23), (25, 26)), ((20, 21), (17, 18)))
"""Multi-PIE landmarks: left (inner, outer), right (inner, outer)."""


def to_head_frame(head: GenericHead, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, "T V 3"]:
    """Posed vertices brought back to the mean head's place by the best rigid motion of the scalp (Kabsch 1976)."""
    scalp = head.vertices_of("scalp")
    source, target = vertices[:, scalp], head.neutral[scalp]
    source_mean, target_mean = source.mean(1, keepdim=True), target.mean(0)
    covariance = (source - source_mean).transpose(1, 2) @ (target - target_mean)
    left, _, right = torch.linalg.svd(covariance.double())
    signs = torch.ones_like(left[..., 0])
    signs[:, 2] = torch.linalg.det(left @ right).sign()
    rotation = (left * signs[:, None] @ right).to(vertices)  # x_head = x_world @ rotation
    return (vertices - source_mean) @ rotation + target_mean


def lip_gap(head: GenericHead, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, " T"]:
    """Vertical gap between the lips, metres, mean over `LIP_COLUMNS`; 0 where they touch or cross."""
    height = to_head_frame(head, vertices)[..., 1]
    gaps = [height[:, upper].amin(1) - height[:, lower].amax(1) for upper, lower in _lip_columns(head)]
    return torch.stack(gaps, 1).clamp_min(0.0).mean(1)


def lid_gap(head: GenericHead, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, "T 2"]:
    """Opening of the left and the right eye, metres: mean distance of the lids' margins over the middle of the eye, 0 when shut."""
    height = to_head_frame(head, vertices)[..., 1]
    gaps = []
    for pairs in head.data.lid_pairs.chunk(2):
        order = head.neutral[pairs[:, 0], 0].argsort()
        middle = pairs[order[len(order) // 4 : len(order) - len(order) // 4]]
        gaps.append((height[:, middle[:, 0]] - height[:, middle[:, 1]]).clamp_min(0.0).mean(1))
    return torch.stack(gaps, 1)


def brow_height(head: GenericHead, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, "T 2 2"]:
    """Height of the brows above the eyeballs' centres, metres: (left, right) x (inner, outer end)."""
    points, eyes = _landmarks_and_eyes(head, vertices)
    heights = [[points[:, list(ends), 1].mean(1) - eyes[:, side] for ends in brow] for side, brow in enumerate(_BROWS)]
    return torch.stack([torch.stack(ends, 1) for ends in heights], 1)


def mouth_width(head: GenericHead, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, " T"]:
    """Distance between the corners of the mouth, metres."""
    points = head.landmarks(vertices, "multipie68")
    return (points[:, _CORNER_LEFT] - points[:, _CORNER_RIGHT]).norm(dim=-1)


def corner_height(head: GenericHead, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, "T 2"]:
    """Height of the left and the right corner of the mouth against the middle between the eyes (negative), metres."""
    points, eyes = _landmarks_and_eyes(head, vertices)
    return points[:, [_CORNER_LEFT, _CORNER_RIGHT], 1] - eyes.mean(1, keepdim=True)


def _landmarks_and_eyes(head: GenericHead, vertices: Float[Tensor, "T V 3"]) -> tuple[Float[Tensor, "T 68 3"], Float[Tensor, "T 2"]]:
    """Landmarks in the head's frame, and the heights of the eyeballs' centres there."""
    own = to_head_frame(head, vertices)
    eyes = torch.einsum("ev,tv->te", head.data.joint_regressor[3:], own[..., 1])
    return head.landmarks(own, "multipie68"), eyes


def _lip_columns(head: GenericHead) -> list[tuple[Int[Tensor, " n"], Int[Tensor, " m"]]]:
    """For each column the vertices of the upper and of the lower lip near the line between them."""
    pairs, lips = head.data.lip_pairs, head.data.lip_vertices
    line = head.neutral[pairs.flatten(), 1].mean()
    lips = lips[(head.neutral[lips, 1] - line).abs() < _NEAR_LIP_LINE]
    # The jaw carries the lower lip.
    is_lower = head.data.skin_weights[lips, 2] >= 0.42
    columns = []
    for x in LIP_COLUMNS:
        near = (head.neutral[lips, 0] - x).abs() < _COLUMN_HALF_WIDTH
        columns.append((lips[near & ~is_lower], lips[near & is_lower]))
    return columns
