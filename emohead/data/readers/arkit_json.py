"""JSON files of ARKit coefficients: `names`, and `frames` each with `weights` and mostly `time`; channels are found by name."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64

from emohead.channels import RIG_INDEX, RIG_NAMES
from emohead.errors import InputError
from emohead.types import HeadMotion

MAX_JSON_BYTES = 512 << 20
STANDARD_RATES = (23.976, 24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 59.94, 60.0, 100.0, 120.0)
"""Frame rates that measured ones are brought to when they are within 0.04 %."""


@dataclass(frozen=True)
class RigTrack:
    """Coefficients as a file has them."""

    motion: HeadMotion
    """At a constant rate; channels that the file lacks are zero."""
    known: tuple[str, ...]
    """Channels of `RIG_NAMES` that the file has."""


def read_arkit_json(path: Path, *, fps: float | None = None) -> RigTrack:
    """Read a file of ARKit coefficients; letter case and order of the names do not matter, 51 without `tongueOut` will do.

    Args:
        path: the file.
        fps: frames per second; None takes it from the frames' times in seconds.

    Raises:
        InputError: not such a file, values that are not finite or far outside 0..1, times that do not rise, no times and no `fps`.
    """
    stored = _load(path)
    names = [str(name) for name in stored["names"]]
    columns = {name.lower(): index for index, name in enumerate(names)}
    known = tuple(name for name in RIG_NAMES if name.lower() in columns)
    missing = [name for name in RIG_NAMES if name not in known and name != "tongueOut"]
    if missing:
        raise InputError(f"{path}: {missing[0]} is not among its {len(names)} channels; is this a file of ARKit coefficients?")
    weights = _weights(path, stored["frames"], len(names))
    values = np.zeros((len(weights), len(RIG_NAMES)))
    values[:, [RIG_INDEX[name] for name in known]] = weights[:, [columns[name.lower()] for name in known]]
    check_coefficients(path, values)
    if fps is None:
        values, fps = at_constant_rate(path, values, _times(path, stored["frames"]))
    return RigTrack(rig_motion(values, fps), known)


def rig_motion(values: Float64[np.ndarray, "T R"] | Float[np.ndarray, "T R"], fps: float) -> HeadMotion:
    """Coefficients alone, on a head that looks straight ahead and stands still."""
    neutral = HeadMotion.neutral(len(values), fps)
    neutral.rig.copy_(torch.from_numpy(values.clip(0.0, 1.0)))
    return neutral


def check_coefficients(path: Path, values: Float64[np.ndarray, "T R"]) -> None:
    """Raise InputError at the first value that is no coefficient."""
    bad = np.argwhere(~np.isfinite(values) | (values < -0.5) | (values > 1.5))
    if len(bad):
        frame, channel = (int(index) for index in bad[0])
        raise InputError(f"{path}, frame {frame}: {RIG_NAMES[channel]} is {values[frame, channel]:g}; coefficients go from 0 to 1")


def at_constant_rate(
    path: Path, values: Float64[np.ndarray, "T D"], times: Float64[np.ndarray, " T"]
) -> tuple[Float64[np.ndarray, "U D"], float]:
    """Frames with times in seconds as frames at the rate of most of them; gaps are filled by interpolation.

    Raises:
        InputError: fewer than two frames, times that do not rise, or a gap above a second.
    """
    steps = np.diff(times)
    if len(times) < 2 or not np.isfinite(times).all() or (steps <= 0).any():
        raise InputError(f"{path}: its frames' times do not rise one by one; correct them or give fps")
    if steps.max() > 1.0:
        frame = int(steps.argmax())
        raise InputError(f"{path}: {steps[frame]:.1f} s are missing after frame {frame}; cut the clip there")
    typical = np.median(steps)
    # Time stamps are rounded: the mean over the regular steps says more than any of them.
    fps = standard_rate(1.0 / steps[np.abs(steps - typical) < 0.25 * typical].mean())
    if len(times) == 1 + round((times[-1] - times[0]) * fps):
        return values, fps
    grid = times[0] + np.arange(1 + int((times[-1] - times[0]) * fps + 1e-6)) / fps
    return np.stack([np.interp(grid, times, column) for column in values.T], axis=1), fps


def standard_rate(fps: float) -> float:
    """The standard rate within 0.04 %, or the number itself."""
    nearest = min(STANDARD_RATES, key=lambda rate: abs(rate - fps))
    return nearest if abs(fps / nearest - 1.0) < 4e-4 else round(float(fps), 4)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise InputError(f"{path}: larger than {MAX_JSON_BYTES >> 20} MB; cut it into parts")
    try:
        stored = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a whole JSON file ({type(error).__name__}); copy it again") from error
    if not isinstance(stored, dict) or not all(isinstance(stored.get(key), list) and stored[key] for key in ("names", "frames")):
        raise InputError(f"{path}: no lists of names and frames in it; is this a file of ARKit coefficients?")
    return stored


def _weights(path: Path, frames: list[Any], width: int) -> Float64[np.ndarray, "T D"]:
    rows = [frame.get("weights") if isinstance(frame, dict) else None for frame in frames]
    try:
        values = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.shape != (len(rows), width):
        raise InputError(f"{path}: not every frame has {width} weights, one per name; export it again")
    return values


def _times(path: Path, frames: list[Any]) -> Float64[np.ndarray, " T"]:
    try:
        return np.array([float(frame["time"]) for frame in frames])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not every frame has a time in seconds; give fps") from error
