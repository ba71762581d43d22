"""The timing of one performance for another recording of the same words: brows, nods, glances and blinks come with the same syllables.

The two recordings are aligned by what the phone network hears in them (dynamic time warping, Sakoe & Chiba 1978); the performance is then
played at the pace of the other recording. The mouth is better drawn anew, with the rest locked (`motion.editing`).
"""

from typing import no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError
from emohead.motion.articulation import frame_times, sample, smooth
from emohead.types import HeadMotion, PhonePosteriors

_RATE = 25.0
"""Frames per second of the alignment."""
_DETOUR = 0.5
"""Cost of a frame that only one recording goes on by, against exp(-1) likeness."""
_SMOOTHING = 0.08
"""Seconds."""
MAX_SECONDS = 600.0
"""An alignment's memory grows with the square of the length: 225 MB for this one."""


def retimed(motion: HeadMotion, spoken: PhonePosteriors, anew: PhonePosteriors) -> HeadMotion:
    """`motion`, which goes with the recording `spoken`, at the pace of the recording `anew`; as many frames as that lasts.

    Raises:
        InputError: a recording of more than `MAX_SECONDS`.
    """
    n_frames = max(1, round(anew.probabilities.shape[0] / anew.fps * motion.fps))
    times = sample(pace(spoken, anew)[:, None], _RATE, frame_times(n_frames, motion.fps))[:, 0].double()
    fields = {
        name: sample(getattr(motion, name).flatten(1), motion.fps, times).unflatten(1, getattr(motion, name).shape[1:])
        for name in ("rig", "head_rotation", "torso_rotation", "translation", "gaze")
    }
    return HeadMotion(motion.fps, **fields)


def pace(spoken: PhonePosteriors, anew: PhonePosteriors) -> Float[Tensor, " T"]:
    """When (s) in `spoken` what is said in each frame (25 per second) of `anew` is said; never goes back."""
    for heard in (spoken, anew):
        if heard.probabilities.shape[0] > MAX_SECONDS * heard.fps:
            raise InputError(f"recordings of up to {MAX_SECONDS:g} s can be aligned; cut this one")
    first, second = (_pooled(heard) for heard in (spoken, anew))
    unlike = -torch.log((first @ second.T).clamp(min=1e-3))
    place = torch.from_numpy(_warp(unlike.numpy().astype(np.float32), np.float32(_DETOUR))).float()
    steady = torch.linspace(0.0, len(first) - 1.0, len(second))
    even = steady + smooth((place - steady)[:, None], _RATE, _SMOOTHING)[:, 0]  # smoothing a slope would bend its ends
    return (even.cummax(0).values + 0.5) / _RATE


def _pooled(heard: PhonePosteriors) -> Float[Tensor, "T P"]:
    """Phone probabilities at the alignment's rate, whole frames only."""
    n_frames = max(1, round(heard.probabilities.shape[0] / heard.fps * _RATE))
    return torch.nn.functional.adaptive_avg_pool1d(heard.probabilities.T[None], n_frames)[0].T


@numba.njit(cache=True)
@no_type_check
def _warp(unlike, detour):
    """For each column the mean row on the cheapest way from the first cell to the last."""
    n_rows, n_columns = unlike.shape
    cost = np.full((n_rows, n_columns), np.float32(np.inf))
    step = np.zeros((n_rows, n_columns), np.uint8)
    for row in range(n_rows):
        for column in range(n_columns):
            best = np.float32(0.0) if row == 0 and column == 0 else np.float32(np.inf)
            if row > 0 and column > 0:
                best = cost[row - 1, column - 1]
            if row > 0 and cost[row - 1, column] + detour < best:
                best, step[row, column] = cost[row - 1, column] + detour, 1
            if column > 0 and cost[row, column - 1] + detour < best:
                best, step[row, column] = cost[row, column - 1] + detour, 2
            cost[row, column] = best + unlike[row, column]
    total, count = np.zeros(n_columns), np.zeros(n_columns)
    row, column = n_rows - 1, n_columns - 1
    while row >= 0 and column >= 0:
        total[column] += row
        count[column] += 1
        way = step[row, column]
        if way != 2:
            row -= 1
        if way != 1:
            column -= 1
    return total / np.maximum(count, 1)
