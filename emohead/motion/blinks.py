"""Blinks: when they come (log-normal intervals drawn towards pauses, phrase ends and gaze shifts) and how a lid moves.

Rates: Bentivoglio et al. 1997, Doughty 2001. Shape: asymmetric, fast down and slow up, full closure (Trutoiu et al. 2011).
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import RIG_INDEX
from emohead.head.gaze import with_gaze
from emohead.types import HeadMotion

CLOSING, CLOSED, OPENING = 0.085, 0.030, 0.230
"""Seconds of each phase; the opening ends in a slow tail."""
REFRACTORY = 0.35
"""Seconds between two blinks at least."""
INTERVAL_SIGMA = 0.7
"""Standard deviation of the log of the interval."""
LONGEST_INTERVAL = 3.0
"""Mean intervals after which a blink comes in any case."""
ANCHORED = 0.6
"""Share of blinks that go to a nearby anchor, if there is one."""
ANCHOR_REACH, ANCHOR_SPREAD = 1.0, 0.06
"""Seconds: how far a blink moves to an anchor, and how exactly it meets it."""
DOUBLET = 0.07
"""Probability that a second blink follows at once."""
EYE_YAW_LIMIT, EYE_PITCH_LIMIT = 0.6, 0.45
"""Radians an eye turns at most."""
BLINK_ROLL = (0.018, 0.025)
"""Radians (inwards, down) that the eyeballs move in a blink."""
FOLLOWING = 0.05
"""Part that brows and cheeks take in a blink."""

_LIDS = [RIG_INDEX[name] for name in ("eyeBlinkLeft", "eyeBlinkRight")]
_FOLLOWERS = [RIG_INDEX[name] for name in ("browDownLeft", "browDownRight", "cheekSquintLeft", "cheekSquintRight")]


def blink_times(
    duration: float,
    rate: Float[Tensor, " T"],
    fps: float,
    *,
    anchors: Sequence[float] = (),
    generator: torch.Generator,
) -> list[float]:
    """Onsets (s) of blinks within `duration`, at `rate` per minute (per frame of `fps`)."""

    def uniform() -> float:
        return float(torch.rand((), generator=generator))

    times: list[float] = []
    clock = 0.0
    first = True
    while True:
        here = float(rate[min(int(clock * fps), rate.shape[0] - 1)])
        # The mean of a log-normal is its median times exp(sigma^2 / 2); doublets shorten the mean further.
        median = 60.0 / here * math.exp(-(INTERVAL_SIGMA**2) / 2) * (1 + DOUBLET)
        interval = median * math.exp(INTERVAL_SIGMA * float(torch.randn((), generator=generator)))
        # A clip starts somewhere within an interval, and not a long one.
        interval = min(interval, 60.0 / here) * uniform() if first else min(interval, LONGEST_INTERVAL * 60.0 / here)
        clock += max(REFRACTORY, interval)
        first = False
        nearest = min(anchors, key=lambda anchor: abs(anchor - clock), default=math.inf)
        spread = ANCHOR_SPREAD * float(torch.randn((), generator=generator))
        if uniform() < ANCHORED and abs(nearest - clock) < ANCHOR_REACH:
            clock = max(nearest + spread, times[-1] + REFRACTORY if times else 0.0)
        second = clock + REFRACTORY + 0.1 * uniform() if uniform() < DOUBLET else None
        if clock >= duration:
            return times
        times.append(clock)
        if second is not None and second < duration:
            times.append(second)
            clock = second


def lid_closure(times: Float[Tensor, " U"], onsets: Sequence[float], *, slowness: float = 1.0) -> Float[Tensor, " U"]:
    """How far blinks with the given onsets close the lids at `times`, 0..1; `slowness` stretches them (tired eyes: 1.6).

    Down with sin^2, a moment shut, up with (1 - s)^2 (1 + 2 s) of which the last tenth takes twice its time.
    """
    closure = torch.zeros_like(times)
    for onset in onsets:
        age = (times - onset) / slowness
        down = torch.sin(math.pi / 2 * (age / CLOSING).clamp(0.0, 1.0)).square()
        progress = ((age - CLOSING - CLOSED) / (OPENING / 1.1)).clamp(min=0.0)
        s = torch.where(progress < 0.9, progress, 0.9 + (progress - 0.9) / 2).clamp(0.0, 1.0)
        closure = torch.maximum(closure, torch.where(age < CLOSING + CLOSED, down, (1 - s).square() * (1 + 2 * s)))
    return closure


def blink_closure(n_frames: int, fps: float, onsets: Sequence[float], *, slowness: float = 1.0) -> Float[Tensor, " T"]:
    """Lid closure per output frame: the fullest instant within each frame's time, so that every blink is seen to shut."""
    per_frame = 8
    times = (torch.arange(n_frames * per_frame, dtype=torch.float64) + 0.5) / (fps * per_frame)
    reach = (CLOSING + CLOSED + 2 * OPENING) * slowness
    closure = torch.zeros(n_frames * per_frame, dtype=torch.float64)
    for onset in onsets:
        first, last = int(onset * fps * per_frame), int((onset + reach) * fps * per_frame) + 1
        window = slice(max(0, first), min(len(times), last))
        closure[window] = torch.maximum(closure[window], lid_closure(times[window], [onset], slowness=slowness))
    return closure.reshape(n_frames, per_frame).amax(1).float()


def onsets_in(closure: Float[Tensor, " T"], fps: float, *, least: float = 0.4) -> list[float]:
    """Onsets (s) of the blinks in a track of lid closure: its peaks above `least` that are no nearer than `REFRACTORY`."""
    reach = max(1, round(REFRACTORY * fps / 2))
    highest = torch.nn.functional.max_pool1d(closure[None, None].float(), 2 * reach + 1, stride=1, padding=reach)[0, 0]
    peaks = ((closure >= highest) & (closure > least)).nonzero()[:, 0].tolist()
    times = [(peak + 0.5) / fps - CLOSING - CLOSED / 2 for peak in peaks]
    kept: list[float] = []
    for time in times:
        if not kept or time - kept[-1] >= REFRACTORY:
            kept.append(time)
    return kept


def with_blinks(motion: HeadMotion, closure: Float[Tensor, " T"]) -> HeadMotion:
    """The motion with blinks over whatever the lids do: they close, the eyeballs dip a little, brows and cheeks follow."""
    lids = closure.to(motion.rig)[:, None]
    rig = motion.rig.clone()
    rig[:, _LIDS] = rig[:, _LIDS] + (1.0 - rig[:, _LIDS]) * lids
    rig[:, _FOLLOWERS] = (rig[:, _FOLLOWERS] + FOLLOWING * lids).clamp(max=1.0)
    inwards = lids.new_tensor([[-BLINK_ROLL[0], BLINK_ROLL[1]], [BLINK_ROLL[0], BLINK_ROLL[1]]])
    limits = lids.new_tensor([EYE_YAW_LIMIT, EYE_PITCH_LIMIT])
    gaze = (motion.gaze + inwards * lids[..., None]).clamp(-limits, limits)
    return with_gaze(replace(motion, rig=rig), gaze)
