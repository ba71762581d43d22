"""An avatar that is measured: drawn by any motion and camera, in front of its own background."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.avatar import read_emo
from emohead.pipeline import Pipeline
from emohead.rendering import Renderer
from emohead.types import Camera, HeadMotion
from recon.landmark_head import landmark_points
from recon.motion_model import Points


@dataclass(frozen=True)
class Subject:
    """Who is measured."""

    renderer: Renderer
    """Avatar, head model, rasterizer and device."""
    calibrate: Callable[[HeadMotion], HeadMotion] | None = None
    """Tracked motion of this person to what the face really did, as the fit learned it."""

    @classmethod
    def load(cls, name_or_path: str | Path, *, device: str = "auto") -> "Subject":
        """An avatar from its file.

        Args:
            name_or_path: `demo`, or an .emo file.
            device: `cpu`, `cuda` or `auto`.

        Raises:
            InputError: no such avatar, a damaged file, or a head model without landmarks.
        """
        pipeline = Pipeline.from_pretrained(name_or_path, device=device)
        _, record = read_emo(pipeline.avatar_path)
        weights = getattr(record, "calibration", None)
        if weights is None:
            return cls(pipeline.renderer)
        from recon.calibration import Calibration

        return cls(pipeline.renderer, Calibration(weights))

    @property
    def landmarks(self) -> Points:
        """The head model reduced to its landmarks."""
        return landmark_points(self.renderer.head)

    def corrected(self, motion: HeadMotion) -> HeadMotion:
        """A track of this person with the tracker's bias taken off."""
        return self.calibrate(motion) if self.calibrate else motion

    @torch.no_grad()
    def draw(self, motion: HeadMotion, camera: Camera | None = None) -> Float[Tensor, "H W 3"]:
        """The first frame of `motion`, from the avatar's own view or another; on the CPU, not clipped."""
        renderer = self.renderer
        first = motion.frames(0, 1).to(renderer.device)
        splats = renderer.avatar.pose(renderer.head(renderer.avatar.identity, first), first).frame(0)
        view = _on(camera, renderer.device) if camera else renderer.avatar.camera
        return renderer.rasterizer(splats, view, background=renderer.avatar.background).rgb[0].cpu()


def project(world: Float[Tensor, "T n 3"], camera: Camera) -> Float[Tensor, "T n 2"]:
    """Pixels of world points in the picture of one camera."""
    world_to_camera, intrinsics = camera.world_to_camera[0].to(world), camera.intrinsics[0].to(world)
    in_camera = world @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    return in_camera[..., :2] / in_camera[..., 2:] * intrinsics.diagonal()[:2] + intrinsics[:2, 2]


def _on(camera: Camera, device: torch.device) -> Camera:
    return replace(camera, world_to_camera=camera.world_to_camera.to(device), intrinsics=camera.intrinsics.to(device))
