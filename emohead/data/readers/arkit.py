"""Folders of ARKit coefficients of anybody's: JSON as BEAT's or tables with a column per channel, voices beside them."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from emohead.channels import RIG_NAMES
from emohead.data.clip_folder import CorpusClip
from emohead.data.readers.arkit_json import at_constant_rate, check_coefficients, read_arkit_json, rig_motion
from emohead.data.readers.base import (
    AUDIO_SUFFIXES,
    VIDEO_SUFFIXES,
    ClipFile,
    ClipLabels,
    CorpusAbout,
    beside,
    clip_name,
    files_below,
    motion_clip,
    or_explain,
)
from emohead.errors import InputError
from emohead.export.arkit_csv import motion_of_rows
from emohead.export.table import numbers, read_rows

ABOUT = CorpusAbout(
    "arkit",
    "a folder of ARKit coefficients",
    "SPEAKER/CLIP.json or SPEAKER/CLIP.csv (51 or 52 named channels) with CLIP.wav beside it",
    "any program that records ARKit's coefficients",
    "that of the recordings",
)
TIME_COLUMNS = ("time", "timestamp", "seconds", "time_s")
"""Columns of a table that are taken for the frames' times in seconds."""


@dataclass(frozen=True)
class ArkitFolder:
    """Reader of folders of coefficients; a clip's speaker is the folder it lies in."""

    fps: float | None = None
    """Frames per second of files that do not tell."""
    about: CorpusAbout = ABOUT
    """What it reads."""

    def clips(self, folder: Path) -> list[ClipFile]:
        """The files of coefficients, by name. Whether one is such a file is seen when it is read, except for tables without `jawOpen`."""
        clips = []
        for path in files_below(self.about, folder, (".json", ".csv")):
            if _may_be_coefficients(path):
                below = PurePosixPath(path.relative_to(folder).as_posix())
                speaker = below.parts[-2] if len(below.parts) > 1 else folder.resolve().name
                audio = beside(path, path.stem, (*AUDIO_SUFFIXES, *VIDEO_SUFFIXES))
                labels = ClipLabels(f"{self.about.name}/{speaker}")
                clips.append(
                    ClipFile(clip_name(below), labels, motion=path, audio=audio, transcript=beside(path, path.stem, (".TextGrid",)))
                )
        return or_explain(self.about, folder, clips)

    def read(self, clip: ClipFile) -> CorpusClip:
        """Motion, action units, voice and labels of one clip."""
        assert clip.motion is not None
        if clip.motion.suffix.lower() == ".json":
            track = read_arkit_json(clip.motion, fps=self.fps)
            return motion_clip(self.about, clip, track.motion, known=track.known)
        return self._read_table(clip, clip.motion)

    def _read_table(self, clip: ClipFile, path: Path) -> CorpusClip:
        rows = read_rows(path)
        header = {name.lower() for name in rows[0]}
        if "timecode" in header:
            motion = motion_of_rows(path, rows, fps=self.fps)
            head, gaze = bool((motion.head_rotation != 0).any()), bool((motion.gaze != 0).any())
            return motion_clip(self.about, clip, motion, head=head, gaze=gaze)
        known = tuple(name for name in RIG_NAMES if name.lower() in header or name != "tongueOut")
        values = np.zeros((len(rows) - 1, len(RIG_NAMES)))
        values[:, [RIG_NAMES.index(name) for name in known]] = numbers(path, rows, known)
        check_coefficients(path, values)
        fps, clock = self.fps, next((name for name in TIME_COLUMNS if name in header), None)
        if fps is None and clock is None:
            raise InputError(f"{path}: neither a Timecode nor a column of seconds ({', '.join(TIME_COLUMNS)}); give fps")
        if fps is None:
            values, fps = at_constant_rate(path, values, numbers(path, rows, [clock or ""])[:, 0])
        return motion_clip(self.about, clip, rig_motion(values, fps), known=known)


def _may_be_coefficients(path: Path) -> bool:
    if path.suffix.lower() == ".json":
        with path.open("rb") as file:
            return b'"names"' in file.read(4096) or path.stat().st_size > 1 << 20
    with path.open("rb") as file:
        return b"jawopen" in file.readline(16384).lower()


ARKIT = ArkitFolder()
