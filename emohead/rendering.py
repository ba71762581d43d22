"""From head motion to pictures: head model -> avatar -> rasterizer, a few frames at a time so that memory stays bounded."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from emohead.avatar import GaussianAvatar
from emohead.errors import InputError
from emohead.head.base import HeadModel
from emohead.raster.base import Rasterizer
from emohead.types import Camera, HeadMotion

CHUNK = 16
"""Frames that are posed at once: enough to share the cost of a call, few enough for some 30 MB per 10,000 Gaussians."""
SIZES = (64, 2048)
"""Smallest and largest picture side in pixels."""


@dataclass(frozen=True)
class Renderer:
    """Everything that turns motion into pictures, on one device."""

    avatar: GaussianAvatar
    """Who is drawn."""
    head: HeadModel
    """The head model the avatar is bound to."""
    rasterizer: Rasterizer
    """Draws the Gaussians."""
    device: torch.device
    """Where it runs."""

    def camera(self, size: int) -> Camera:
        """The avatar's own view as a square picture.

        Raises:
            InputError: `size` is odd or outside `SIZES`.
        """
        if size % 2 or not SIZES[0] <= size <= SIZES[1]:
            raise InputError(f"size {size} cannot be rendered; give an even number from {SIZES[0]} to {SIZES[1]}")
        return self.avatar.camera.resized(size, size)

    def frames(self, motion: HeadMotion, camera: Camera) -> Iterator[UInt8[Tensor, "H W 3"]]:
        """The pictures of `motion`, drawn when they are asked for."""
        for start in range(0, motion.n_frames, CHUNK):
            part = motion.frames(start, min(start + CHUNK, motion.n_frames)).to(self.device)
            with torch.inference_mode():
                splats = self.avatar.pose(self.head(self.avatar.identity, part), part)
            for index in range(part.n_frames):
                with torch.inference_mode():
                    drawn = self.rasterizer(splats.frame(index), camera, background=self.avatar.background)
                    picture = drawn.rgb[0].mul(255.0).add_(0.5).clamp_(0.0, 255.0).to(torch.uint8).cpu()
                yield picture
