"""Our own motion file: a NumPy archive with every field of `HeadMotion`, its units in docs/conventions.md."""

import zipfile
from pathlib import Path

import numpy as np
import torch

from emohead.archives import DAMAGED_ARRAYS
from emohead.channels import RIG_NAMES
from emohead.errors import InputError
from emohead.output import whole_file
from emohead.types import HeadMotion

FORMAT = "emohead-motion 1"
FIELDS = {"rig": (len(RIG_NAMES),), "head_rotation": (3,), "torso_rotation": (3,), "translation": (3,), "gaze": (2, 2)}
MAX_ARCHIVE_BYTES = 1 << 30


def write_motion_npz(path: str | Path, motion: HeadMotion) -> None:
    """Write `motion` without loss."""
    fields = {name: getattr(motion, name).float().cpu().numpy() for name in FIELDS}
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, format=np.array(FORMAT), fps=np.array(motion.fps), rig_names=np.array(RIG_NAMES), **fields)


def read_motion_npz(path: str | Path) -> HeadMotion:
    """Read a motion file; nothing in it is executed.

    Raises:
        InputError: missing, damaged, foreign, wrong shapes, or values that are not finite.
    """
    stored = _read_arrays(Path(path))
    if str(stored.get("format")) != FORMAT:
        raise InputError(
            f"{path}: not an EmoHead motion file (format {str(stored.get('format', 'missing'))[:40]!r}); write it with animate"
        )
    if stored["rig_names"].tolist() != list(RIG_NAMES):
        raise InputError(f"{path}: its rig channels are not the 52 of this version; write it again with animate")
    n_frames = len(stored["rig"]) if stored["rig"].ndim else 0
    for name, shape in FIELDS.items():
        if stored[name].shape != (n_frames, *shape) or stored[name].dtype.kind != "f":
            raise InputError(f"{path}: {name} must be {[n_frames, *shape]} floats, got {list(stored[name].shape)} {stored[name].dtype}")
        if not np.isfinite(stored[name]).all():
            raise InputError(f"{path}: {name} has values that are NaN or infinite; write the file again")
    fps = float(stored["fps"]) if stored["fps"].shape == () and stored["fps"].dtype.kind in "fiu" else 0.0
    if not 0 < fps <= 1000 or n_frames == 0:
        raise InputError(f"{path}: {n_frames} frames at {fps:g} per second are no motion; write the file again")
    return HeadMotion(fps, **{name: torch.from_numpy(stored[name].astype(np.float32)) for name in FIELDS})


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_ARCHIVE_BYTES:
                raise InputError(f"{path}: unpacks to more than {MAX_ARCHIVE_BYTES >> 30} GB; this is not a motion file")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in ("format", "fps", "rig_names", *FIELDS)}
    except KeyError as error:
        raise InputError(f"{path}: {error.args[0]}; this is not an EmoHead motion file") from error
    except ValueError as error:
        raise InputError(f"{path}: holds something other than plain numbers; this is not an EmoHead motion file") from error
    except DAMAGED_ARRAYS as error:
        raise InputError(f"{path}: not a whole .npz file ({type(error).__name__}); copy or write it again") from error
