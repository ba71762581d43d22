"""Gaze angles and the rig's eyeLook* channels: the one conversion between them, both ways, and how lids follow the eyes.

Per eye: yaw to the subject's left and pitch down are positive. The left eye's "out" is the subject's left, the right eye's "in" is.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import N_RIG, RIG_INDEX

FULL_YAW, FULL_PITCH = 0.6, 0.45
"""Radians at which eyeLookIn/Out and eyeLookUp/Down are 1."""
LID_DOWN, LID_UP = 0.25, 0.15
"""How much eyeBlink follows a look down and eyeWide a look up: the lid rides on the eyeball."""

# For each eye: the channels of yaw > 0, yaw < 0, pitch > 0, pitch < 0.
_CHANNELS = (
    ("eyeLookOutLeft", "eyeLookInLeft", "eyeLookDownLeft", "eyeLookUpLeft"),
    ("eyeLookInRight", "eyeLookOutRight", "eyeLookDownRight", "eyeLookUpRight"),
)


def gaze_to_rig(gaze: Float[Tensor, "T 2 2"]) -> Float[Tensor, "T R"]:
    """Rig coefficients whose eyeLook* channels equal `gaze` (left, right eye; yaw, pitch in radians); all other channels are 0."""
    rig = gaze.new_zeros(gaze.shape[0], N_RIG)
    for eye, names in enumerate(_CHANNELS):
        yaw, pitch = gaze[:, eye, 0] / FULL_YAW, gaze[:, eye, 1] / FULL_PITCH
        for name, value in zip(names, (yaw, -yaw, pitch, -pitch), strict=True):
            rig[:, RIG_INDEX[name]] = value.clamp(0.0, 1.0)
    return rig


def rig_to_gaze(rig: Float[Tensor, "T R"]) -> Float[Tensor, "T 2 2"]:
    """Gaze per eye (yaw, pitch in radians) that the eyeLook* channels of `rig` stand for."""
    eyes = []
    for names in _CHANNELS:
        left, right, down, up = (rig[:, RIG_INDEX[name]] for name in names)
        eyes.append(torch.stack([(left - right) * FULL_YAW, (down - up) * FULL_PITCH], dim=1))
    return torch.stack(eyes, dim=1)


def lids_follow(rig: Float[Tensor, "T R"]) -> Float[Tensor, "T R"]:
    """The rig with upper lids that ride on the eyeballs: lowered a little by a look down, raised a little by a look up."""
    followed = rig.clone()
    for side in ("Left", "Right"):
        blink, wide = RIG_INDEX[f"eyeBlink{side}"], RIG_INDEX[f"eyeWide{side}"]
        followed[:, blink] = (rig[:, blink] + LID_DOWN * rig[:, RIG_INDEX[f"eyeLookDown{side}"]]).clamp(0.0, 1.0)
        followed[:, wide] = (rig[:, wide] + LID_UP * rig[:, RIG_INDEX[f"eyeLookUp{side}"]]).clamp(0.0, 1.0)
    return followed
