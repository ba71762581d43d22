"""Do head and voice keep time? Beats of a head's movement against beats of the voice."""

from collections.abc import Sequence

import torch

from emohead.motion.articulation import INNER_FPS, smooth
from emohead.motion.prosody import loudness
from emohead.types import HeadMotion, Waveform

BEAT_WIDTH = 0.12
"""Seconds (3 frames at 25 fps): how far apart two beats may be and still count as one, as a standard deviation."""
SMOOTHING = 0.08
"""Seconds of smoothing of the head's speed, so that trembling makes no beats."""
STRESS_SPACING, STRESS_SMOOTHING = 0.4, 0.05
"""Seconds between two stressed syllables at least, and of smoothing of the loudness."""
LEAST_TURN_DEG = 3.0
"""Degrees per second between two beats: slower drift has no beats."""


def head_beats(motion: HeadMotion, *, smoothing: float = SMOOTHING) -> list[float]:
    """Times (s) at which the head halts or reverses: minima of its angular speed after it has moved at `LEAST_TURN_DEG` per second."""
    if motion.n_frames < 3:
        return []
    turning = smooth(torch.rad2deg(motion.head_rotation), motion.fps, smoothing)
    speed = (turning.diff(dim=0) * motion.fps).norm(dim=1).tolist()
    beats, fastest = [], 0.0
    for frame in range(1, len(speed) - 1):
        fastest = max(fastest, speed[frame])
        if speed[frame] <= speed[frame - 1] and speed[frame] < speed[frame + 1] and fastest > LEAST_TURN_DEG:
            beats.append((frame + 1) / motion.fps)
            fastest = 0.0
    return beats


def voice_beats(audio: Waveform) -> list[float]:
    """Times (s) of a voice's stressed syllables: the loudest moments within `STRESS_SPACING` that are louder than most of the clip.

    Pitch and phones are not used: the accents that make the rule engine nod (`motion.prosody`) must not judge it.
    """
    n_frames = max(1, int(audio.duration * INNER_FPS))
    level = smooth(loudness(audio, n_frames, torch.ones(n_frames))[:, None], INNER_FPS, STRESS_SMOOTHING)[:, 0]
    reach = round(STRESS_SPACING / 2 * INNER_FPS)
    around = torch.nn.functional.max_pool1d(level[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0]
    loud = level > level.quantile(0.6) + 1e-3
    return [(frame + 0.5) / INNER_FPS for frame in ((level >= around) & loud).nonzero()[:, 0].tolist()]


def beat_alignment(found: Sequence[float], wanted: Sequence[float], *, width: float = BEAT_WIDTH) -> float:
    """BA, 0..1: mean over `found` of exp(-d^2 / 2 width^2), d the distance (s) to the nearest of `wanted`; NaN where either is empty.

    Li et al. 2021 (AI Choreographer, equation 4), with the head's beats as `found` and the voice's as `wanted`; SadTalker uses the
    same form. Beats by chance already score something: read it beside shuffled audio.
    """
    if not found or not wanted:
        return float("nan")
    distance = (torch.tensor(list(found))[:, None] - torch.tensor(list(wanted))[None]).abs().amin(1)
    return float(torch.exp(-distance.square() / (2 * width**2)).mean())
