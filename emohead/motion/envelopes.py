"""How an expression comes and goes: minimum-jerk onset, a living apex, a slower offset; and the slow noise of a face at rest."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def minimum_jerk(progress: Float[Tensor, "*T"]) -> Float[Tensor, "*T"]:
    """The smoothest way from 0 to 1: 10 s^3 - 15 s^4 + 6 s^5 (Flash & Hogan 1985); `progress` beyond 0..1 is held."""
    s = progress.clamp(0.0, 1.0)
    return s**3 * (10.0 - 15.0 * s + 6.0 * s**2)


def pulse(times: Float[Tensor, " T"], *, start: float, rise: float, hold: float, fall: float) -> Float[Tensor, " T"]:
    """0 before `start`, 1 from `start + rise` for `hold` seconds, then back to 0 in `fall` seconds."""
    up = minimum_jerk((times - start) / rise)
    down = minimum_jerk((times - start - rise - hold) / fall)
    return up * (1.0 - down)


def add_pulse(track: Float[Tensor, " T"], fps: float, *, amount: float, start: float, rise: float, hold: float, fall: float) -> None:
    """Add `amount` times a pulse to `track` in place; only the frames that it touches are visited."""
    first, last = max(0, int(start * fps)), min(track.shape[0], int((start + rise + hold + fall) * fps) + 2)
    if first < last:
        times = (torch.arange(first, last, dtype=torch.float64) + 0.5) / fps
        track[first:last] += (amount * pulse(times, start=start, rise=rise, hold=hold, fall=fall)).to(track)


def glide(
    times: Float[Tensor, " T"], starts: Float[Tensor, " K"], durations: Float[Tensor, " K"], targets: Float[Tensor, "L D"]
) -> Float[Tensor, "T D"]:
    """A track that rests at `targets[0]` and moves to `targets[k + 1]` from `starts[k]` on, in `durations[k]` seconds (L = K + 1).

    Starts increase and no movement begins before the last one has ended.
    """
    if starts.shape[0] == 0:
        return targets[:1].expand(times.shape[0], -1).clone()
    step = torch.searchsorted(starts, times, right=True)
    last = (step - 1).clamp(min=0)
    progress = torch.where(step > 0, (times - starts[last]) / durations[last], torch.ones_like(times))
    before = targets[last]
    return before + torch.where(step > 0, minimum_jerk(progress), torch.zeros_like(times))[:, None] * (targets[step] - before)


def wander(n_frames: int, fps: float, *, time_constant: float, generator: torch.Generator, columns: int = 1) -> Float[Tensor, "T D"]:
    """Ornstein-Uhlenbeck noise of unit variance that forgets itself in `time_constant` seconds, smoothed of its corners.

    The exact discretisation, x' = r x + sqrt(1 - r^2) n with r = exp(-dt / tau), is run twice in cascade: one pass alone has
    infinite velocity variance and would look like trembling.
    """
    keep = math.exp(-1.0 / (fps * time_constant / 2.0))
    noise = torch.randn(n_frames, columns, generator=generator, dtype=torch.float64)
    first = _recursive(noise * math.sqrt(1 - keep**2), keep, start=torch.randn(columns, generator=generator, dtype=torch.float64))
    second = _recursive(first * (1 - keep), keep, start=torch.zeros(columns, dtype=torch.float64))
    # Variance of the cascade: (1 - r)^2 (1 + r^2) / (1 - r^2)^2.
    return (second / math.sqrt((1 + keep**2) / (1 + keep) ** 2)).float()


def _recursive(values: Float[Tensor, "T D"], keep: float, *, start: Float[Tensor, " D"]) -> Float[Tensor, "T D"]:
    """x_t = keep x_{t-1} + values_t."""
    # scipy.signal takes most of a second to import; whoever makes no motion does not wait for it.
    from scipy.signal import lfilter

    filtered, _ = lfilter([1.0], [1.0, -keep], values.numpy(), axis=0, zi=(keep * start).numpy()[None])
    return torch.from_numpy(filtered)
