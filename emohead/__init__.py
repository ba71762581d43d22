"""EmoHead: from a video of a person to an editable 3D Gaussian talking head."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emohead.errors import EmoheadError as EmoheadError
    from emohead.performance import Performance as Performance
    from emohead.pipeline import Pipeline as Pipeline
    from emohead.types import AUTrack as AUTrack
    from emohead.types import Camera as Camera
    from emohead.types import HeadIdentity as HeadIdentity
    from emohead.types import HeadMesh as HeadMesh
    from emohead.types import HeadMotion as HeadMotion
    from emohead.types import RenderOutput as RenderOutput
    from emohead.types import Splats as Splats
    from emohead.types import Waveform as Waveform

__version__ = "0.1.0"

# Names are loaded when they are first used, so that `emohead --help` does not wait for torch.
_HOMES = {
    "EmoheadError": "emohead.errors",
    "Performance": "emohead.performance",
    "Pipeline": "emohead.pipeline",
    **dict.fromkeys(("AUTrack", "Camera", "HeadIdentity", "HeadMesh", "HeadMotion", "RenderOutput", "Splats", "Waveform"), "emohead.types"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'emohead' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
