"""The types that pass between the stages: frozen dataclasses whose fields carry their shapes.

Shape letters, the same everywhere: `B` batch, `T` frames, `S` audio samples, `A` AU channels (46), `R` rig channels (52),
`V`/`F` vertices/triangles, `N` Gaussians, `K` spherical-harmonic bases, `C` cameras, `H W` image. Units are metres, radians,
seconds, hertz; axes and signs are in docs/conventions.md.
"""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.channels import N_AU, N_RIG
from emohead.errors import InputError


class Brief:
    """A dataclass that prints the shapes of its tensors instead of their numbers: `AUTrack(fps=25.0, intensity=[152, 46], ..)`."""

    def __repr__(self) -> str:
        """What it holds, on one line."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))  # type: ignore[arg-type]
        told = (f"{name}={list(value.shape) if isinstance(value, Tensor) else repr(value)}" for name, value in values)
        return f"{type(self).__name__}({', '.join(told)})"


@dataclass(frozen=True, repr=False)
class Waveform(Brief):
    """Mono audio."""

    samples: Float[Tensor, " S"]
    """Amplitude, -1..1."""
    sample_rate: int
    """Hz."""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.samples.shape[0] / self.sample_rate


@dataclass(frozen=True, repr=False)
class AUTrack(Brief):
    """A course of action units over time, with how much each value was asked for."""

    fps: float
    """Frames per second."""
    intensity: Float[Tensor, "T A"]
    """Intensity 0..1 of each channel of `channels.AU_NAMES`."""
    weight: Float[Tensor, "T A"]
    """How much each channel was asked for at each time, 0 (not at all) .. 1."""
    gaze: Float[Tensor, "T 2"]
    """Gaze offset (yaw, pitch) in radians, shared by both eyes."""
    head_rotation: Float[Tensor, "T 3"]
    """Head rotation offset, axis-angle in radians."""
    pose_weight: Float[Tensor, "T 2"]
    """How much (gaze, head_rotation) were asked for, 0..1."""

    def __post_init__(self):
        _check_columns("AUTrack.intensity", self.intensity, N_AU)
        _check_same_length(self)

    @classmethod
    def neutral(cls, n_frames: int, fps: float) -> "AUTrack":
        """A track that asks for nothing: all intensities and weights are zero."""
        channels, gaze, rotation = torch.zeros(n_frames, N_AU), torch.zeros(n_frames, 2), torch.zeros(n_frames, 3)
        return cls(fps, channels, channels.clone(), gaze, rotation, gaze.clone())

    @property
    def n_frames(self) -> int:
        """Number of frames `T`."""
        return self.intensity.shape[0]


@dataclass(frozen=True, repr=False)
class HeadMotion(Brief):
    """What a head does over time: 52 rig coefficients, rigid motion and gaze."""

    fps: float
    """Frames per second."""
    rig: Float[Tensor, "T R"]
    """Coefficients 0..1 of the channels of `channels.RIG_NAMES` (jaw and eyelids are in it, once)."""
    head_rotation: Float[Tensor, "T 3"]
    """Head against torso (FLAME's neck joint), axis-angle in radians."""
    torso_rotation: Float[Tensor, "T 3"]
    """Torso against world (FLAME's global rotation), axis-angle in radians."""
    translation: Float[Tensor, "T 3"]
    """Torso translation in metres."""
    gaze: Float[Tensor, "T 2 2"]
    """Per eye (left, right): (yaw, pitch) in radians against the head. It turns the eyeballs; `rig`'s eyeLook* move the lids."""

    def __post_init__(self):
        _check_columns("HeadMotion.rig", self.rig, N_RIG)
        _check_same_length(self)

    @classmethod
    def neutral(cls, n_frames: int, fps: float) -> "HeadMotion":
        """A still, neutral head looking straight ahead."""
        still = torch.zeros(n_frames, 3)
        return cls(fps, torch.zeros(n_frames, N_RIG), still, still.clone(), still.clone(), torch.zeros(n_frames, 2, 2))

    @property
    def n_frames(self) -> int:
        """Number of frames `T`."""
        return self.rig.shape[0]

    def frames(self, start: int, stop: int) -> "HeadMotion":
        """The motion of frames `start` (included) to `stop` (excluded)."""
        return replace(self, **{name: getattr(self, name)[start:stop] for name in _tensor_fields(self)})

    def to(self, device: torch.device | str) -> "HeadMotion":
        """The same motion with its tensors on `device`."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _tensor_fields(self)})


@dataclass(frozen=True, repr=False)
class HeadIdentity(Brief):
    """Who a head is: coefficients of the model's identity modes and what they cannot express."""

    shape: Float[Tensor, " I"]
    """Identity coefficients, in standard deviations of the model's modes."""
    offsets: Float[Tensor, "V 3"]
    """Per-vertex offsets of the neutral head in metres, added after the identity modes."""


@dataclass(frozen=True, repr=False)
class HeadMesh(Brief):
    """Vertices of a head over time, in world space."""

    vertices: Float[Tensor, "T V 3"]
    """Metres, world space."""
    triangles: Int[Tensor, "F 3"]
    """Vertex indices, counter-clockwise seen from outside."""


@dataclass(frozen=True, repr=False)
class Splats(Brief):
    """Posed 3D Gaussians, activated (no logits, no log scales), in world space. `...` is frames or nothing."""

    means: Float[Tensor, "*T N 3"]
    """Centres, metres."""
    quats: Float[Tensor, "*T N 4"]
    """Rotations, wxyz, unit length."""
    scales: Float[Tensor, "*T N 3"]
    """Standard deviations along the local axes, metres."""
    opacities: Float[Tensor, "*T N"]
    """0..1."""
    sh: Float[Tensor, "*T N K 3"]
    """Spherical-harmonic colour coefficients, gsplat's order and constants; degree 0 stores (rgb - 0.5) / 0.2821."""

    def frame(self, index: int) -> "Splats":
        """One frame of a batch of posed splats."""
        return Splats(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True, repr=False)
class Camera(Brief):
    """Pinhole cameras with OpenCV axes (x right, y down, z forward)."""

    world_to_camera: Float[Tensor, "C 4 4"]
    """Rigid transforms."""
    intrinsics: Float[Tensor, "C 3 3"]
    """Pixels; the centre of the first pixel is at (0.5, 0.5)."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""

    def resized(self, width: int, height: int) -> "Camera":
        """The same view drawn at another size."""
        scale = torch.tensor([width / self.width, height / self.height, 1.0]).to(self.intrinsics)
        return replace(self, intrinsics=self.intrinsics * scale[:, None], width=width, height=height)


@dataclass(frozen=True, repr=False)
class RenderOutput(Brief):
    """What a rasterizer returns for a batch of cameras."""

    rgb: Float[Tensor, "C H W 3"]
    """Colour over the given background; with the default black background it is premultiplied by alpha."""
    alpha: Float[Tensor, "C H W"]
    """Coverage 0..1."""
    depth: Float[Tensor, "C H W"]
    """Accumulated depth, sum of weight * z, metres (divide by alpha for the expected depth)."""


@dataclass(frozen=True, repr=False)
class PhoneSegment(Brief):
    """One spoken phone."""

    phone: str
    """A name of `motion.phones.PHONES`."""
    start: float
    """Seconds."""
    end: float
    """Seconds."""


@dataclass(frozen=True, repr=False)
class PhonePosteriors(Brief):
    """How likely each phone is at each time."""

    fps: float
    """Frames per second."""
    probabilities: Float[Tensor, "T P"]
    """Rows sum to 1; columns are `motion.phones.PHONES`."""
    energy: Float[Tensor, " T"]
    """Loudness relative to the clip's speech level, natural log units (0 = typical speech, about -4 = silence)."""


def _tensor_fields(value: object) -> list[str]:
    return [field.name for field in fields(value) if isinstance(getattr(value, field.name), Tensor)]  # type: ignore[arg-type]


def _check_columns(name: str, tensor: Tensor, columns: int) -> None:
    if tensor.ndim != 2 or tensor.shape[1] != columns:
        hint = "; transpose it?" if tensor.ndim == 2 and tensor.shape[0] == columns else ""
        raise InputError(f"{name} must be [T, {columns}], got {list(tensor.shape)}{hint}")


def _check_same_length(value: object) -> None:
    lengths = {name: getattr(value, name).shape[0] for name in _tensor_fields(value)}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{type(value).__name__}: all fields need the same number of frames, got {lengths}")
