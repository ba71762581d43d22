"""Gaze angles and the rig's eyeLook* channels: the one conversion, both ways.

`HeadMotion.gaze` turns the eyeballs; the eyeLook* channels move the lids with them. A channel at 1 means 0.6 rad sideways, 0.45 rad up
or down.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import N_RIG, RIG_INDEX
from emohead.types import HeadMotion

YAW_AT_ONE = 0.6
"""Radians."""
PITCH_AT_ONE = 0.45
"""Radians."""

# Per eye (left, right): the channels of yaw > 0 (to the subject's left), yaw < 0, pitch > 0 (down), pitch < 0.
_CHANNELS = torch.tensor(
    [
        [RIG_INDEX[name] for name in ("eyeLookOutLeft", "eyeLookInLeft", "eyeLookDownLeft", "eyeLookUpLeft")],
        [RIG_INDEX[name] for name in ("eyeLookInRight", "eyeLookOutRight", "eyeLookDownRight", "eyeLookUpRight")],
    ]
)


def gaze_to_rig(gaze: Float[Tensor, "*T 2 2"]) -> Float[Tensor, "*T 52"]:
    """The eyeLook* channels (0..1) of a gaze per eye (left, right): (yaw, pitch) in radians; all other channels are zero."""
    yaw, pitch = gaze[..., 0] / YAW_AT_ONE, gaze[..., 1] / PITCH_AT_ONE
    looks = torch.stack([yaw, -yaw, pitch, -pitch], -1).clamp(0.0, 1.0)  # [*T, 2, 4]
    rig = gaze.new_zeros(*gaze.shape[:-2], N_RIG)
    return rig.index_copy(-1, _CHANNELS.flatten().to(gaze.device), looks.flatten(-2))


def rig_to_gaze(rig: Float[Tensor, "*T 52"]) -> Float[Tensor, "*T 2 2"]:
    """The gaze per eye (left, right): (yaw, pitch) in radians that the eyeLook* channels of `rig` mean."""
    left, right, down, up = rig[..., _CHANNELS.to(rig.device)].unbind(-1)
    return torch.stack([(left - right) * YAW_AT_ONE, (down - up) * PITCH_AT_ONE], -1)


def with_gaze(motion: HeadMotion, gaze: Float[Tensor, "T 2 2"]) -> HeadMotion:
    """The same motion looking elsewhere: eyeballs and lids together."""
    channels = _CHANNELS.flatten().to(motion.rig.device)
    rig = motion.rig.index_copy(-1, channels, gaze_to_rig(gaze)[..., channels])
    return replace(motion, rig=rig, gaze=gaze)
