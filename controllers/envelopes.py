"""How an expression comes, stays and goes: minimum-jerk ramps and the swell of a sustained mood."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

ONSET = 0.5
"""Seconds that an expression takes to appear (spontaneous smiles take 0.5 to 0.7)."""
OFFSET_RATIO = 1.6
"""Expressions leave this much slower than they come."""
MOOD_HOLD = 0.8
"""A sustained mood rests at this share of its full strength and swells to 1."""
MOOD_PERIOD = 3.3
"""Mean seconds between swells: one to two in five seconds."""
_SWELL_LENGTH, _NOISE_STD, _NOISE_TIME = 1.6, 0.02, 0.6


def minimum_jerk(s: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The smoothest ramp from 0 to 1 over s in 0..1: 10 s^3 - 15 s^4 + 6 s^5 (Flash & Hogan 1985)."""
    s = s.clamp(0.0, 1.0)
    return (s**3 * (10.0 - 15.0 * s + 6.0 * s**2)).clamp(max=1.0)


def asked_weight(envelope: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The weight that goes with an intensity's envelope: it is up before the intensity is, and holds longer."""
    return minimum_jerk(2.0 * envelope)


def mood_level(times: Float[Tensor, " T"], generator: torch.Generator, *, hold: float = MOOD_HOLD) -> Float[Tensor, " T"]:
    """Strength 0..1 over time (seconds from the mood's onset): holds, swells to 1 now and then, never quite still.

    The first swell is the arrival itself; short moods are therefore at full strength.
    """
    level = torch.full_like(times, hold)
    peak, last = 0.7, float(times.max()) if len(times) else 0.0
    while peak - _SWELL_LENGTH <= last:
        bump = torch.cos((times - peak).clamp(-_SWELL_LENGTH, _SWELL_LENGTH) * (math.pi / (2 * _SWELL_LENGTH))) ** 2
        level = torch.maximum(level, hold + (1.0 - hold) * bump)
        peak += MOOD_PERIOD * (0.7 + 0.6 * float(torch.rand((), generator=generator)))
    return (level * (1.0 + _slow_noise(times, generator))).clamp(max=1.0)


def _slow_noise(times: Tensor, generator: torch.Generator) -> Tensor:
    """An Ornstein-Uhlenbeck path (standard deviation 0.02, time constant 0.6 s), drawn at 10 Hz so that it depends on time alone."""
    n_steps = int(float(times.max().clamp(min=0.0)) * 10) + 2 if len(times) else 2
    keep = math.exp(-0.1 / _NOISE_TIME)
    draws = torch.randn(n_steps, generator=generator) * _NOISE_STD * math.sqrt(1.0 - keep**2)
    path = [0.0]
    for draw in draws.tolist():
        path.append(keep * path[-1] + draw)
    position = (times * 10).clamp(0, n_steps - 1)
    index = position.long()
    values = torch.tensor(path)
    return torch.lerp(values[index], values[index + 1], position - index)
