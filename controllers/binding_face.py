"""What a face shows, as numbers: action units over a stretch of time, the same for tracked people, generated motion and prompts."""

import torch
from jaxtyping import Float
from torch import Tensor

from controllers.expression import Expression
from emohead.channels import AU_INDEX, AU_NAMES, RIG_INDEX, other_side
from emohead.errors import InputError
from emohead.head.action_units import rig_to_au
from emohead.types import AUTrack, HeadMotion

LOOK_RATE = 6.25
"""Frames per second that are looked at."""
LEAST_SECONDS = 0.5
_LEFT = [AU_INDEX[name] for name in AU_NAMES if name.endswith("L")]
_RIGHT = [AU_INDEX[other_side(AU_NAMES[column])] for column in _LEFT]
_CENTRE = [column for column, name in enumerate(AU_NAMES) if name[-1] not in "LR"]
_BLINKS, _BLINK = [RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"]], 0.5
"""Channels of the lids, and how far both are closed in a blink."""
_QUANTILES = (0.1, 0.5, 0.9)
N_UNITS = len(_LEFT) + len(_CENTRE)
N_FACE = (len(_QUANTILES) + 1) * N_UNITS + len(_LEFT) + 8
"""Numbers that describe a stretch of a face (`F`)."""
N_EXPRESSION = N_UNITS + len(_LEFT) + 4
"""Numbers that describe an expression (`L`)."""
_ANGLE = 5.0
"""Factor that brings radians to the size of intensities."""


def face_of_motion(motion: HeadMotion) -> AUTrack:
    """The action units, gaze and head of a motion at `LOOK_RATE`, without its blinks."""
    step = max(1, round(motion.fps / LOOK_RATE))
    closed = motion.rig[:, _BLINKS].amin(1) > _BLINK
    # Frames around a blink are left out, unless that leaves too few: lids that stay closed are an expression.
    shut = torch.nn.functional.max_pool1d(closed[None, None].float(), 2 * step + 1, 1, step)[0, 0] > 0
    seen = motion.frames(step // 2, motion.n_frames) if motion.n_frames > step else motion
    kept = ~shut[motion.n_frames - seen.n_frames :][::step]
    kept = kept if int(kept.sum()) >= 0.5 * len(kept) else torch.ones_like(kept)
    intensity = rig_to_au(seen.rig[::step][kept]).float()
    ones = torch.ones_like(intensity)
    gaze, head = seen.gaze.mean(1)[::step][kept].float(), seen.head_rotation[::step][kept].float()
    return AUTrack(motion.fps / step, intensity, ones, gaze, head, torch.ones(len(ones), 2))


def face_statistics(track: AUTrack) -> Float[Tensor, " F"]:
    """Quantiles and means of each action unit (both sides alike), differences of the sides, and gaze and head, over a whole track.

    What an AUTrack does not ask for counts as at rest. A face and its mirror image have the same numbers.

    Raises:
        InputError: shorter than half a second, or values that are not numbers.
    """
    if track.n_frames / track.fps < LEAST_SECONDS or track.n_frames < 3:
        raise InputError(
            f"a face of {track.n_frames / track.fps:.2f} s is too short to read an expression from; give {LEAST_SECONDS} s or more"
        )
    shown = track.intensity * track.weight
    pose = torch.cat([track.gaze * track.pose_weight[:, :1], track.head_rotation * track.pose_weight[:, 1:]], 1)
    if not bool(torch.isfinite(shown).all() and torch.isfinite(pose).all()):
        raise InputError("the motion has values that are not numbers; write it again")
    return statistics(shown[None].float(), pose[None].float())[0]


def statistics(shown: Float[Tensor, "B T A"], pose: Float[Tensor, "B T 5"]) -> Float[Tensor, "B F"]:
    """The same of many stretches of one length: intensities, and gaze (yaw, pitch) with head rotation in radians."""
    left, right, centre = shown[..., _LEFT], shown[..., _RIGHT], shown[..., _CENTRE]
    units = torch.cat([(left + right) / 2, centre], 2)  # [B, T, N_UNITS]
    quantiles = torch.quantile(units, torch.tensor(_QUANTILES), dim=1)
    sides = (left - right).mean(1).abs()
    turned = pose * _ANGLE
    # Which way a face looks or turns to the side says nothing; up and down do.
    level = torch.stack([turned[..., 0].abs(), turned[..., 1], turned[..., 2], turned[..., 3].abs(), turned[..., 4].abs()], 2)
    posed = torch.cat([level.mean(1), turned[..., 2:].std(1)], 1)
    return torch.cat([*quantiles, units.mean(1), sides, posed], 1)


def expression_values(expression: Expression) -> Float[Tensor, " L"]:
    """An expression of the tables as numbers, both sides alike."""
    values = torch.zeros(len(AU_NAMES))
    for name, value in expression.au.items():
        values[AU_INDEX[name]] = value
    left, right = values[_LEFT], values[_RIGHT]
    yaw, pitch = expression.gaze or (0.0, 0.0)
    down, turn, _ = expression.head or (0.0, 0.0, 0.0)
    pose = _ANGLE * torch.tensor([abs(yaw), pitch, down, abs(turn)])
    return torch.cat([(left + right) / 2, values[_CENTRE], (left - right).abs(), pose])
