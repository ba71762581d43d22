"""Recordings of Live Link Face, Epic's app: a take's folder with a table of coefficients, its calibrated copy, and the film with the voice.

The time codes place the rows; frames without a face (a row without numbers) and frames that were dropped are filled in.
"""

import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64
from scipy.spatial.transform import Rotation, Slerp

from emohead.data.clip_folder import CorpusClip
from emohead.data.readers.arkit_json import at_constant_rate
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
from emohead.export.table import read_rows
from emohead.media import probe
from emohead.types import HeadMotion

ABOUT = CorpusAbout(
    "live-link-face",
    "recordings of Live Link Face",
    "SPEAKER/TAKE/SLATE_1_iPhone.csv (or _iPhone_cal.csv, _iPhone_raw.csv) with SLATE_1_iPhone.mov beside it",
    "the Live Link Face app, ARKit mode",
    "yours, with the consent of whom you record",
)
VARIANTS = ("cal", "", "raw")
"""Copies of a take's table, the best first: calibrated on the person's neutral face, the only one, as the phone gave it."""
TIMECODE_RATES = (24, 25, 30, 48, 50, 60)
_STEM = re.compile(r"(?P<take>.+?)(?:_(?P<variant>cal|raw|neutral))?", re.IGNORECASE)
_TIMECODE = re.compile(r"(\d+):(\d+):(\d+)[:;](\d+)(\.\d+)?")


@dataclass(frozen=True)
class LiveLinkFace:
    """Reader of takes."""

    variant: Literal["best", "cal", "raw"] = "best"
    """Which copy of the table: the calibrated one where there is one, or only one kind."""
    fps: float | None = None
    """Frames per second of takes too short to tell."""
    about: CorpusAbout = ABOUT
    """What it reads."""

    def clips(self, folder: Path) -> list[ClipFile]:
        """The takes of a folder, by name, each once."""
        takes: dict[Path, dict[str, Path]] = {}
        for path in files_below(self.about, folder, (".csv",)):
            match = _STEM.fullmatch(path.stem)
            if match and _is_recording(path):
                takes.setdefault(path.with_name(match["take"]), {})[(match["variant"] or "").lower()] = path
        clips = []
        for take, tables in takes.items():
            wanted = VARIANTS if self.variant == "best" else (self.variant,)
            table = next((tables[name] for name in wanted if name in tables), None)
            if table is not None:
                below = PurePosixPath(take.relative_to(folder).as_posix() + ".csv")
                film = beside(take, take.name, VIDEO_SUFFIXES)
                audio = beside(take, take.name, AUDIO_SUFFIXES) or film
                labels = ClipLabels(f"{self.about.name}/{_speaker(take, folder)}")
                clips.append(ClipFile(clip_name(below), labels, motion=table, video=film, audio=audio))
        return or_explain(self.about, folder, clips)

    def read(self, clip: ClipFile) -> CorpusClip:
        """Motion, action units, voice and labels of one take."""
        assert clip.motion is not None
        rows = read_rows(clip.motion)
        header = [name.lower() for name in rows[0]]
        seen = [index for index, row in enumerate(rows[1:]) if _has_face(header, row)]
        if len(seen) < 2:
            raise InputError(f"{clip.motion}: a face in only {len(seen)} of its {len(rows) - 1} rows; record the take again")
        # The voice begins with the first row, whether or not there is a face in it.
        times = np.arange(len(rows) - 1) / self.fps if self.fps else timecode_seconds(clip.motion, header, rows[1:])
        film = None if self.fps or clip.video is None else probe(clip.video).fps
        faces = motion_of_rows(clip.motion, [rows[0], *(rows[1 + index] for index in seen)], fps=60.0)
        motion = on_grid(clip.motion, faces, times, seen, film)
        # The app writes zeros where the stream of the head's rotation is turned off.
        head, gaze = bool((motion.head_rotation != 0).any()), bool((motion.gaze != 0).any())
        made = motion_clip(self.about, clip, motion, head=head, gaze=gaze)
        n_lost = len(rows) - 1 - len(seen)
        lost = [f"no face in {n_lost} of {len(rows) - 1} rows; filled in from their neighbours"] if n_lost else []
        return replace(made, meta={**made.meta, "notes": [*made.meta["notes"], *lost]})


def timecode_seconds(path: Path, header: list[str], rows: list[list[str]]) -> Float64[np.ndarray, " T"]:
    """Seconds of the time codes `HH:MM:SS:FF.mmm`, past midnight too; the frames' own rate is the standard one just above the greatest.

    Raises:
        InputError: no time codes, or not a whole second of them.
    """
    place = header.index("timecode") if "timecode" in header else -1
    matches = [_TIMECODE.fullmatch(row[place]) for row in rows] if place >= 0 else []
    codes = np.array([[float(part or 0) for part in match.groups()] for match in matches if match]).reshape(-1, 5)
    if len(codes) != len(rows) or len(np.unique(codes[:, 2])) < 3:
        raise InputError(f"{path}: its time codes do not tell the frame rate; give fps")
    rate = next((rate for rate in TIMECODE_RATES if rate > codes[:, 3].max()), None)
    if rate is None:
        raise InputError(f"{path}: frame {codes[:, 3].max():g} of a second in its time codes is above {TIMECODE_RATES[-1]}; give fps")
    seconds = codes[:, 0] * 3600 + codes[:, 1] * 60 + codes[:, 2] + (codes[:, 3] + codes[:, 4]) / rate
    return seconds + 86400.0 * np.cumsum(np.diff(seconds, prepend=seconds[0]) < -43200.0)


def on_grid(path: Path, motion: HeadMotion, times: Float64[np.ndarray, " U"], seen: list[int], film: float | None) -> HeadMotion:
    """The motion of some rows of a table at a constant rate from its first row to its last.

    Args:
        path: for messages.
        motion: a frame per row with a face.
        times: seconds of all rows.
        seen: which of them have a face.
        film: frames per second of the film; where time codes count 60 frames and the film has 59.94, the film is right.
    """
    rows, places = list(range(len(seen))), list(seen)
    if places[0] > 0:
        rows, places = [0, *rows], [0, *places]
    if places[-1] < len(times) - 1:
        rows, places = [*rows, rows[-1]], [*places, len(times) - 1]
    at = times[places]
    flat = torch.cat([motion.rig, motion.gaze.flatten(1)], 1).double().numpy()[rows]
    values, fps = at_constant_rate(path, flat, at)
    grid = at[0] + np.arange(len(values)) / fps
    turns = Slerp(at, Rotation.from_rotvec(motion.head_rotation.double().numpy()[rows]))(grid.clip(at[0], at[-1]))
    true = fps / 1.001 if film is not None and math.isclose(film * 1.001, fps, rel_tol=2e-4) else fps
    moved = torch.from_numpy(values).float()
    n_rig = motion.rig.shape[1]
    placed = HeadMotion.neutral(len(values), true)
    return replace(
        placed, rig=moved[:, :n_rig], gaze=moved[:, n_rig:].unflatten(1, (2, 2)), head_rotation=torch.from_numpy(turns.as_rotvec()).float()
    )


def _has_face(header: list[str], row: list[str]) -> bool:
    """Whether the phone saw a face: otherwise it writes a count of 0 and no numbers."""
    count = row[header.index("blendshapecount")] if "blendshapecount" in header and len(row) > header.index("blendshapecount") else "1"
    return count not in ("", "0") and len(row) == len(header) and all(row)


def _is_recording(path: Path) -> bool:
    with path.open("rb") as file:
        return b"blendshapecount" in file.readline(16384).lower()


def _speaker(take: Path, folder: Path) -> str:
    """The subject that was entered in the app, else the folder above the take's, else the whole folder's name."""
    try:
        about = json.loads((take.parent / "take.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        about = {}
    entries = {str(key).lower(): value for key, value in about.items()} if isinstance(about, dict) else {}
    subject = entries.get("subject")
    if isinstance(subject, str) and subject.strip():
        return subject.strip()
    below = take.parent.relative_to(folder).parts
    return below[-2] if len(below) > 1 else folder.resolve().name


LIVE_LINK_FACE = LiveLinkFace()
