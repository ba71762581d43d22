"""How much a generator moves and how differently it speaks the same words twice."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import RIG_NAMES
from emohead.errors import InputError
from emohead.head.action_units import CHANNELS, rig_to_au
from emohead.types import HeadMotion

_MOUTH = tuple(index for index, name in enumerate(RIG_NAMES) if name.startswith(("mouth", "jaw", "tongue")))
_UPPER = tuple(
    index for index, name in enumerate(RIG_NAMES) if name.startswith(("brow", "cheek", "nose", "eyeSquint", "eyeWide", "eyeBlink"))
)
GROUPS: tuple[str, ...] = ("mouth", "upper", "head", "gaze")
"""Parts of a motion that are told apart: mouth and jaw channels; brows, lids, cheeks and nose; head angles; eye angles."""
UPPER_REGIONS = ("brow", "eye", "nose", "cheek")
"""Regions of `head.au_table` whose action units speech leaves alone."""


def group_values(motion: HeadMotion, group: str) -> Float[Tensor, "T D"]:
    """The columns of a group of `GROUPS`: rig coefficients 0..1, or degrees.

    Raises:
        InputError: no such group.
    """
    if group == "mouth":
        return motion.rig[:, list(_MOUTH)]
    if group == "upper":
        return motion.rig[:, list(_UPPER)]
    if group == "head":
        return torch.rad2deg(motion.head_rotation)
    if group == "gaze":
        return torch.rad2deg(motion.gaze).flatten(1)
    raise InputError(f"unknown group {group!r}; use one of {', '.join(GROUPS)}")


def diversity(takes: Sequence[HeadMotion], group: str) -> float:
    """Mean distance of all pairs of takes of one audio: root mean square over frames and channels of their difference, in the group's unit.

    The form of FaceDiffuser's diversity (Stan et al. 2023, section 5.1) on channels instead of vertices; 0 = the seed changes nothing.

    Raises:
        InputError: fewer than two takes, or takes of different length.
    """
    if len(takes) < 2 or len({take.n_frames for take in takes}) > 1:
        raise InputError(f"diversity needs at least two takes of one length, got lengths {[take.n_frames for take in takes]}")
    values = torch.stack([group_values(take, group) for take in takes])
    pairs = torch.combinations(torch.arange(len(takes)))
    return float((values[pairs[:, 0]] - values[pairs[:, 1]]).square().mean((1, 2)).sqrt().mean())


def au_std(motion: HeadMotion, *, upper_only: bool = False) -> float:
    """AU-std: standard deviation over time of each action unit that the rig shows (0..1), mean over units.

    Args:
        motion: what the head does.
        upper_only: only brows, eyes, nose and cheeks, which speech alone would leave at rest.
    """
    columns = [index for index, channel in enumerate(CHANNELS) if not upper_only or channel.unit.region in UPPER_REGIONS]
    return float(rig_to_au(motion.rig)[:, columns].std(0, correction=0).mean())


def std_ratio(generated: Sequence[HeadMotion], true: Sequence[HeadMotion], group: str) -> float:
    """Spread over time within clips against the truth's: root of the ratio of variances, summed over a group's channels and all clips.

    The within-clip variance ratio of the field, as a standard deviation; 1 = as lively as the truth, NaN for a still truth.
    """
    made, real = (sum(float(group_values(clip, group).var(0, correction=0).sum()) for clip in clips) for clips in (generated, true))
    return math.sqrt(made / real) if real > 1e-12 else math.nan
