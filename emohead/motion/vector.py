"""Head motion as the vector that the diffusion generates, and back: every frame 53 numbers, blinks apart from what lids do otherwise.

A blink is a rare, short event that a regression smooths away inside eyeBlink*; as a channel of its own it can be weighted and drawn.
The eyeLook* channels follow from the gaze, the torso from the head (`head_motion.torso_rotation`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import RIG_INDEX, RIG_NAMES
from emohead.head.gaze import with_gaze
from emohead.motion import blinks
from emohead.motion.head_motion import torso_rotation
from emohead.types import HeadMotion

RIG_CHANNELS: tuple[str, ...] = tuple(name for name in RIG_NAMES if not name.startswith("eyeLook"))
"""The rig channels that are generated."""
CHANNELS: tuple[str, ...] = (
    *RIG_CHANNELS,
    "gazeYaw", "gazePitch",
    "headPitch", "headYaw", "headRoll",
    "translationX", "translationY", "translationZ",
    "blink",
)  # fmt: skip
"""What a frame is made of (`M` = 53): rig coefficients, radians, metres, and how far a blink closes the lids (0..1)."""
N_CHANNELS = len(CHANNELS)
INDEX: dict[str, int] = {name: index for index, name in enumerate(CHANNELS)}

GROUPS: tuple[str, ...] = ("mouth", "upper", "head", "gaze")
"""Parts of the face that can be guided, locked and measured apart."""

RIG_COLUMNS = torch.tensor([RIG_INDEX[name] for name in RIG_CHANNELS])
"""Where they are in a rig."""
_N_GENERATED = len(RIG_CHANNELS)
_GAZE, _HEAD = slice(_N_GENERATED, _N_GENERATED + 2), slice(_N_GENERATED + 2, _N_GENERATED + 5)
_TRANSLATION, _BLINK = slice(_N_GENERATED + 5, _N_GENERATED + 8), _N_GENERATED + 8


def group_of(channel: str) -> str:
    """The group of a channel."""
    if channel.startswith(("head", "translation")):
        return "head"
    if channel in ("gazeYaw", "gazePitch", "blink"):
        return "gaze"
    return "mouth" if channel.startswith(("jaw", "mouth", "tongue", "cheekPuff")) else "upper"


def columns_of(group: str) -> list[int]:
    """The columns of a group."""
    return [index for index, name in enumerate(CHANNELS) if group_of(name) == group]


@dataclass(frozen=True)
class MotionScale:
    """Mean and spread of each channel in a corpus, which bring them to about -1..1."""

    mean: Float[Tensor, " M"]
    spread: Float[Tensor, " M"]

    @classmethod
    def of(cls, vectors: Float[Tensor, "n M"]) -> "MotionScale":
        """Of all frames of a corpus; channels that hardly move are not blown up."""
        least = torch.full((N_CHANNELS,), 0.02)
        least[_TRANSLATION] = 0.001
        return cls(vectors.mean(0), torch.maximum(vectors.std(0), least))

    def shrink(self, vectors: Float[Tensor, "*T M"]) -> Float[Tensor, "*T M"]:
        """Natural units to about -1..1."""
        return (vectors - self.mean.to(vectors)) / self.spread.to(vectors)

    def grow(self, scaled: Float[Tensor, "*T M"]) -> Float[Tensor, "*T M"]:
        """Back to natural units."""
        return scaled * self.spread.to(scaled) + self.mean.to(scaled)


def to_vectors(motion: HeadMotion, closure: Float[Tensor, " T"]) -> Float[Tensor, "T M"]:
    """A motion without blinks, and its blinks, as vectors."""
    columns = [motion.rig[:, RIG_COLUMNS], motion.gaze.mean(1), motion.head_rotation, motion.translation, closure[:, None]]
    return torch.cat([column.float() for column in columns], 1)


def to_motion(vectors: Float[Tensor, "T M"], fps: float) -> HeadMotion:
    """The motion that vectors describe, blinks included; coefficients are brought into 0..1, the torso follows the head."""
    rig = vectors.new_zeros(vectors.shape[0], len(RIG_NAMES))
    rig[:, RIG_COLUMNS] = vectors[:, :_N_GENERATED].clamp(0.0, 1.0)
    limits = vectors.new_tensor([blinks.EYE_YAW_LIMIT, blinks.EYE_PITCH_LIMIT])
    gaze = vectors[:, _GAZE].clamp(-limits, limits)[:, None].repeat(1, 2, 1)
    head = vectors[:, _HEAD]
    still = HeadMotion(fps, rig, head, torso_rotation(head, fps), vectors[:, _TRANSLATION], gaze)
    return blinks.with_blinks(with_gaze(still, gaze), vectors[:, _BLINK].clamp(0.0, 1.0))
