"""Rasterizers of 3D Gaussians: one call, several backends."""

from importlib.util import find_spec

import torch

from emohead.errors import InputError
from emohead.raster.base import Rasterizer as Rasterizer


def build_rasterizer(device: str = "auto", *, n_threads: int | None = None) -> Rasterizer:
    """The rasterizer for a device.

    Args:
        device: `auto` (gsplat where CUDA and gsplat are there, else cpu), `cpu`, or `cuda`.
        n_threads: threads of the cpu rasterizer; None takes two.

    Raises:
        InputError: an unknown device.
        ResourceError: `cuda` was asked for and cannot be had.
    """
    kind = device.split(":")[0]
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() and find_spec("gsplat") is not None else "cpu"
    if kind == "cpu":
        from emohead.raster.cpu import CpuRasterizer

        return CpuRasterizer(n_threads)
    if kind == "cuda":
        from emohead.raster.gsplat_backend import GsplatRasterizer

        return GsplatRasterizer()
    raise InputError(f"unknown device {device!r}; use auto, cpu or cuda")
