"""What is asked of a face, made exact in a motion: its sides, what brows, eyes, cheeks and nose do, and the mouth while nobody speaks.

The denoiser learns that something is asked better than of which side, or quite how much: most faces that it sees do the same on both, and
its prediction is a mean. So in its prediction of the clean motion the difference between the sides is set wherever the request has one
(their mean stays what was predicted), and a channel of the upper face whose own action unit is asked for is set to what was asked, as the
rule engine does it. A mouth that speaks is left to the network, which knows what speech needs of it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from emohead.channels import N_AU, RIG_INDEX, other_side
from emohead.head.action_units import au_to_rig
from emohead.motion.diffusion_loss import concerned_channels
from emohead.motion.vector import CHANNELS, INDEX, RIG_CHANNELS, MotionScale, group_of

_SURE = 0.1
"""Asked difference of a channel from which its sides are set; less sets them in part."""
_LEFT = [name for name in RIG_CHANNELS if name.endswith("Left")]
_COLUMNS = torch.tensor([[INDEX[name] for name in _LEFT], [INDEX[other_side(name)] for name in _LEFT]])
_RIG_COLUMNS = torch.tensor([[RIG_INDEX[name] for name in _LEFT], [RIG_INDEX[other_side(name)] for name in _LEFT]])
_RIG = torch.tensor([RIG_INDEX[name] for name in RIG_CHANNELS])
_CONCERNED = concerned_channels()
_IS_FACE = torch.tensor([float(group_of(name) in ("upper", "mouth")) for name in CHANNELS])
_IS_MOUTH = torch.tensor([float(group_of(name) == "mouth") for name in RIG_CHANNELS])
_EFFECT = au_to_rig(torch.eye(N_AU))[:, _RIG]
_OWN = (0.6 * _EFFECT.amax(1, keepdim=True) < _EFFECT).float()
"""`[A, R]`, 1 where a channel belongs to an action unit; others are moved by it in passing."""


@dataclass(frozen=True)
class Asked:
    """What a request asks of a motion's channels, frame by frame."""

    face: Float[Tensor, "B T R"]
    """Coefficients that the asked action units alone would give."""
    weight: Float[Tensor, "B T R"]
    """How far each of them is to be met exactly, 0..1: the weight of the request for its own action unit; none for a mouth that speaks."""
    least: Float[Tensor, "B T R"]
    """What is at least met, also of what others do in passing."""
    others: Float[Tensor, "B T M"]
    """1 for channels of the face that nothing asked moves on either side, which do what they would do unasked; 0 for all others."""
    difference: Float[Tensor, "B T K"]
    """Left less right, coefficients, a column for each of the pairs of channels."""
    share: Float[Tensor, "B T K"]
    """How far the difference is to be met, 0..1."""

    @classmethod
    def of(cls, prompt: Float[Tensor, "B N P"], n_frames: int, talking: Float[Tensor, "B N"] | None = None) -> "Asked | None":
        """What is asked, or None where no action unit is.

        Args:
            prompt: as networks are given it (`data.motion_corpus.prompt_columns`).
            n_frames: twice as many as the prompt has.
            talking: how far somebody speaks, 0..1; None is nobody.
        """
        if not bool((prompt[..., : 2 * N_AU] > 0).any()):
            return None
        rig = au_to_rig(prompt[..., :N_AU].flatten(0, 1)).unflatten(0, prompt.shape[:2])
        asked = prompt[..., N_AU : 2 * N_AU]
        free = torch.ones_like(rig[..., _RIG]) if talking is None else 1.0 - talking[..., None] * _IS_MOUTH
        weight, others = (asked[..., None] * _OWN).amax(-2) * free, (1.0 - asked @ _CONCERNED).clamp(min=0.0) * _IS_FACE
        tracks = rig, weight, rig[..., _RIG] * free, others
        rig, weight, least, others = (interpolate(track.mT, size=n_frames, mode="linear", align_corners=False).mT for track in tracks)
        difference = rig[..., _RIG_COLUMNS[0]] - rig[..., _RIG_COLUMNS[1]]
        return cls(rig[..., _RIG], weight, least, others, difference, (difference.abs() / _SURE).clamp(max=1.0))

    def set_in(self, scaled: Float[Tensor, "B T M"], scale: MotionScale) -> Float[Tensor, "B T M"]:
        """A scaled motion that shows it."""
        motion = scale.grow(scaled)
        left, right = motion[..., _COLUMNS[0]], motion[..., _COLUMNS[1]]
        missing = 0.5 * self.share * (self.difference - (left - right))
        motion[..., _COLUMNS[0]], motion[..., _COLUMNS[1]] = left + missing, right - missing
        face = motion[..., : len(RIG_CHANNELS)]
        motion[..., : len(RIG_CHANNELS)] = torch.maximum(torch.lerp(face, self.face, self.weight), self.least)
        return scale.shrink(motion)
