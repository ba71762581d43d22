"""The types of reconstruction: a filmed clip, its face landmarks, and the same clip tracked by a head model."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from emohead.types import Camera, HeadIdentity, HeadMotion


@dataclass(frozen=True)
class FrameSet:
    """A clip as pictures: what the camera saw and where the person is in it."""

    fps: float
    """Frames per second."""
    images: UInt8[Tensor, "T H W 3"]
    """sRGB, 0..255."""
    mattes: UInt8[Tensor, "T H W"]
    """Coverage by the person, 0..255."""
    held_out: Bool[Tensor, " T"]
    """Frames that train neither appearance nor geometry."""

    @property
    def n_frames(self) -> int:
        """Number of frames `T`."""
        return self.images.shape[0]

    @property
    def training(self) -> list[int]:
        """Indices of the frames that may train."""
        return torch.nonzero(~self.held_out)[:, 0].tolist()


@dataclass(frozen=True)
class FaceLandmarks:
    """What a face landmarker says about each frame of a clip."""

    points: Float[Tensor, "T 478 2"]
    """MediaPipe's 478 points in pixels of the frame; NaN where no face was found."""
    scores: Float[Tensor, "T R"]
    """The landmarker's own estimate 0..1 of the rig channels; NaN where no face was found."""

    @property
    def found(self) -> Bool[Tensor, " T"]:
        """Frames in which a face was found."""
        return torch.isfinite(self.points).all(-1).all(-1)


@dataclass(frozen=True)
class TrackedSequence:
    """A clip explained by a head model: who it is, what it does, and from where it is seen."""

    fps: float
    """Frames per second."""
    camera: Camera
    """The one view, in the head model's world."""
    identity: HeadIdentity
    """Who the mesh is."""
    motion: HeadMotion
    """What it does, `T` frames."""
    confidence: Float[Tensor, " T"]
    """How well the landmarks are explained: exp(-mean inner error / 4 px), 0 where no face was found."""
