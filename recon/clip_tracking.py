"""A video file -> everything the tracker knows about it: the track with the eyes' gaze, and the action units."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emohead.head.base import HeadModel
from emohead.types import AUTrack
from recon.au_decoder import decode_aus
from recon.eyes import refine_eyes
from recon.landmark_head import landmark_points
from recon.preprocess import FootageSettings, read_footage
from recon.tracking import track_footage
from recon.types import TrackedSequence

Progress = Callable[[float, str], None]
"""Told the share done, 0..1, and what is going on."""
PICTURES = 300
"""Most pictures that the gaze is read from; other frames are told by their landmarks."""


@dataclass(frozen=True)
class TrackedClip:
    """A video explained."""

    track: TrackedSequence
    """Who, what and from where."""
    au: AUTrack
    """The action units that the face shows."""
    notes: tuple[str, ...]
    """What the person who made the clip should know."""


def track_clip(path: Path, head: HeadModel, *, face: int | None = None, progress: Progress | None = None) -> TrackedClip:
    """Read and track a video file; all of it tells who it is.

    Args:
        path: a video of a person.
        head: the head model.
        face: which person, 1 for the one seen most and largest; None chooses that one.
        progress: told the share done.

    Raises:
        InputError: not a video, no usable face.
    """

    def part(start: float, stop: float) -> Progress:
        def tell(share: float, text: str) -> None:
            if progress:
                progress(start + (stop - start) * share, text)

        return tell

    footage = read_footage(path, settings=FootageSettings(hold_out=0.0, face=face, max_pictures=PICTURES), progress=part(0.0, 0.6))
    track = track_footage(footage, head, progress=part(0.6, 0.9))
    track = refine_eyes(footage.frames.images, footage.landmarks, track, landmark_points(head), index=footage.frames.index)
    au = decode_aus(footage.landmarks, fps=footage.frames.fps)
    return TrackedClip(track, au, footage.notes)
