"""Gaussians on an NVIDIA GPU through gsplat (Ye et al. 2024), an optional package; asked for, never fallen back to."""

import importlib
import importlib.metadata
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError, ResourceError
from emohead.raster.base import ALPHA_MAX, BLUR_VARIANCE, NEAR_PLANE
from emohead.raster.checks import check_scene
from emohead.types import Camera, RenderOutput, Splats

GSPLAT_1_5_ALPHA_MAX = 0.999
"""Largest opacity of one Gaussian in one pixel in gsplat 1.5, where every other rasterizer here and gsplat >= 1.6 have 0.99. Pictures
differ only inside nearly opaque Gaussians, by up to 0.009 of a Gaussian's colour."""
GSPLAT_1_5_COMPENSATION_MIN = 0.0
"""gsplat 1.5 has no floor under the antialiasing factor, where others have `base.COMPENSATION_MIN`."""

_SH_DEGREES = {1: 0, 4: 1, 9: 2, 16: 3}


@dataclass(frozen=True)
class GsplatRasterizer:
    """Draws Gaussians on a CUDA device; the rasterizer protocol of `raster.base`."""

    @property
    def name(self) -> str:
        """`gsplat`."""
        return "gsplat"

    def __post_init__(self):
        if not torch.cuda.is_available():
            raise ResourceError("rasterizer gsplat: no CUDA device is available; use the device cpu")
        if find_spec("gsplat") is None:
            raise ResourceError("rasterizer gsplat: gsplat is not installed; run: pip install 'emohead[cuda]'")
        # gsplat builds its kernels when this module is first imported and leaves None where it found no compiler.
        if getattr(importlib.import_module("gsplat.cuda._backend"), "_C", self) is None:
            raise ResourceError("rasterizer gsplat: gsplat has no CUDA kernels; install a CUDA toolkit (nvcc) or a wheel that has them")

    @property
    def alpha_max(self) -> float:
        """Largest opacity of one Gaussian in one pixel in the installed version."""
        return alpha_max_of(importlib.metadata.version("gsplat"))

    def __call__(
        self, splats: Splats, camera: Camera, *, background: Float[Tensor, "3"] | None = None, antialiased: bool = False
    ) -> RenderOutput:
        """See `raster.base.Rasterizer`.

        Raises:
            InputError: splats that are not in float32 on a CUDA device, or that `raster.checks` refuses.
        """
        from gsplat import rasterization

        check_scene(splats, camera, background)
        means = splats.means
        if means.device.type != "cuda" or means.dtype != torch.float32:
            raise InputError(f"rasterizer gsplat: splats must be float32 on a cuda device, got {means.dtype} on {means.device}")
        if means.shape[0] == 0:
            return _empty(camera, background, means.device)
        colors, alpha, _ = rasterization(
            splats.means,
            splats.quats,
            splats.scales,
            splats.opacities,
            splats.sh,
            camera.world_to_camera.to(means),
            camera.intrinsics.to(means),
            camera.width,
            camera.height,
            near_plane=NEAR_PLANE,
            eps2d=BLUR_VARIANCE,
            sh_degree=_SH_DEGREES[splats.sh.shape[1]],
            packed=False,
            render_mode="RGB+D",
            rasterize_mode="antialiased" if antialiased else "classic",
        )
        rgb = colors[..., :3]
        if background is not None:
            rgb = rgb + (1 - alpha) * background.to(rgb)
        return RenderOutput(rgb, alpha[..., 0], colors[..., 3])


def alpha_max_of(version: str) -> float:
    """Where a version of gsplat, such as `1.5.3`, clamps opacity."""
    major, minor = (int(number) for number in version.split(".")[:2])
    return GSPLAT_1_5_ALPHA_MAX if (major, minor) < (1, 6) else ALPHA_MAX


def _empty(camera: Camera, background: Tensor | None, device: torch.device) -> RenderOutput:
    nothing = torch.zeros(camera.intrinsics.shape[0], camera.height, camera.width, device=device)
    rgb = nothing[..., None].repeat(1, 1, 1, 3)
    return RenderOutput(rgb if background is None else rgb + background.to(rgb), nothing, nothing.clone())
