"""Where a face is asked to look and how its head is to be held: kept from the network, put on what it draws.

The network saw too few poses to follow them, and it knows that heads turn against eyes that stay on somebody: shown a glance aside, it
turns the head the other way. So it draws how the head moves by itself; the eyes are then turned where they are asked to look, and the head
moves about the asked pose, as in the rule engine.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from emohead.channels import N_AU
from emohead.motion.vector import INDEX

_FIRST = 2 * N_AU
"""The column of a prompt (`data.motion_corpus.prompt_columns`) from which on it holds the pose: gaze, head, the weights of both."""
_N_POSE = 7
_GAZE, _HEAD, _GAZE_WEIGHT = slice(0, 2), slice(2, 5), slice(5, 6)
_GAZE_COLUMNS = [INDEX["gazeYaw"], INDEX["gazePitch"]]
_HEAD_COLUMNS = [INDEX["headPitch"], INDEX["headYaw"], INDEX["headRoll"]]
_LAG = 0.08
"""Seconds of each of the two low-passes that ease a stream's pose: nine tenths of the way in 0.3 s."""


def without_pose(prompt: Float[Tensor, "*T P"]) -> Float[Tensor, "*T P"]:
    """What is asked of the face alone."""
    return torch.cat([prompt[..., :_FIRST], torch.zeros_like(prompt[..., _FIRST:])], -1)


def pose_of(prompt: Float[Tensor, "N P"], n_frames: int) -> Float[Tensor, "T 7"]:
    """What a prompt asks for, frame by frame: gaze (yaw, pitch) times its weight, head (pitch, yaw, roll) likewise, both weights."""
    return interpolate(prompt[:, _FIRST:].mT[None], size=n_frames, mode="linear", align_corners=False)[0].mT


def posed(vectors: Float[Tensor, "T M"], pose: Float[Tensor, "T 7"]) -> Float[Tensor, "T M"]:
    """Motion vectors in natural units that look where they are asked to, the head turned by the asked pose."""
    vectors = vectors.clone()
    vectors[:, _HEAD_COLUMNS] += pose[:, _HEAD]
    vectors[:, _GAZE_COLUMNS] = vectors[:, _GAZE_COLUMNS] * (1.0 - pose[:, _GAZE_WEIGHT]) + pose[:, _GAZE]
    return vectors


def unposed(vectors: Float[Tensor, "T M"], pose: Float[Tensor, "T 7"]) -> Float[Tensor, "T M"]:
    """The same with the head as it moves by itself; where eyes would look by themselves cannot be known."""
    vectors = vectors.clone()
    vectors[:, _HEAD_COLUMNS] -= pose[:, _HEAD]
    return vectors


class EasedPose:
    """The pose of a stream, which is asked for of a sudden and taken without a jerk."""

    def __init__(self):
        self._stages = torch.zeros(2, _N_POSE)

    def toward(self, pose: Float[Tensor, "T 7"], fps: float) -> Float[Tensor, "T 7"]:
        """The next frames on the way to what is asked of them."""
        keep, rows = math.exp(-1.0 / (fps * _LAG)), []
        for target in pose:
            first = keep * self._stages[0] + (1.0 - keep) * target
            self._stages = torch.stack([first, keep * self._stages[1] + (1.0 - keep) * first])
            rows.append(self._stages[1])
        return torch.stack(rows)
