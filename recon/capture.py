"""A capture folder of a synthetic person: video, true matte, known camera, and views by other cameras for measuring.

The capture's camera has Blender's axes (looks along -z, y up; world z up, the face looks to -y) in decimetres; here it becomes
OpenCV axes in the project's world (y up, the face looks to +z), in metres.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from emohead.errors import InputError
from emohead.types import Camera
from recon.types import FrameSet

HELD_OUT_SHARE = 0.1
"""The last share of the frames trains nothing."""

_BLENDER_WORLD_TO_OURS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
_OPENGL_TO_OPENCV = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
_METRES_PER_UNIT = 0.1


@dataclass(frozen=True)
class NovelView:
    """One picture by a camera that trained nothing."""

    name: str
    """File name without folder."""
    frame: int
    """Which frame of the clip it shows."""
    camera: Camera
    """Its camera, in the capture's world."""
    rgba: Float[Tensor, "H W 4"]
    """Straight-alpha picture, 0..1."""


@dataclass(frozen=True)
class Capture:
    """A clip with its true camera."""

    name: str
    """Who."""
    licence: str
    """What the folder says about its licence."""
    frames: FrameSet
    """Pictures and mattes."""
    camera: Camera
    """The filming camera, in the capture's world (metres, y up)."""


def read_capture(folder: Path) -> Capture:
    """Read `capture.json`, the video and its matte.

    Raises:
        InputError: a file is missing or the two videos do not belong together.
    """
    about = _read_json(folder / "capture.json")
    images = torch.from_numpy(_read_video(folder / f"{about['name']}.mp4", "rgb24"))
    mattes = torch.from_numpy(_read_video(folder / "alpha.mp4", "gray"))
    if images.shape[:3] != mattes.shape:
        raise InputError(f"{folder}: video is {list(images.shape[:3])} and matte is {list(mattes.shape)}; they must be of one clip")
    n_frames, height, width = mattes.shape
    held_out = torch.arange(n_frames) >= n_frames - round(HELD_OUT_SHARE * n_frames)
    camera = _camera(about["camera"], width, height)
    return Capture(about["name"], about["licence"], FrameSet(float(about["fps"]), images, mattes, torch.arange(n_frames), held_out), camera)


def read_capture_camera(folder: Path) -> Camera:
    """The filming camera alone, as `capture.json` states it.

    Raises:
        InputError: the file is missing.
    """
    about = _read_json(folder / "capture.json")
    width, height = about["size"]
    return _camera(about["camera"], int(width), int(height))


def read_novel_views(folder: Path) -> list[NovelView]:
    """The pictures by other cameras. Only measurements may read them."""
    views = []
    for entry in _read_json(folder / "novel.json"):
        rgba = torch.from_numpy(np.asarray(Image.open(folder / entry["file"]).convert("RGBA"), np.float32) / 255.0)
        height, width = rgba.shape[:2]
        views.append(NovelView(Path(entry["file"]).stem, int(entry["frame"]), _camera(entry, width, height), rgba))
    return views


def _camera(entry: dict, width: int, height: int) -> Camera:
    camera_to_world = torch.tensor(entry["camera_to_world"], dtype=torch.float32)
    rotation = _BLENDER_WORLD_TO_OURS @ camera_to_world[:3, :3] @ _OPENGL_TO_OPENCV
    position = _BLENDER_WORLD_TO_OURS @ camera_to_world[:3, 3] * _METRES_PER_UNIT
    world_to_camera = torch.eye(4)
    world_to_camera[:3, :3] = rotation.T
    world_to_camera[:3, 3] = -rotation.T @ position
    focal = 0.5 * width / math.tan(0.5 * entry["fov_x_rad"])
    intrinsics = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return Camera(world_to_camera[None], intrinsics[None], width, height)


def _read_json(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path} is missing; give a capture folder with capture.json, the video, alpha.mp4 and novel.json")
    return json.loads(path.read_text())


def _read_video(path: Path, pixel_format: str) -> np.ndarray:
    import av

    if not path.is_file():
        raise InputError(f"{path} is missing; give a capture folder with capture.json, the video, alpha.mp4 and novel.json")
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format=pixel_format) for frame in container.decode(video=0)])
