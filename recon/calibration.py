"""What the pictures teach the tracker about one person: a small map from tracked motion to what the face really did.

Landmarks tell some motions with a bias that depends on the person: a smile is told too weak, a bowed head lifts the brows, shoulders
follow a head that only turned. The bias repeats, so it is learned while the Gaussians are fitted, from the training frames' pictures,
and then applied to any track of the same person from landmarks alone.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import N_RIG
from emohead.types import HeadMotion

_PAIRS = torch.combinations(torch.arange(6), with_replacement=True)
N_INPUTS = N_RIG + 6 + len(_PAIRS)
"""Rig, head rotation and translation, and the products of the latter six."""
N_OUTPUTS = N_RIG + 9
"""Changes of rig, head rotation, torso rotation and translation."""
_UNITS = torch.cat([torch.full((N_RIG,), 0.1), torch.full((6,), 0.02), torch.full((3,), 2e-3)])
"""What a weight of 1 means: a tenth of a rig channel, 20 mrad, 2 mm."""


@dataclass(frozen=True)
class Calibration:
    """A linear map whose zero is no change at all; neutral motion stays neutral."""

    weights: Float[Tensor, "I O"]
    """`N_INPUTS` features of the tracked motion to `N_OUTPUTS` changes, in the units of this module."""

    @classmethod
    def none(cls) -> "Calibration":
        """No change."""
        return cls(torch.zeros(N_INPUTS, N_OUTPUTS))

    def __call__(self, motion: HeadMotion) -> HeadMotion:
        """What the face really did when the tracker says `motion`."""
        change = _features(motion) @ self.weights * _UNITS
        rig, head, torso, shift = change.split((N_RIG, 3, 3, 3), dim=1)
        return replace(
            motion,
            rig=(motion.rig + rig).clamp(0.0, 1.0),
            # The torso turns under a head that stays.
            head_rotation=motion.head_rotation + head - torso,
            torso_rotation=motion.torso_rotation + torso,
            translation=motion.translation + shift,
        )


def _features(motion: HeadMotion) -> Float[Tensor, "T I"]:
    pose = torch.cat([2.0 * motion.head_rotation, 10.0 * motion.translation], 1)
    first, second = _PAIRS.unbind(1)
    return torch.cat([motion.rig, pose, pose[:, first] * pose[:, second]], 1)
