"""How a torso hangs on a head: a few numbers per pose latent instead of a free displacement of every Gaussian.

Landmarks tell where the head is, not what the shoulders do, and a real neck does not turn about a model's joint. Both errors show as
a torso that swims under the head. They repeat with the head's pose, so one rigid velocity per pose latent, learned from the training
frames, takes out most of them; unlike free corrections it also moves plain cloth, where no pixel says how.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.avatar.binding import triangle_frames
from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.head.base import HeadModel
from emohead.types import HeadMotion

_TURN = 0.1
UNITS = torch.tensor([0.05, 0.05, 0.05, 5e-3, 5e-3, 5e-3])
"""What 1 means: 50 mrad and 5 mm per unit of latent."""


def torso_share(head: HeadModel, avatar: GaussianAvatar) -> Float[Tensor, " N"]:
    """How much each Gaussian follows the torso instead of the head, 0..1: what a turn of the head leaves of a rigid turn."""
    motion = HeadMotion.neutral(2, 25.0)
    motion.head_rotation[1, 1] = _TURN
    rest, turned = head(avatar.identity, motion).vertices
    lever = (rest - head.joints(avatar.identity)[1])[:, [0, 2]].norm(dim=1)
    followed = (turned - rest).norm(dim=1) / (_TURN * lever).clamp_min(1e-3)
    share = 1 - followed.clamp(0, 1)
    return (share[head.triangles[avatar.triangle]] * avatar.barycentric).sum(1)


def rigid_basis(head: HeadModel, avatar: GaussianAvatar) -> Float[Tensor, "N 3 6"]:
    """What a rigid velocity (rotation about the neck, translation; in `UNITS`) of the torso adds to each Gaussian's local mean."""
    rest = head(avatar.identity, HeadMotion.neutral(1, 25.0)).vertices
    corners = head.triangles[avatar.triangle]
    place = (rest[0][corners] * avatar.barycentric[..., None]).sum(1) - head.joints(avatar.identity)[1]
    axes = _axes(triangle_frames(rest, corners).quats[0])
    x, y, z = place.unbind(1)
    zero = torch.zeros_like(x)
    turn = torch.stack([torch.stack([zero, z, -y], 1), torch.stack([-z, zero, x], 1), torch.stack([y, -x, zero], 1)], 1)
    velocity = torch.cat([turn, torch.eye(3).expand_as(turn)], 2) * UNITS
    return torso_share(head, avatar)[:, None, None] * axes.mT @ velocity


def _axes(quats: Float[Tensor, "N 4"]) -> Float[Tensor, "N 3 3"]:
    w, x, y, z = quats.unbind(-1)
    rows = (
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack(rows, -1).unflatten(-1, (3, 3))
