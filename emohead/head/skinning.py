"""Linear blend skinning: rotations, chains of joints, and vertices that follow several joints at once."""

import torch
from jaxtyping import Float
from torch import Tensor


def axis_angle_to_rotations(axis_angle: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """Rodrigues' formula, R = I + sin(a)/a K + (1 - cos(a))/a^2 K^2, smooth and differentiable at zero."""
    angle = (axis_angle.square().sum(-1, keepdim=True) + 1e-16).sqrt()[..., None]
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    # 1 - cos(a) = 2 sin(a/2)^2 keeps its digits in float32.
    half = (angle / 2).sin() / (angle / 2)
    return torch.eye(3).to(axis_angle) + angle.sin() / angle * cross + 0.5 * half.square() * cross @ cross


def yaw_pitch_to_rotations(yaw_pitch: Float[Tensor, "*B 2"]) -> Float[Tensor, "*B 3 3"]:
    """The rotation that looks `yaw` to the subject's left and then `pitch` down: R = R_y(yaw) R_x(pitch), radians."""
    (cos_yaw, cos_pitch), (sin_yaw, sin_pitch) = yaw_pitch.cos().unbind(-1), yaw_pitch.sin().unbind(-1)
    zero = torch.zeros_like(cos_yaw)
    rows = (
        *(cos_yaw, sin_yaw * sin_pitch, sin_yaw * cos_pitch),
        *(zero, cos_pitch, -sin_pitch),
        *(-sin_yaw, cos_yaw * sin_pitch, cos_yaw * cos_pitch),
    )
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def joint_transforms(
    rotations: Float[Tensor, "T J 3 3"], shifts: Float[Tensor, "T J 3"], joints: Float[Tensor, "J 3"], parents: tuple[int, ...]
) -> Float[Tensor, "T J 3 4"]:
    """What each joint does to a point at rest, x -> A[:, :3] x + A[:, 3].

    Args:
        rotations: of each joint against its parent, about the joint.
        shifts: of each joint against its parent, metres.
        joints: positions at rest, metres.
        parents: for each joint the index of its parent, which comes before it; -1 for the root.
    """
    chain: list[tuple[Tensor, Tensor]] = []
    for joint, parent in enumerate(parents):
        turn = rotations[:, joint]
        move = joints[joint] + shifts[:, joint] - turn @ joints[joint]
        if parent >= 0:
            parent_turn, parent_move = chain[parent]
            move = torch.einsum("tij,tj->ti", parent_turn, move) + parent_move
            turn = parent_turn @ turn
        chain.append((turn, move))
    return torch.stack([torch.cat([turn, move[..., None]], -1) for turn, move in chain], 1)


def skin(rest: Float[Tensor, "T V 3"], transforms: Float[Tensor, "T J 3 4"], weights: Float[Tensor, "V J"]) -> Float[Tensor, "T V 3"]:
    """Each vertex moved by the weighted mean of what its joints do; rows of `weights` sum to 1."""
    blended = (weights @ transforms.flatten(2)).unflatten(-1, (3, 4))  # [T, V, 3, 4]
    # One pass per column is several times faster here than a product summed over the last axis.
    moved = blended[..., 3]
    for axis in range(3):
        moved = torch.addcmul(moved, blended[..., axis], rest[..., axis : axis + 1])
    return moved
