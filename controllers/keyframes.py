"""Curves of action units, gaze and head: keys in time that are joined without overshoot, or a recording of a face."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from controllers.blend import masked
from controllers.envelopes import ONSET
from controllers.expression import UPPER_CHANNELS
from emohead.channels import AU_INDEX
from emohead.motion.articulation import frame_times, sample
from emohead.types import AUTrack

POSE_CURVES = ("gaze_yaw", "gaze_pitch", "head_pitch", "head_yaw", "head_roll")
"""Curves beside those of `channels.AU_NAMES`, radians."""


@dataclass(frozen=True)
class Curve:
    """One channel over time."""

    name: str
    """A name of `channels.AU_NAMES` or of `POSE_CURVES`."""
    times: tuple[float, ...]
    """Seconds, rising."""
    values: tuple[float | None, ...]
    """Intensity 0..1 or radians at these times; None lets the channel go."""

    def at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value and weight at times in seconds: before the first key as there, after the last as there."""
        keys = [(time, value) for time, value in zip(self.times, self.values, strict=True) if value is not None]
        weights = [float(value is not None) for value in self.values]
        return _joined([time for time, _ in keys], [value for _, value in keys], times), _joined(self.times, weights, times)


@dataclass(frozen=True)
class Keyframes:
    """Performs curves; every curve asks for its channel wherever it was not let go."""

    curves: tuple[Curve, ...]
    """At most one of a name."""

    @property
    def end(self) -> float:
        """Seconds of the last key."""
        return max((curve.times[-1] for curve in self.curves), default=0.0)

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """The track of the curves, each joined by monotone cubics (Fritsch & Carlson 1980), which never leave the range of their keys."""
        track = AUTrack.neutral(n_frames, fps)
        times = np.arange(n_frames) / fps
        for curve in self.curves:
            value, weight = (torch.from_numpy(values).float() for values in curve.at(times))
            if curve.name in AU_INDEX:
                track.intensity[:, AU_INDEX[curve.name]] = value.clamp(0.0, 1.0)
                track.weight[:, AU_INDEX[curve.name]] = weight.clamp(0.0, 1.0)
                continue
            place = POSE_CURVES.index(curve.name)
            column = 0 if place < 2 else 1
            (track.gaze if place < 2 else track.head_rotation)[:, place if place < 2 else place - 2] = value
            track.pose_weight[:, column] = torch.maximum(track.pose_weight[:, column], weight.clamp(0.0, 1.0))
        return track


@dataclass(frozen=True)
class Recording:
    """Performs a face that was recorded: it starts with the clip, and lets go where the recording ends before it."""

    track: AUTrack
    """At the recording's own rate."""

    @property
    def end(self) -> float:
        """Seconds that it lasts."""
        return self.track.n_frames / self.track.fps

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """The recording at another rate and length."""
        times = frame_times(n_frames, fps)

        def read(values: Float[Tensor, "T D"]) -> Float[Tensor, "U D"]:
            return sample(values, self.track.fps, times).float()

        own = self.track
        read_again = AUTrack(fps, *(read(v) for v in (own.intensity, own.weight, own.gaze, own.head_rotation, own.pose_weight)))
        return masked(read_again, end=self.end - ONSET) if self.end < (n_frames - 0.5) / fps else read_again


@dataclass(frozen=True)
class KeyframeController:
    """Keyframes or a recording as a controller."""

    source: Keyframes | Recording
    """What is performed."""
    upper: bool = False
    """Only brows, eyes and cheeks, gaze and head: the mouth is left to the speech."""

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """The track, with weight where there are keys."""
        track = self.source(n_frames, fps)
        track = masked(track, channels=UPPER_CHANNELS) if self.upper else track
        # What is not asked for has no value either.
        return replace(track, intensity=track.intensity * (track.weight > 0))


def _joined(times: Sequence[float], values: Sequence[float], at: np.ndarray) -> np.ndarray:
    if not len(times) or not len(at):
        return np.zeros(len(at))
    if len(times) == 1:
        return np.full(len(at), values[0])
    # scipy.interpolate takes half a second to import; only keyframes wait for it.
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(times, values)(at.clip(times[0], times[-1]))
