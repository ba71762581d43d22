"""The protocol every rasterizer follows, and the constants of the image they all agree on (gsplat's conventions)."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from emohead.types import Camera, RenderOutput, Splats

ALPHA_MAX = 0.99
"""Largest opacity of one Gaussian in one pixel (gsplat >= 1.6; gsplat 1.5 has 0.999)."""
ALPHA_MIN = 1.0 / 255.0
"""A contribution below this is skipped."""
TRANSMITTANCE_STOP = 1e-4
"""A pixel is finished when the next Gaussian would bring its transmittance to this or below; that Gaussian is left out."""
BLUR_VARIANCE = 0.3
"""Variance in px^2 added to each projected covariance (gsplat's eps2d)."""
NEAR_PLANE = 0.01
"""Metres; Gaussians closer than this are not drawn."""

FOV_MARGIN = 0.3
"""Share of the half field of view, beyond the image, up to which the projection's Jacobian is evaluated."""
COMPENSATION_MIN = 0.005
"""Smallest antialiasing factor (gsplat >= 1.6)."""


@runtime_checkable
class Rasterizer(Protocol):
    """Draws posed Gaussians. Differentiable in every field of `splats` and in the background."""

    @property
    def name(self) -> str:
        """What it is called in reports: `cpu`, `gsplat` or `torch_reference`."""
        ...

    def __call__(
        self, splats: Splats, camera: Camera, *, background: Float[Tensor, "3"] | None = None, antialiased: bool = False
    ) -> RenderOutput:
        """One frame of splats (no leading axis) seen by each of `camera`'s views.

        Args:
            splats: one frame, `[N ..]`.
            camera: `C` views.
            background: RGB 0..1; None is black, so that `rgb` is premultiplied by `alpha`.
            antialiased: scale opacities by the footprint's energy before the blur (Mip-Splatting's 2D filter, gsplat's "antialiased").
        """
        ...
