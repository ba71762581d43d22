"""How close two images are: PSNR and SSIM in plain torch, differentiable, any dtype; also the specification of `recon.losses`."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError

SSIM_WINDOW = 11
"""Pixels of SSIM's Gaussian window, in each direction (Wang et al. 2004, section III.C)."""
SSIM_SIGMA = 1.5
"""Standard deviation of that window, pixels."""
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
"""Stabilisers for values in 0..1 (Wang et al. 2004, K1 and K2)."""


def psnr(first: Float[Tensor, "H W 3"], second: Float[Tensor, "H W 3"]) -> Float[Tensor, ""]:
    """Peak signal-to-noise ratio of images 0..1, dB: -10 log10 of the mean squared error; infinite for equal images."""
    _check_pair(first, second)
    return -10 * torch.log10((first - second).square().mean())


def ssim(first: Float[Tensor, "H W 3"], second: Float[Tensor, "H W 3"], *, border: Literal["valid", "zero"] = "valid") -> Float[Tensor, ""]:
    """Structural similarity of images 0..1, mean over pixels and RGB (Wang et al. 2004, equation 13).

    Args:
        first: image.
        second: image of the same size.
        border: `valid` scores only pixels whose 11x11 window lies inside the image (the paper's own code); `zero` continues both
            images with black and scores every pixel (what 3D Gaussian splatting trains with).

    Raises:
        InputError: different sizes, or smaller than the window with `valid`.
    """
    _check_pair(first, second)
    if border == "valid" and min(first.shape[0], first.shape[1]) < SSIM_WINDOW:
        raise InputError(f"ssim: images must be at least {SSIM_WINDOW}x{SSIM_WINDOW}, got {list(first.shape)}; use border='zero'")
    padding = 0 if border == "valid" else SSIM_WINDOW // 2
    mean_a, mean_b, square_a, square_b, product = (
        _blurred(image, padding) for image in (first, second, first * first, second * second, first * second)
    )
    luminance = (2 * mean_a * mean_b + SSIM_C1) / (mean_a.square() + mean_b.square() + SSIM_C1)
    variances = square_a - mean_a.square() + square_b - mean_b.square()
    structure = (2 * (product - mean_a * mean_b) + SSIM_C2) / (variances + SSIM_C2)
    return (luminance * structure).mean()


def ssim_window() -> list[float]:
    """SSIM's Gaussian window in one direction; the weights sum to 1."""
    half = SSIM_WINDOW // 2
    weights = [math.exp(-0.5 * (offset / SSIM_SIGMA) ** 2) for offset in range(-half, half + 1)]
    return [weight / sum(weights) for weight in weights]


def _blurred(image: Tensor, padding: int) -> Tensor:
    """Row by row and column by column, as weighted sums of shifted planes: several times faster on a CPU than a convolution."""
    weights, centre = ssim_window(), SSIM_WINDOW // 2
    planes = torch.nn.functional.pad(image.permute(2, 0, 1), (padding,) * 4)
    for side in (2, 1):
        length = planes.shape[side] - SSIM_WINDOW + 1
        total = weights[centre] * planes.narrow(side, centre, length)
        for step in range(centre):
            total = total + weights[step] * (planes.narrow(side, step, length) + planes.narrow(side, SSIM_WINDOW - 1 - step, length))
        planes = total
    return planes


def _check_pair(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape or first.ndim != 3 or first.numel() == 0:
        raise InputError(f"images to compare must both be [H W 3], got {list(first.shape)} and {list(second.shape)}")
