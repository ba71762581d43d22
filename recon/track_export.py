"""A tracked clip as files: lossless (`.track.safetensors`), as FLAME's parameters (`.flame.npz`), and through the motion formats."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emohead.channels import RIG_NAMES
from emohead.errors import InputError
from emohead.export.arkit_csv import write_arkit_csv
from emohead.export.motion_npz import write_motion_npz
from emohead.export.openface_csv import write_au_table
from emohead.head.base import HeadModel
from emohead.head.flame import FlameHead
from emohead.output import whole_file
from emohead.types import Camera, HeadIdentity, HeadMotion
from recon.clip_tracking import TrackedClip
from recon.types import TrackedSequence

TRACK_FORMAT, FLAME_FORMAT = "emohead-track 1", "emohead-flame 1"
_MOTION = ("rig", "head_rotation", "torso_rotation", "translation", "gaze")
_SHAPES: dict[str, tuple[int | str, ...]] = {
    "rig": ("T", len(RIG_NAMES)),
    "head_rotation": ("T", 3),
    "torso_rotation": ("T", 3),
    "translation": ("T", 3),
    "gaze": ("T", 2, 2),
    "confidence": ("T",),
    "shape": ("I",),
    "offsets": ("V", 3),
    "world_to_camera": (1, 4, 4),
    "intrinsics": (1, 3, 3),
}


@dataclass(frozen=True)
class TrackFormat:
    """One way to store a tracked clip."""

    title: str
    """What it is called."""
    write: Callable[[Path, TrackedClip, HeadModel], None]
    """Writes a clip that was tracked with this head; the file appears when it is whole."""
    needs: str | None = None
    """The head model that it needs, if not any."""

    def check(self, path: str | Path, head: HeadModel) -> None:
        """Raise InputError if `head` is not what the format needs."""
        if self.needs is not None and head.name != self.needs:
            raise InputError(f"{path}: {self.title} need a track of a FLAME head, not of {head.name!r}; give --head your_flame.pkl")


def save_track(path: str | Path, track: TrackedSequence, head: HeadModel) -> None:
    """Write everything of `track` without loss."""
    tensors = {name: getattr(track.motion, name) for name in _MOTION}
    tensors |= {"confidence": track.confidence, "shape": track.identity.shape, "offsets": track.identity.offsets}
    tensors |= {"world_to_camera": track.camera.world_to_camera, "intrinsics": track.camera.intrinsics}
    about = {
        "format": TRACK_FORMAT,
        "fps": track.fps,
        "head": head.name,
        "rig_names": list(RIG_NAMES),
        "width": track.camera.width,
        "height": track.camera.height,
    }
    whole = {name: tensor.float().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as partial:
        save_file(whole, str(partial), {"track": json.dumps(about)})


def load_track(path: str | Path, head: HeadModel) -> TrackedSequence:
    """Read what `save_track` wrote for the same head model; nothing in it is executed.

    Raises:
        InputError: missing, damaged, foreign, of another head model, wrong shapes, or values that are not finite.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; check the path")
    try:
        with safe_open(str(path), framework="pt") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {})["track"])
            tensors = {name: file.get_tensor(name) for name in _SHAPES}
        if about["format"] != TRACK_FORMAT or about["rig_names"] != list(RIG_NAMES):
            raise InputError(f"{path}: its format is {str(about['format'])[:40]!r}, not {TRACK_FORMAT!r}; write it again with track")
        fps, width, height = float(about["fps"]), int(about["width"]), int(about["height"])
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{path}: not an EmoHead track ({error}); write it again with track") from error
    if about["head"] != head.name:
        raise InputError(f"{path}: was tracked with the {str(about['head'])[:20]!r} head, not with {head.name!r}; give that --head")
    _check_shapes(path, tensors, head)
    if not (0 < fps <= 1000 and width > 0 and height > 0):
        raise InputError(f"{path}: {fps:g} frames per second of {width}x{height} are no track; write it again with track")
    motion = HeadMotion(fps, **{name: tensors[name] for name in _MOTION})
    camera = Camera(tensors["world_to_camera"], tensors["intrinsics"], width, height)
    return TrackedSequence(fps, camera, HeadIdentity(tensors["shape"], tensors["offsets"]), motion, tensors["confidence"])


def write_flame_npz(path: str | Path, track: TrackedSequence, head: HeadModel) -> None:
    """Write FLAME's own parameters of a track made with a FLAME head, under the names that FLAME projects use.

    Raises:
        InputError: the track was made with another head model.
    """
    if not isinstance(head, FlameHead):
        raise InputError(f"{path}: FLAME parameters need a track of a FLAME head, not of {head.name!r}; give --head your_flame.pkl")
    parameters = head.parameters(track.motion)
    arrays = {
        "shape": track.identity.shape,
        "static_offset": track.identity.offsets,
        "expr": parameters.expression,
        "rotation": parameters.global_rotation,
        "neck_pose": parameters.neck,
        "jaw_pose": parameters.jaw,
        "eyes_pose": parameters.eyes.flatten(1),
        "translation": parameters.translation,
        "confidence": track.confidence,
        "world_to_camera": track.camera.world_to_camera,
        "intrinsics": track.camera.intrinsics,
    }
    numbers: dict[str, Any] = {name: tensor.float().numpy() for name, tensor in arrays.items()}
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, format=np.array(FLAME_FORMAT), fps=np.array(track.fps), **numbers)


def _write_au(path: Path, clip: TrackedClip, head: HeadModel) -> None:
    write_au_table(path, clip.au.intensity, fps=clip.au.fps, confidence=clip.track.confidence)


TRACK_FORMATS: dict[str, TrackFormat] = {
    ".track.safetensors": TrackFormat("EmoHead track", lambda path, clip, head: save_track(path, clip.track, head)),
    ".flame.npz": TrackFormat("FLAME parameters", lambda path, clip, head: write_flame_npz(path, clip.track, head), "flame"),
    ".au.csv": TrackFormat("OpenFace-style action units", _write_au),
    ".csv": TrackFormat("Live Link Face (ARKit) recording", lambda path, clip, head: write_arkit_csv(path, clip.track.motion)),
    ".npz": TrackFormat("EmoHead motion", lambda path, clip, head: write_motion_npz(path, clip.track.motion)),
}
"""By suffix; the longest that fits comes first."""


def track_format(path: str | Path) -> TrackFormat:
    """The format that the name of `path` asks for.

    Raises:
        InputError: the suffix is none of `TRACK_FORMATS`.
    """
    name = Path(path).name.lower()
    for suffix, chosen in TRACK_FORMATS.items():
        if name.endswith(suffix):
            return chosen
    raise InputError(f"{path}: tracks are written as {', '.join(TRACK_FORMATS)}; give a name that ends in one of these")


def _check_shapes(path: str | Path, tensors: dict[str, Tensor], head: HeadModel) -> None:
    sizes = {"T": len(tensors["rig"]) if tensors["rig"].ndim else 0, "I": head.n_shape, "V": head.neutral.shape[0]}
    for name, letters in _SHAPES.items():
        expected = [sizes[size] if isinstance(size, str) else size for size in letters]
        if list(tensors[name].shape) != expected or tensors[name].dtype != torch.float32:
            raise InputError(f"{path}: {name} must be {expected} floats, got {list(tensors[name].shape)}; write it again with track")
        if not bool(torch.isfinite(tensors[name]).all()):
            raise InputError(f"{path}: {name} has values that are NaN or infinite; write it again with track")
