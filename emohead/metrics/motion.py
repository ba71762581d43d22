"""Statistics of head motion, to compare with recorded people: spread per channel, blinks, jitter, saccades, stillness, seams.

Reference values: reference tables of BlendVOCA (rig), DiffPoseTalk's and ARTalk's corpora (head), Bentivoglio et al. 1997 (blinks).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.types import HeadMotion

BLINK_ON, BLINK_OFF = 0.6, 0.3
"""A blink begins when both lids pass the first value of eyeBlink above their level and ends below the second."""

MOUTH_COLUMNS = [index for name, index in RIG_INDEX.items() if name.startswith(("mouth", "jaw"))]
"""Rig channels of lips and jaw."""


@dataclass(frozen=True)
class MotionStatistics:
    """What a clip's motion amounts to."""

    jaw_std: float
    """Standard deviation of jawOpen."""
    head_std_deg: tuple[float, float, float]
    """Standard deviation of pitch, yaw and roll within the clip, degrees."""
    blinks_per_minute: float
    mouth_jitter: float
    """`jitter` of the mouth channels."""
    head_jitter_deg: float
    """The same of the head's rotation, degrees."""


def motion_statistics(motion: HeadMotion) -> MotionStatistics:
    """All statistics of one clip."""
    head = torch.rad2deg(motion.head_rotation)
    mouth = motion.rig[:, MOUTH_COLUMNS]
    pitch, yaw, roll = head.std(0, correction=0).tolist()
    return MotionStatistics(
        float(channel_std(motion.rig)[RIG_INDEX["jawOpen"]]), (pitch, yaw, roll), blink_rate(motion), jitter(mouth), jitter(head)
    )


def channel_std(values: Float[Tensor, "T D"]) -> Float[Tensor, " D"]:
    """Standard deviation over time of each column."""
    return values.std(0, correction=0)


def blink_onsets(motion: HeadMotion) -> list[float]:
    """Times (s) at which both lids begin to shut, counted above the clip's usual lid level so that half-closed eyes blink too."""
    lids = motion.rig[:, [RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"]]].amin(1)
    usual = lids.median()
    travel = (lids - usual) / (1 - usual).clamp(min=1e-3)
    onsets, shut = [], False
    for frame, value in enumerate(travel.tolist()):
        if not shut and value > BLINK_ON:
            onsets.append(frame / motion.fps)
        shut = value > (BLINK_OFF if shut else BLINK_ON)
    return onsets


def blink_rate(motion: HeadMotion) -> float:
    """Blinks per minute."""
    return 60.0 * len(blink_onsets(motion)) / (motion.n_frames / motion.fps)


def jitter(values: Float[Tensor, "T D"]) -> float:
    """How much of the movement is trembling: mean size of the third difference against that of the first, over all columns.

    A sinusoid of frequency f at frame rate r has (2 sin(pi f / r))^2: 0.06 for 1 Hz at 25 fps and 4 for alternating frames.
    """
    if values.shape[0] < 4:
        raise InputError(f"jitter needs at least 4 frames, got {values.shape[0]}")
    third, first = values.diff(n=3, dim=0).abs().mean(), values.diff(n=1, dim=0).abs().mean()
    return float(third / first) if first > 1e-9 else 0.0


def silence_std(motion: HeadMotion) -> float:
    """How still the mouth is: standard deviation over time of each mouth and jaw channel, mean over channels; give a clip of silence.

    The limit a face should keep in silence is .01.
    """
    return float(channel_std(motion.rig[:, MOUTH_COLUMNS]).mean())


def joint_ratio(motion: HeadMotion, joints: Sequence[int]) -> float:
    """Frame-to-frame change of the rig at the joints of streamed chunks against that inside them; 1 = no seam is seen.

    Args:
        motion: chunks joined together.
        joints: first frames of the second and all further chunks.

    Raises:
        InputError: no joint, or one that is not inside the motion.
    """
    if not joints or not all(0 < joint < motion.n_frames for joint in joints) or len(set(joints)) > motion.n_frames - 2:
        raise InputError(f"joints must be frames 1..{motion.n_frames - 1} with others between them, got {list(joints)}")
    change = motion.rig.diff(dim=0).abs().mean(1)
    at = torch.zeros(motion.n_frames - 1, dtype=torch.bool)
    at[[joint - 1 for joint in joints]] = True
    return float(change[at].mean() / change[~at].mean().clamp_min(1e-9))


def saccade_directions(gaze: Float[Tensor, "T 2"], *, fps: float, smallest_deg: float = 4.0) -> Float[Tensor, " 8"]:
    """Shares of jumps towards 0, 45, .. 315 degrees (0 = the subject's left, 90 = up), of those larger than `smallest_deg`.

    A saccade is a run of frames in which the eye turns faster than 30 degrees per second (Lee, Badler & Badler 2002 count them so).
    """
    velocity = torch.rad2deg(gaze.diff(dim=0)) * fps
    fast = velocity.norm(dim=1) > 30.0
    edges = torch.diff(torch.nn.functional.pad(fast.int(), (1, 1))).nonzero()[:, 0].tolist()
    counts = torch.zeros(8)
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yaw, pitch = torch.rad2deg(gaze[last] - gaze[first]).tolist()
        if math.hypot(yaw, pitch) >= smallest_deg:
            counts[round(math.atan2(-pitch, yaw) / (math.pi / 4)) % 8] += 1
    return counts / counts.sum().clamp(min=1.0)
