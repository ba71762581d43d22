"""Live Link Face's table: Timecode, BlendShapeCount, 52 ARKit coefficients, yaw, pitch and roll of the head and both eyes.

Angles are radians. As the app records them, yaw is positive to the subject's right, pitch downwards, and roll with the top of the head to
the subject's left: yaw and roll have the other sign than in docs/conventions.md. The head's angles are those against the world (torso and
neck together), since the format has one rotation only; translation is not part of it.
"""

import math
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from emohead.channels import RIG_NAMES
from emohead.errors import InputError
from emohead.export.table import numbers, read_rows, write_table
from emohead.types import HeadMotion

SHAPE_COLUMNS = tuple(name[0].upper() + name[1:] for name in RIG_NAMES)
ANGLE_COLUMNS = tuple(f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))
COLUMNS = ("Timecode", "BlendShapeCount", *SHAPE_COLUMNS, *ANGLE_COLUMNS)
_COUNT = str(len(SHAPE_COLUMNS) + len(ANGLE_COLUMNS))
# About +y, then the new x, then the new z: yaw, pitch, roll.
_EULER_ORDER = "YXZ"
# From our signs to the app's and back. In recordings EyeLookOutLeft grows as LeftEyeYaw falls and EyeLookDown as the pitch grows; the
# head's angles go through the same conversion (Unreal Engine's ARKit plug-in, ToBlendShapeMap).
_SIGNS = np.array([-1.0, 1.0, -1.0])


def write_arkit_csv(path: str | Path, motion: HeadMotion) -> None:
    """Write `motion` as a Live Link Face recording."""
    head = Rotation.from_rotvec(motion.torso_rotation.double().cpu().numpy()) * Rotation.from_rotvec(
        motion.head_rotation.double().cpu().numpy()
    )
    gaze = motion.gaze.double().cpu().numpy()
    eyes = np.concatenate([gaze, np.zeros((motion.n_frames, 2, 1))], axis=2)
    # Adding zero spares tables a minus before zero.
    angles = np.concatenate([head.as_euler(_EULER_ORDER)[:, None], eyes], axis=1) * _SIGNS + 0.0
    values = np.concatenate([motion.rig.double().cpu().numpy(), angles.reshape(-1, 9)], axis=1)
    rows = ([timecode(index, motion.fps), _COUNT, *(f"{value:.8g}" for value in row)] for index, row in enumerate(values))
    write_table(path, COLUMNS, rows)


def read_arkit_csv(path: str | Path, *, fps: float | None = None) -> HeadMotion:
    """Read a Live Link Face recording; columns are found by name, missing angles are zero.

    Args:
        path: the table.
        fps: frames per second; None counts the rows of a whole second of time codes.

    Raises:
        InputError: missing columns, cells that are not numbers, coefficients far outside 0..1, time codes that do not tell the rate.
    """
    return motion_of_rows(path, read_rows(path), fps=fps)


def motion_of_rows(path: str | Path, rows: list[list[str]], *, fps: float | None = None) -> HeadMotion:
    """As `read_arkit_csv`, of rows that were read from `path` (the header first)."""
    shapes = numbers(path, rows, SHAPE_COLUMNS)
    wild = np.argwhere((shapes < -0.5) | (shapes > 1.5))
    if len(wild):
        line, column = int(wild[0][0]) + 2, SHAPE_COLUMNS[wild[0][1]]
        raise InputError(f"{path}, line {line}: {column} is {shapes[tuple(wild[0])]:g}; coefficients go from 0 to 1")
    present = {name.lower() for name in rows[0]}
    given = [name for name in ANGLE_COLUMNS if name.lower() in present]
    angles = np.zeros((len(shapes), 3, 3))
    angles.reshape(-1, 9)[:, [ANGLE_COLUMNS.index(name) for name in given]] = numbers(path, rows, given)
    angles *= _SIGNS
    head = Rotation.from_euler(_EULER_ORDER, angles[:, 0]).as_rotvec()
    still = torch.zeros(len(shapes), 3)
    return HeadMotion(
        fps=fps or _rate(path, rows),
        rig=torch.from_numpy(shapes.clip(0.0, 1.0)).float(),
        head_rotation=torch.from_numpy(head).float(),
        torso_rotation=still,
        translation=still.clone(),
        gaze=torch.from_numpy(angles[:, 1:, :2]).float(),
    )


def timecode(index: int, fps: float) -> str:
    """`HH:MM:SS:FF.mmm` of a frame: whole frames since the second began, then thousandths of a frame."""
    seconds = int(index / fps + 1e-9)
    frames = index - seconds * fps
    whole = math.floor(frames + 1e-6)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{whole:02d}.{int(max(0.0, frames - whole) * 1000):03d}"


def _rate(path: str | Path, rows: list[list[str]]) -> float:
    header = [name.lower() for name in rows[0]]
    unknown = f"{path}: its time codes do not tell the frame rate; give fps"
    if "timecode" not in header:
        raise InputError(unknown)
    seconds = [row[header.index("timecode")].rpartition(":")[0] for row in rows[1:]]
    # Only seconds that are surely whole count: neither the first nor the last.
    starts = [index for index in range(1, len(seconds)) if seconds[index] != seconds[index - 1]]
    if len(starts) == 1 and seconds[0] == "00:00:00":
        return float(starts[0])
    if len(starts) < 2:
        raise InputError(unknown)
    return (starts[-1] - starts[0]) / (len(starts) - 1)
