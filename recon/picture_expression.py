"""What one picture tells of its expression: the landmarker's scores, where they can be believed without knowing the face at rest."""

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import RIG_NAMES

_USUAL = 0.25
"""What the landmarker scores on a face at rest in channels that are never quite zero."""
_TOLD = (
    "jawOpen",
    "mouthSmile",
    "mouthUpperUp",
    "mouthLowerDown",
    "eyeBlink",
    "eyeSquint",
    "browInnerUp",
    "browOuterUp",
    "mouthPucker",
    "mouthFunnel",
)
"""Channels (by prefix) that one picture tells well enough to take them off the face."""


def expression(scores: Float[Tensor, "T R"]) -> Float[Tensor, "T R"]:
    """What a picture's scores say of its expression, 0..1: only channels that scores tell well, above what a face at rest scores."""
    told = torch.tensor([name.startswith(_TOLD) for name in RIG_NAMES])
    return ((scores - _USUAL) / (1 - _USUAL)).clamp(0, 1) * told
