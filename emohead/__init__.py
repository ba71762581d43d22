"""EmoHead: from a video of a person to an editable 3D Gaussian talking head."""

from emohead.errors import EmoheadError as EmoheadError
from emohead.types import AUTrack as AUTrack
from emohead.types import Camera as Camera
from emohead.types import HeadIdentity as HeadIdentity
from emohead.types import HeadMesh as HeadMesh
from emohead.types import HeadMotion as HeadMotion
from emohead.types import RenderOutput as RenderOutput
from emohead.types import Splats as Splats
from emohead.types import Waveform as Waveform

__version__ = "0.1.0"
