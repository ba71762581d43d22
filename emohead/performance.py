"""What came of a request: the motion, and pictures that are drawn while they are looked at or saved."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from emohead.errors import CancelledError
from emohead.export.base import motion_format
from emohead.head.action_units import rig_to_au
from emohead.output import check_target, write_text
from emohead.rendering import Renderer
from emohead.types import AUTrack, Camera, HeadMotion, Waveform
from emohead.video_writer import write_video

Progress = Callable[[float, str], None]
"""Called with the share done (0..1) and what is going on; it may raise CancelledError to stop the work."""
DRAWING_STARTS = 0.1
"""Share of the work that is done before the first picture is drawn."""


@dataclass(frozen=True)
class Performance:
    """A voice, the motion that goes with it, and who shows it."""

    audio: Waveform
    """The voice as it was heard, mono."""
    sound: Path | Waveform | None
    """The original recording, which becomes the video's sound; None for a silent video."""
    motion: HeadMotion
    """What the head does."""
    prompt: AUTrack
    """The action units that were asked for."""
    request: dict[str, Any]
    """Everything that was asked for, ready for JSON."""
    warnings: tuple[str, ...]
    """What the user should know, one line each."""
    renderer: Renderer
    """Draws it."""
    camera: Camera
    """The view."""
    progress: Progress | None = None
    """Told about the drawing."""

    def __repr__(self) -> str:
        """Its length, for a terminal."""
        return f"Performance({self.audio.duration:.2f} s, {self.n_frames} frames at {self.fps:g} per second)"

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.motion.fps

    @property
    def n_frames(self) -> int:
        """Number of pictures."""
        return self.motion.n_frames

    @cached_property
    def au(self) -> AUTrack:
        """The action units that the motion shows (those asked for and those of speech)."""
        shown = AUTrack.neutral(self.n_frames, self.fps)
        intensity = rig_to_au(self.motion.rig).float()
        return AUTrack(self.fps, intensity, torch.ones_like(intensity), shown.gaze, shown.head_rotation, shown.pose_weight)

    def frames(self) -> Iterator[UInt8[Tensor, "H W 3"]]:
        """The pictures in order, each drawn when it is asked for."""
        return self.renderer.frames(self.motion, self.camera)

    def save(self, path: str | Path, *, cancel: threading.Event | None = None) -> tuple[str, ...]:
        """Write a video (.mp4) or the motion alone (.npz, .csv, .au.csv), and what was asked for beside it as `<name>.json`.

        The files appear when they are whole; a failure or a cancelled call changes nothing.

        Returns:
            What could not be done, one line each (for example that the video is not signed).

        Raises:
            InputError: another suffix, or a place that cannot be written.
            ResourceError: the disk is full.
            CancelledError: `cancel` was set or the progress callback raised it.
        """
        check_target(path)
        notes = self._save_video(Path(path), cancel) if Path(path).suffix.lower() == ".mp4" else self._save_motion(path)
        write_text(f"{path}.json", json.dumps({**self.request, "warnings": [*self.warnings, *notes]}, indent=1) + "\n")
        return notes

    def _save_motion(self, path: str | Path) -> tuple[str, ...]:
        motion_format(path).write(path, self.motion)
        return ()

    def _save_video(self, path: Path, cancel: threading.Event | None) -> tuple[str, ...]:
        size = {"width": self.camera.width, "height": self.camera.height}
        with write_video(path, fps=self.fps, sound=self.sound, **size) as writer:
            for index, picture in enumerate(self.frames()):
                if cancel is not None and cancel.is_set():
                    raise CancelledError(f"{path}: cancelled; nothing was written")
                writer.write(picture)
                if self.progress is not None:
                    share = DRAWING_STARTS + (1 - DRAWING_STARTS) * (index + 1) / self.n_frames
                    self.progress(share, f"drawing frame {index + 1} of {self.n_frames}")
        return (writer.unsigned_because,) if writer.unsigned_because else ()
