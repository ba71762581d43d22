"""Files that an expression can be taken from: motions, tables of action units, tracked or filmed clips, recordings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emohead.errors import InputError

if TYPE_CHECKING:
    from emohead.types import AUTrack, HeadMotion, Waveform

Progress = Callable[[float, str], None]
MOTIONS = (".npz", ".csv", ".track.safetensors")
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac")


@dataclass(frozen=True)
class ReferenceFile:
    """A file and what of it is meant."""

    path: Path
    voice: bool
    """Its sound rather than its picture."""

    @property
    def kind(self) -> str:
        """`face` or `voice`."""
        return "voice" if self.voice else "face"

    @property
    def notice(self) -> str:
        """What is said once when an expression is taken from it."""
        return f"the expression is guessed from the {self.kind} in {self.path}, as asked for; it says nothing about what that person feels"


def reference_file(given: str | Path) -> ReferenceFile:
    """Which file, and whether its voice or its face is meant: sounds have a voice, others a face unless `:voice` follows the name.

    Raises:
        InputError: no such file, or `:voice` behind a motion.
    """
    name, colon, part = str(given).rpartition(":")
    if not colon or part.lower() not in ("voice", "face"):
        name, part = str(given), ""
    path, lower = Path(name), name.lower()
    if not path.is_file():
        raise InputError(f"reference {name[:200]}: no such file; give a motion, a video or a recording")
    if part.lower() == "voice" and lower.endswith(MOTIONS):
        raise InputError(f"reference {name}: a motion has no voice; give the recording, or leave out :voice")
    if part.lower() == "face" and lower.endswith(SOUNDS):
        raise InputError(f"reference {name}: a recording has no face; give a video or a motion, or leave out :face")
    return ReferenceFile(path, part.lower() == "voice" or lower.endswith(SOUNDS))


def read_source(file: ReferenceFile, *, progress: Progress | None = None) -> "AUTrack | HeadMotion | Waveform":
    """The face or the voice of a file; a video is tracked now.

    Raises:
        InputError: not what its name says, damaged, no face, no sound.
    """
    if file.voice:
        from emohead.media import read_audio

        return read_audio(file.path)
    lower = file.path.name.lower()
    if lower.endswith(".track.safetensors"):
        from emohead.head import load_head
        from recon.track_export import load_track

        return load_track(file.path, load_head("generic")).motion
    if lower.endswith(MOTIONS):
        from emohead.export.base import motion_format

        return motion_format(file.path).read(file.path)
    return _tracked(file.path, progress)


def _tracked(path: Path, progress: Progress | None) -> "AUTrack":
    from emohead.head import load_head
    from recon.clip_tracking import track_clip

    clip = track_clip(path, load_head("generic"), progress=progress)
    motion, both = clip.track.motion, clip.au.pose_weight.new_ones(clip.au.pose_weight.shape)
    # The decoder's weights say how well a channel is seen, not how far it is meant.
    seen = (clip.au.weight > 0).to(clip.au.weight)
    return replace(clip.au, weight=seen, gaze=motion.gaze.mean(1), head_rotation=motion.head_rotation, pose_weight=both)
