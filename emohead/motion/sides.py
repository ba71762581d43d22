"""What is asked of one side of a face, made exact in a motion.

The denoiser learns how much of an action unit is asked better than of which side: most faces that it sees do the same on both. So the
difference between the sides is set in its prediction of the clean motion wherever the request has one; their mean stays what was predicted.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from emohead.channels import N_AU, RIG_INDEX, other_side
from emohead.head.action_units import au_to_rig
from emohead.motion.vector import INDEX, RIG_CHANNELS, MotionScale

_SURE = 0.1
"""Asked difference of a channel from which its sides are set; less sets them in part."""
_LEFT = [name for name in RIG_CHANNELS if name.endswith("Left")]
_COLUMNS = torch.tensor([[INDEX[name] for name in _LEFT], [INDEX[other_side(name)] for name in _LEFT]])
_RIG_COLUMNS = torch.tensor([[RIG_INDEX[name] for name in _LEFT], [RIG_INDEX[other_side(name)] for name in _LEFT]])


@dataclass(frozen=True)
class AskedSides:
    """Differences between the sides that a request asks for, a column for each of the pairs of channels."""

    difference: Float[Tensor, "B T K"]
    """Left less right, coefficients."""
    share: Float[Tensor, "B T K"]
    """How far it is to be met, 0..1."""

    @classmethod
    def of(cls, prompt: Float[Tensor, "B N P"], n_frames: int) -> "AskedSides | None":
        """Of a prompt as networks are given it (`data.motion_corpus.prompt_columns`); None where both sides are asked alike throughout."""
        rig = au_to_rig(prompt[..., :N_AU].flatten(0, 1)).unflatten(0, prompt.shape[:2])
        difference = rig[..., _RIG_COLUMNS[0]] - rig[..., _RIG_COLUMNS[1]]
        if not bool((difference.abs() > 1e-4).any()):
            return None
        difference = interpolate(difference.mT, size=n_frames, mode="linear", align_corners=False).mT
        return cls(difference, (difference.abs() / _SURE).clamp(max=1.0))

    def set_in(self, scaled: Float[Tensor, "B T M"], scale: MotionScale) -> Float[Tensor, "B T M"]:
        """A scaled motion with these differences."""
        motion = scale.grow(scaled)
        left, right = motion[..., _COLUMNS[0]], motion[..., _COLUMNS[1]]
        missing = 0.5 * self.share * (self.difference - (left - right))
        motion[..., _COLUMNS[0]], motion[..., _COLUMNS[1]] = left + missing, right - missing
        return scale.shrink(motion)
