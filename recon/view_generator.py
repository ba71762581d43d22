"""Where more views of a person come from when there is only one picture: a network of the user's, or pictures made elsewhere.

Whatever comes is checked by `recon.kept_views` before it trains anything.
"""

import inspect
import json
import math
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from emohead.errors import InputError, ResourceError
from emohead.media import PICTURE_SUFFIXES, read_picture

MOST_PICTURES = 60
"""A folder of more pictures than these is taken for a mistake."""
MOST_GENERATED = 24
"""At most this many pictures of one call are looked at; an orbit's neighbours are alike."""
_INDEX = "model_index.json"
_LIBRARIES = {"diffusers", "transformers"}
"""Whose classes a pipeline may be made of."""
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
"""Of a pipeline in a cache: publisher/name."""


@dataclass(frozen=True)
class GeneratedView:
    """A picture that is said to show the person from elsewhere."""

    name: str
    """How notes call it."""
    image: UInt8[Tensor, "H W 3"]
    """sRGB."""
    asked: tuple[float, float] | None
    """The turn that was asked for (yaw, pitch), see `ViewGenerator`; None where nobody asked."""


@runtime_checkable
class ViewGenerator(Protocol):
    """Shows the person of a picture from elsewhere. Another network is another class with this one method."""

    def __call__(self, picture: UInt8[Tensor, "H W 3"], turns: Float[Tensor, "n 2"]) -> list[GeneratedView]:
        """Pictures of the same person.

        Args:
            picture: upright, sRGB.
            turns: how far the head is to be turned from how `picture` shows it: yaw (to the subject's left) and pitch (down), radians.
        """
        ...


class FolderViews:
    """Pictures of the person that the user has: other photographs, or views made elsewhere. How the head is turned is found by tracking."""

    def __init__(self, folder: Path):
        """List the pictures.

        Raises:
            InputError: no such folder, no picture in it, or more than `MOST_PICTURES`.
        """
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give one with pictures of the same person")
        self.paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
        if not 1 <= len(self.paths) <= MOST_PICTURES:
            raise InputError(
                f"{folder}: {len(self.paths)} pictures in it; give 1 to {MOST_PICTURES} pictures (.png, .jpg) of the same person"
            )

    def __call__(self, picture: UInt8[Tensor, "H W 3"], turns: Float[Tensor, "n 2"]) -> list[GeneratedView]:
        """All pictures of the folder, whatever is asked for."""
        return [GeneratedView(path.name, read_picture(path), None) for path in self.paths]


class DiffusersViews:
    """A pipeline of the diffusers library that the user has: nothing is downloaded, no code of the pipeline's folder is run.

    A pipeline that takes `image` and `prompt` (an editing model) is told in words how to turn the head, once per turn. One that takes
    `image` alone (a multi-view or orbit model) is called once, and all pictures it gives are looked at.
    """

    def __init__(self, folder_or_name: str, *, device: str = "cpu", seed: int = 0):
        """Load the pipeline.

        Args:
            folder_or_name: a folder with `model_index.json` and weights as safetensors, or the name of a pipeline in the user's own cache.
            device: `cpu` or `cuda`.
            seed: one seed gives one result.

        Raises:
            InputError: not there, not a diffusers pipeline, weights that are not safetensors, code of its own, or no `image` to be given.
            ResourceError: the package diffusers is not installed.
        """
        folder = _checked_pipeline(folder_or_name)
        try:
            from diffusers.pipelines.pipeline_utils import DiffusionPipeline

            self._pipeline: Any = DiffusionPipeline.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
            ).to(device)
        except (OSError, ValueError, TypeError, AttributeError, KeyError, ImportError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(f"{folder_or_name}: diffusers cannot load it ({reason[:200]}); give one with safetensors weights") from None
        self._takes = set(inspect.signature(self._pipeline.__call__).parameters)
        if "image" not in self._takes:
            name = type(self._pipeline).__name__
            raise InputError(f"{folder_or_name}: a {name} takes no image; give a pipeline that makes pictures from a picture")
        self._pipeline.set_progress_bar_config(disable=True)
        self._seed = seed

    def __call__(self, picture: UInt8[Tensor, "H W 3"], turns: Float[Tensor, "n 2"]) -> list[GeneratedView]:
        """Pictures of the size of `picture`."""
        if "prompt" not in self._takes:
            return [GeneratedView(f"{number}", image, None) for number, image in enumerate(self._made(picture), start=1)]
        views = []
        for yaw, pitch in turns.tolist():
            name = f"yaw {math.degrees(yaw):.0f}, pitch {math.degrees(pitch):.0f}"
            views += [GeneratedView(name, image, (yaw, pitch)) for image in self._made(picture, prompt=in_words(yaw, pitch))]
        return views

    @torch.inference_mode()
    def _made(self, picture: UInt8[Tensor, "H W 3"], **options: str) -> list[UInt8[Tensor, "H W 3"]]:
        from PIL import Image

        given: dict[str, Any] = {"image": Image.fromarray(picture.numpy()), **options}
        if "generator" in self._takes:
            given["generator"] = torch.Generator().manual_seed(self._seed)
        try:
            made = self._pipeline(**given)
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"the {type(self._pipeline).__name__} makes nothing of a picture ({reason[:200]}); give another pipeline"
            ) from None
        pictures = getattr(made, "images", None)
        if pictures is None:
            pictures = [frame for clip in made.frames for frame in clip]
        chosen = list(pictures)[:: max(1, len(pictures) // MOST_GENERATED)][:MOST_GENERATED]
        size, smooth = (picture.shape[1], picture.shape[0]), Image.Resampling.LANCZOS
        sized = [_as_picture(each).convert("RGB").resize(size, smooth) for each in chosen]
        return [torch.from_numpy(np.asarray(each).copy()) for each in sized]


def in_words(yaw: float, pitch: float) -> str:
    """What an editing model is asked for; left and right as the viewer sees them."""
    turned = []
    if abs(yaw) > 0.01:
        turned.append(f"{abs(math.degrees(yaw)):.0f} degrees to the {'right' if yaw > 0 else 'left'} side of the picture")
    if abs(pitch) > 0.01:
        turned.append(f"{abs(math.degrees(pitch)):.0f} degrees {'down' if pitch > 0 else 'up'}")
    direction = " and ".join(turned) or "straight ahead"
    return f"the same person with the head turned {direction}, same expression, same light, same background, photograph"


def open_views(folder_or_pipeline: str, *, device: str = "cpu", seed: int = 0) -> ViewGenerator:
    """The views that a user names: a folder of pictures, a folder of a diffusers pipeline, or a pipeline's name in the user's cache.

    Raises:
        InputError: see `FolderViews` and `DiffusersViews`.
        ResourceError: see `DiffusersViews`.
    """
    if _is_pipeline(folder_or_pipeline):
        return DiffusersViews(folder_or_pipeline, device=device, seed=seed)
    return FolderViews(Path(folder_or_pipeline))


def check_views(folder_or_pipeline: str) -> None:
    """Refuse what `open_views` refuses, as far as that is known without loading weights.

    Raises:
        InputError: see `FolderViews` and `DiffusersViews`.
        ResourceError: see `DiffusersViews`.
    """
    if _is_pipeline(folder_or_pipeline):
        _checked_pipeline(folder_or_pipeline)
    else:
        FolderViews(Path(folder_or_pipeline))


def _is_pipeline(name: str) -> bool:
    folder = Path(name)
    return (folder / _INDEX).is_file() or (not folder.exists() and _NAME.fullmatch(name) is not None)


def _checked_pipeline(folder_or_name: str) -> Path:
    """The folder of a pipeline that may be loaded."""
    if find_spec("diffusers") is None:
        raise ResourceError("--views PIPELINE needs diffusers, which is not installed; pip install 'emohead[views]'")
    folder = _local_folder(folder_or_name)
    _check_folder(folder)
    return folder


def _local_folder(folder_or_name: str) -> Path:
    if Path(folder_or_name).is_dir():
        return Path(folder_or_name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(folder_or_name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        raise InputError(
            f"{folder_or_name}: neither a folder nor a pipeline in the cache of this machine; nothing is downloaded, get it first"
        ) from None


def _check_folder(folder: Path) -> None:
    """Refuse what would run code that comes with the pipeline."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder}: no readable {_INDEX} in it; give the folder of a diffusers pipeline") from None
    parts = {name: part for name, part in index.items() if not name.startswith("_")} if isinstance(index, dict) else {}
    libraries = {part[0] for part in parts.values() if isinstance(part, list) and part and part[0] is not None}
    own = sorted(path.name for path in folder.rglob("*.py"))
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str) or not libraries <= _LIBRARIES or own:
        raise InputError(f"{folder}: the pipeline brings code of its own ({', '.join(own) or _INDEX}), which is not run; give another")


def _as_picture(made: Any) -> Any:
    """A picture of any kind that pipelines give, as Pillow's."""
    from PIL import Image

    if isinstance(made, Image.Image):
        return made
    values = np.asarray(made, np.float32)
    if values.ndim != 3 or values.shape[-1] not in (1, 3, 4):
        raise InputError(f"the pipeline gave {list(values.shape)} where a picture was expected; give a pipeline that makes colour pictures")
    scaled = (np.nan_to_num(values).clip(0.0, 1.0) * 255.0).round().astype(np.uint8)
    return Image.fromarray(scaled[..., 0] if scaled.shape[-1] == 1 else scaled)
