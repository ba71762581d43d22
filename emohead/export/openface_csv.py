"""OpenFace's table of action units: frame, timestamp, confidence, success, 17 intensities on its 0-5 scale, 18 presences."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError
from emohead.export.table import numbers, read_rows, write_table
from emohead.head.action_units import OPENFACE_AUS, OPENFACE_SCALE, from_openface, rig_to_au, to_openface
from emohead.types import AUTrack, HeadMotion

INTENSITY_COLUMNS = tuple(f"AU{number:02d}_r" for number in OPENFACE_AUS)
PRESENCE_COLUMNS = tuple(f"AU{number:02d}_c" for number in OPENFACE_AUS)
COLUMNS = ("frame", "timestamp", "confidence", "success", *INTENSITY_COLUMNS, *PRESENCE_COLUMNS)
PRESENT_FROM = 0.1 * OPENFACE_SCALE
"""Intensity from which an action unit counts as present (a FACS trace)."""


def write_openface_csv(path: str | Path, motion: HeadMotion) -> None:
    """Write the action units that `motion` shows, as if OpenFace had watched it with full confidence."""
    write_au_table(path, rig_to_au(motion.rig), fps=motion.fps, confidence=motion.rig.new_ones(motion.n_frames))


def write_au_table(path: str | Path, intensity: Float[Tensor, "T A"], *, fps: float, confidence: Float[Tensor, " T"]) -> None:
    """Write action units as OpenFace's table.

    Args:
        path: the table.
        intensity: 0..1 of the 46 channels.
        fps: frames per second.
        confidence: of each frame, 0..1; 0 means that there is no face (success 0).
    """
    values = to_openface(intensity).cpu().numpy()
    rows = (
        [str(index + 1), f"{index / fps:.6f}", f"{trust:.2f}", str(int(trust > 0)), *(f"{value:.5f}" for value in row)]
        + [str(int(value >= PRESENT_FROM)) for value in row]
        for index, (row, trust) in enumerate(zip(values, confidence.tolist(), strict=True))
    )
    write_table(path, COLUMNS, rows)


def read_openface_csv(path: str | Path) -> AUTrack:
    """Read OpenFace's (or our) table as a track that asks for the 17 action units; frames without success are interpolated.

    Raises:
        InputError: missing columns, cells that are not numbers, no frame with success, uneven or single time stamps, values outside 0..5.
    """
    rows = read_rows(path)
    values = numbers(path, rows, INTENSITY_COLUMNS)
    times = numbers(path, rows, ["timestamp"])[:, 0]
    steps = np.diff(times)
    if len(steps) == 0 or steps.min() <= 0 or steps.max() > 1.5 * np.median(steps):
        raise InputError(f"{path}: its time stamps are not evenly spaced, so the frame rate is unknown; export every frame of one face")
    wild = np.argwhere((values < 0) | (values > OPENFACE_SCALE))
    if len(wild):
        line, column = int(wild[0][0]) + 2, INTENSITY_COLUMNS[wild[0][1]]
        raise InputError(f"{path}, line {line}: {column} is {values[tuple(wild[0])]:g}; intensities go from 0 to {OPENFACE_SCALE:g}")
    good = numbers(path, rows, ["success"])[:, 0] > 0 if "success" in rows[0] else np.ones(len(values), bool)
    if not good.any():
        raise InputError(f"{path}: no frame has success = 1; the face was never found")
    values = np.stack([np.interp(times, times[good], column[good]) for column in values.T], axis=1)
    intensity = from_openface(torch.from_numpy(values).float())
    asked = (from_openface(torch.ones(1, len(OPENFACE_AUS))) > 0).float()
    # Time stamps are rounded, so the rate is no better known than this.
    neutral = AUTrack.neutral(len(values), round(float(len(steps) / (times[-1] - times[0])), 3))
    return AUTrack(neutral.fps, intensity, asked.expand_as(intensity).clone(), neutral.gaze, neutral.head_rotation, neutral.pose_weight)
