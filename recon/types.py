"""The types of reconstruction: a filmed clip, its face landmarks, and the same clip tracked by a head model."""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from emohead.types import Camera, HeadIdentity, HeadMotion


@dataclass(frozen=True)
class FrameSet:
    """Pictures of a clip: what the camera saw and where the person is in it. Not every frame of a long clip is kept."""

    fps: float
    """Frames per second of the clip."""
    images: UInt8[Tensor, "T H W 3"]
    """sRGB, 0..255."""
    mattes: UInt8[Tensor, "T H W"]
    """Coverage by the person, 0..255."""
    index: Int[Tensor, " T"]
    """Which frame of the clip each picture is, ascending."""
    held_out: Bool[Tensor, " T"]
    """Pictures that train neither appearance nor geometry."""

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
class Footage:
    """A clip made ready for tracking: upright, at a constant rate, cropped around one person."""

    frames: FrameSet
    """The pictures that are kept: at most a few hundred that differ, and some held-out ones."""
    landmarks: FaceLandmarks
    """Of every frame of the clip, in pixels of the crop; NaN where the frame is not usable."""
    held_out: Bool[Tensor, " T"]
    """Frames of the clip that train nothing."""
    camera: Camera
    """The filming camera as far as it is known: intrinsics of the crop; its pose is a guess."""
    notes: tuple[str, ...]
    """What the person who made the clip should know, one line each: frames left out, people not chosen, dark or blurred parts."""


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

    def pick(self, index: Int[Tensor, " n"]) -> "TrackedSequence":
        """The same track at some of its frames only."""
        names = [field.name for field in fields(HeadMotion) if field.name != "fps"]
        motion = replace(self.motion, **{name: getattr(self.motion, name)[index] for name in names})
        return replace(self, motion=motion, confidence=self.confidence[index])
