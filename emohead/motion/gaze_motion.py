"""Where the eyes go: saccades between mutual gaze and glances away, with the statistics of Eyes Alive (Lee, Badler & Badler 2002)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.motion.envelopes import glide
from emohead.motion.prosody import Phrase

DIRECTION_SHARES: tuple[float, ...] = (0.155, 0.065, 0.177, 0.074, 0.168, 0.079, 0.204, 0.078)
"""Shares of saccades towards 0, 45, .. 315 degrees (0 = the subject's left, 90 = up)."""
MUTUAL_TALKING, AWAY_TALKING = (3.13, 3.16), (0.93, 0.80)
"""Mean and standard deviation (s) of looking at the listener and away while talking."""
MUTUAL_LISTENING, AWAY_LISTENING = (7.92, 1.57), (0.43, 0.24)
"""The same while silent."""
LARGEST_SACCADE = 27.5
"""Degrees."""
FIXATION = (0.9, 0.5)
"""Mean and standard deviation (s) of a fixation on one point of the listener's face."""
FIXATION_SPREAD = (1.1, 0.7)
"""Standard deviation (degrees, yaw and pitch) of these points."""
SHORTEST_STAY = 0.25
"""Seconds between two saccades at least."""


@dataclass(frozen=True)
class Saccade:
    """One jump of the eyes."""

    start: float
    """Seconds."""
    yaw: float
    """Radians, where the eyes go, against the listener's direction."""
    pitch: float
    """Radians, positive = down."""
    away: bool
    """Whether it leaves the listener."""


@dataclass(frozen=True)
class GazePlan:
    """All saccades of a clip in order; the first is where it starts."""

    saccades: tuple[Saccade, ...]

    @property
    def shifts(self) -> tuple[float, ...]:
        """Times (s) of jumps of more than 10 degrees: blinks and the head go with these."""
        pairs = zip(self.saccades[:-1], self.saccades[1:], strict=True)
        return tuple(b.start for a, b in pairs if math.degrees(math.hypot(b.yaw - a.yaw, b.pitch - a.pitch)) > 10)

    def at(self, times: Float[Tensor, " T"]) -> Float[Tensor, "T 2"]:
        """Direction (yaw, pitch) in radians; a saccade of d degrees takes 25 ms + 2.4 ms per degree."""
        targets = torch.tensor([(saccade.yaw, saccade.pitch) for saccade in self.saccades], dtype=torch.float64)
        starts = torch.tensor([saccade.start for saccade in self.saccades[1:]], dtype=torch.float64)
        durations = 0.025 + 0.0024 * torch.rad2deg(targets.diff(dim=0).norm(dim=1))
        return glide(times, starts, durations, targets).float()


def plan_gaze(duration: float, phrases: tuple[Phrase, ...], *, amplitude: float, away_share: float, generator: torch.Generator) -> GazePlan:
    """Draw the saccades of a clip.

    `amplitude` scales glances away (1 = Eyes Alive); `away_share` scales how often and long they are. A speaker looks away rather at the
    start of a phrase and is back at its end.
    """

    def normal() -> float:
        return float(torch.randn((), generator=generator))

    def stay(mean_std: tuple[float, float]) -> float:
        # Gamma-like by a log-normal of the same mean and spread: positive, many short, few long.
        mean, std = mean_std
        sigma = math.sqrt(math.log(1 + (std / mean) ** 2))
        return max(SHORTEST_STAY, mean * math.exp(sigma * normal() - sigma**2 / 2))

    saccades = [Saccade(0.0, *_face_point(normal(), normal()), away=False)]
    clock, looking, until = 0.0, True, 0.0
    while clock < duration:
        talking = _phrase_at(phrases, clock)
        if clock >= until:
            # Mutual gaze ends, or a glance away does.
            looking = not looking or until == 0.0
            times = (MUTUAL_TALKING, AWAY_TALKING) if talking else (MUTUAL_LISTENING, AWAY_LISTENING)
            length = stay(times[0]) / max(away_share, 1e-3) if looking else stay(times[1]) * min(1.0, away_share)
            if talking and looking and clock - talking.start < 0.5 and clock > 0:
                length *= 0.4
            if talking and not looking:
                length = min(length, max(0.3, talking.end - clock))
            until = clock + length
            if looking:
                saccades.append(Saccade(clock, *_face_point(normal(), normal()), away=False))
            else:
                saccades.append(_glance(clock, amplitude, generator))
        clock = min(until, clock + stay(FIXATION))
        if looking and clock < until:
            saccades.append(Saccade(clock, *_face_point(normal(), normal()), away=False))
    return GazePlan(tuple(saccades[:1] + [saccade for saccade in saccades[1:] if 0.0 < saccade.start < duration]))


def draw_saccade(generator: torch.Generator) -> tuple[float, int]:
    """Magnitude (degrees) and direction (index of DIRECTION_SHARES): d = -6.9 ln(P / 15.7) with P uniform in 0..15 %, at most 27.5."""
    share = max(1e-3, 15.0 * float(torch.rand((), generator=generator)))
    direction = int(torch.multinomial(torch.tensor(DIRECTION_SHARES), 1, generator=generator))
    return min(LARGEST_SACCADE, -6.9 * math.log(share / 15.7)), direction


def _glance(clock: float, amplitude: float, generator: torch.Generator) -> Saccade:
    magnitude, direction = draw_saccade(generator)
    angle, size = direction * math.pi / 4, math.radians(max(4.0, magnitude) * amplitude)
    # Upwards is negative pitch; glances up and down are smaller than sideways in what the lids allow.
    return Saccade(clock, size * math.cos(angle), -0.7 * size * math.sin(angle), away=True)


def _face_point(first: float, second: float) -> tuple[float, float]:
    return math.radians(FIXATION_SPREAD[0]) * first, math.radians(FIXATION_SPREAD[1]) * second


def _phrase_at(phrases: tuple[Phrase, ...], time: float) -> Phrase | None:
    return next((phrase for phrase in phrases if phrase.start - 0.2 <= time <= phrase.end), None)
