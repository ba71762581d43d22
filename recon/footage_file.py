"""A clip made ready for tracking, as a file: so that a stopped reconstruction does not read the video again."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from emohead.errors import InputError
from emohead.output import whole_file
from emohead.types import Camera
from recon.types import FaceLandmarks, Footage, FrameSet


def save_footage(path: Path, footage: Footage) -> None:
    """Write a clip, whole or not at all."""
    frames, camera = footage.frames, footage.camera
    tensors = {
        "images": frames.images, "mattes": frames.mattes, "index": frames.index, "picture_held_out": frames.held_out,
        "points": footage.landmarks.points, "scores": footage.landmarks.scores, "held_out": footage.held_out,
        "world_to_camera": camera.world_to_camera, "intrinsics": camera.intrinsics,
    }  # fmt: skip
    about = {"fps": frames.fps, "width": camera.width, "height": camera.height, "notes": list(footage.notes)}
    with whole_file(path) as partial:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, {"footage": json.dumps(about)})


def load_footage(path: Path) -> Footage:
    """Read what `save_footage` wrote.

    Raises:
        InputError: not such a file, or a damaged one.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["footage"])
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}); delete it, or start again without --resume") from None
    frames = FrameSet(float(about["fps"]), tensors["images"], tensors["mattes"], tensors["index"], tensors["picture_held_out"])
    camera = Camera(tensors["world_to_camera"], tensors["intrinsics"], int(about["width"]), int(about["height"]))
    landmarks = FaceLandmarks(tensors["points"], tensors["scores"])
    return Footage(frames, landmarks, tensors["held_out"], camera, tuple(about["notes"]))
