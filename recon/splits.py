"""The field's ways to hold frames back, all of them from the end of a clip, and the clip that is measured."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from emohead.errors import InputError
from emohead.media import probe
from recon.capture import read_capture
from recon.landmarks import detect_landmarks
from recon.types import Footage

Progress = Callable[[float, str], None]

HELD_OUT: dict[str, Callable[[int, float], int]] = {
    "tail10": lambda n_frames, fps: round(0.1 * n_frames),
    "insta350": lambda n_frames, fps: 350,
    "flashavatar500": lambda n_frames, fps: 500,
    "ernerf": lambda n_frames, fps: n_frames - n_frames * 10 // 11,
    "instag": lambda n_frames, fps: round(12.0 * fps),
    "none": lambda n_frames, fps: 0,
}
"""How many frames at the end of a clip are held out: ours; INSTA and SplattingAvatar (`num_for_train: -350`); FlashAvatar
(`test_num=500`); ER-NeRF and TalkingGaussian (`process.py`, the last eleventh); InsTaG and EmoTaG (the last 12 s); nothing."""


def held_out_count(split: str, n_frames: int, fps: float) -> int:
    """How many frames a split holds out.

    Raises:
        InputError: an unknown split, or one that leaves no frame to train on.
    """
    if split not in HELD_OUT:
        raise InputError(f"--split {split!r} is unknown; use one of {', '.join(HELD_OUT)}")
    count = HELD_OUT[split](n_frames, fps)
    if count >= n_frames or (count == 0 and split != "none"):
        raise InputError(f"--split {split} holds out {count} of this clip's {n_frames} frames, which leaves nothing to compare; use tail10")
    return count


def tail(n_frames: int, count: int) -> Bool[Tensor, " T"]:
    """The last `count` of `n_frames`."""
    return torch.arange(n_frames) >= n_frames - count


def read_clip(source: Path, *, split: str, size: int, face: int | None = None, progress: Progress | None = None) -> Footage:
    """A clip to measure on, from a video file, or from a capture folder with its true matte.

    Args:
        source: the video or folder.
        split: a name of `HELD_OUT`.
        size: side of the pictures in pixels.
        face: which person of a video, 1 for the one seen most and largest; None chooses that one.
        progress: told the share done.

    Raises:
        InputError: it cannot be read, shows no face, or is shorter than the split asks for.
    """
    if source.is_dir():
        return _read_folder(source, split, progress)
    from recon.preprocess import FootageSettings, kept_rate, read_footage

    info = probe(source)
    if not info.fps:
        raise InputError(f"{source}: no moving pictures in it; give a video of a person")
    # Fast clips are thinned when they are read, and a split counts the frames that are left.
    fps = kept_rate(info.fps)
    n_frames = max(1, round((info.video_duration or info.duration) * fps))
    share = held_out_count(split, n_frames, fps) / n_frames
    return read_footage(source, settings=FootageSettings(size=size, hold_out=share, face=face), progress=progress)


def _read_folder(folder: Path, split: str, progress: Progress | None) -> Footage:
    capture = read_capture(folder)
    frames = capture.frames
    held_out = tail(frames.n_frames, held_out_count(split, frames.n_frames, frames.fps))

    def told():
        for index, image in enumerate(frames.images):
            if progress and index % 10 == 0:
                progress(index / frames.n_frames, "finding the face")
            yield image

    return Footage(replace(frames, held_out=held_out), detect_landmarks(told()), held_out, capture.camera, ())


def evenly(indices: list[int], most: int) -> list[int]:
    """At most `most` of the given indices, evenly spaced, first and last included."""
    if len(indices) <= most:
        return indices
    return [indices[math.floor(step * (len(indices) - 1) / (most - 1) + 0.5)] for step in range(most)]
