"""PSNR and SSIM: known values, the window written out pixel by pixel, and what they refuse."""

import math

import pytest
import torch

from emohead.errors import InputError
from emohead.metrics.image import SSIM_C1, SSIM_C2, psnr, ssim, ssim_window
from tests.unchecked import as_users_run


def _pair(height: int = 16, width: int = 19, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand(height, width, 3, generator=generator, dtype=torch.float64)
    return first, (first + 0.2 * torch.randn(first.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)


def test_psnr_of_a_known_error():
    image = torch.full((8, 8, 3), 0.5)
    assert math.isclose(float(psnr(image, image + 0.1)), 20.0, abs_tol=1e-4)
    assert float(psnr(image, image)) == math.inf


@pytest.mark.parametrize("border", ["valid", "zero"])
def test_ssim_of_equal_images_is_one(border):
    image, other = _pair()
    assert math.isclose(float(ssim(image, image, border=border)), 1.0, abs_tol=1e-12)
    assert float(ssim(image, other, border=border)) < 0.99


def test_ssim_of_constant_images_is_the_luminance_term():
    dark, light = torch.full((12, 12, 3), 0.2, dtype=torch.float64), torch.full((12, 12, 3), 0.6, dtype=torch.float64)
    expected = (2 * 0.2 * 0.6 + SSIM_C1) / (0.2**2 + 0.6**2 + SSIM_C1)
    assert math.isclose(float(ssim(dark, light)), expected, rel_tol=1e-9)


def test_ssim_against_its_definition_at_every_pixel():
    first, second = _pair()
    window = torch.tensor(ssim_window(), dtype=torch.float64)
    weights = torch.outer(window, window)
    scores = []
    for channel in range(3):
        for y in range(first.shape[0] - 10):
            for x in range(first.shape[1] - 10):
                a, b = (image[y : y + 11, x : x + 11, channel] for image in (first, second))
                mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                variance_a, variance_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
                covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
                luminance = (2 * mean_a * mean_b + SSIM_C1) / (mean_a**2 + mean_b**2 + SSIM_C1)
                scores.append(luminance * (2 * covariance + SSIM_C2) / (variance_a + variance_b + SSIM_C2))
    assert math.isclose(float(ssim(first, second)), float(torch.stack(scores).mean()), rel_tol=1e-9)


def test_both_are_symmetric():
    first, second = _pair()
    assert torch.equal(psnr(first, second), psnr(second, first))
    assert math.isclose(float(ssim(first, second)), float(ssim(second, first)), rel_tol=1e-12)


def test_images_that_cannot_be_compared():
    image, _ = _pair()
    with as_users_run(), pytest.raises(InputError, match="must both be"):
        psnr(image, image[:-1])
    with pytest.raises(InputError, match="at least 11x11"):
        ssim(image[:10], image[:10])
    assert math.isclose(float(ssim(image[:10], image[:10], border="zero")), 1.0, abs_tol=1e-12)
