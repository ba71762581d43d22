"""Which format a motion file's name asks for, and the protocol of the formats."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emohead.errors import InputError
from emohead.export.arkit_csv import read_arkit_csv, write_arkit_csv
from emohead.export.motion_npz import read_motion_npz, write_motion_npz
from emohead.export.openface_csv import read_openface_csv, write_openface_csv
from emohead.types import AUTrack, HeadMotion


@dataclass(frozen=True)
class MotionFormat:
    """One way to store a motion."""

    title: str
    """What it is called."""
    write: Callable[[str | Path, HeadMotion], None]
    """Writes a motion; the file appears when it is whole."""
    read: Callable[[str | Path], HeadMotion | AUTrack]
    """Reads it back, as far as the format can hold it; InputError names what is wrong."""


MOTION_FORMATS: dict[str, MotionFormat] = {
    ".au.csv": MotionFormat("OpenFace-style action units", write_openface_csv, read_openface_csv),
    ".csv": MotionFormat("Live Link Face (ARKit) recording", write_arkit_csv, read_arkit_csv),
    ".npz": MotionFormat("EmoHead motion", write_motion_npz, read_motion_npz),
}
"""By suffix; the longest that fits wins."""


def read_motion(path: str | Path) -> HeadMotion:
    """Any motion file that holds what a whole head does: .npz, or .csv of Live Link Face.

    Raises:
        InputError: another format, or a file that cannot be used.
    """
    chosen = motion_format(path)
    motion = chosen.read(path)
    if not isinstance(motion, HeadMotion):
        raise InputError(f"{path}: {chosen.title} are not a whole motion; give an .npz file or a Live Link Face .csv")
    return motion


def motion_format(path: str | Path) -> MotionFormat:
    """The format that the name of `path` asks for.

    Raises:
        InputError: the suffix is none of `MOTION_FORMATS`.
    """
    name = Path(path).name.lower()
    for suffix, chosen in MOTION_FORMATS.items():
        if name.endswith(suffix):
            return chosen
    raise InputError(f"{path}: motion files end in {', '.join(MOTION_FORMATS)}; give one of these")
