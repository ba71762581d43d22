"""What every controller is: a small frozen object that makes an `AUTrack` of a given length."""

from typing import Protocol, TypeAlias, runtime_checkable

from controllers.keyframes import KeyframeController
from controllers.labels import LabelController
from controllers.reference import ReferenceController
from controllers.sliders import SliderController
from controllers.text_controller import TextController
from emohead.types import AUTrack


@runtime_checkable
class Controller(Protocol):
    """Makes a track; the same controller (its seed included) makes the same track."""

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """A track of `n_frames` at `fps`; channels that were not asked for have weight 0."""
        ...


AnyController: TypeAlias = LabelController | SliderController | TextController | KeyframeController | ReferenceController
"""The controllers there are."""
