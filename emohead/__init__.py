"""EmoHead: from a video of a person to an editable 3D Gaussian talking head."""

from typing import TYPE_CHECKING, Any

from emohead.errors import EmoheadError as EmoheadError
from emohead.types import AUTrack as AUTrack
from emohead.types import Camera as Camera
from emohead.types import HeadIdentity as HeadIdentity
from emohead.types import HeadMesh as HeadMesh
from emohead.types import HeadMotion as HeadMotion
from emohead.types import RenderOutput as RenderOutput
from emohead.types import Splats as Splats
from emohead.types import Waveform as Waveform

if TYPE_CHECKING:
    from emohead.performance import Performance as Performance
    from emohead.pipeline import Pipeline as Pipeline

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load the pipeline when it is first asked for, so that `import emohead` stays light."""
    if name == "Pipeline":
        from emohead.pipeline import Pipeline

        return Pipeline
    if name == "Performance":
        from emohead.performance import Performance

        return Performance
    raise AttributeError(f"module 'emohead' has no attribute {name!r}")
