"""The fused loss equals L1 and SSIM written out in torch, value and gradient, at every awkward size."""

import pytest
import torch

from emohead.errors import InputError
from emohead.metrics.image import ssim
from recon.losses import l1_ssim
from tests.unchecked import as_users_run


def _images(height: int, width: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth target and a noisy rendering of it: SSIM's variances are small, which is the hard case in float32."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8 + 2, width // 8 + 2, generator=generator)
    target = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")[0].permute(1, 2, 0).contiguous()
    return target + 0.1 * torch.randn(target.shape, generator=generator), target


def _reference(rendered: torch.Tensor, target: torch.Tensor, weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    rendered, target = rendered.double().requires_grad_(True), target.double()
    loss = (1 - weight) * (rendered - target).abs().mean() + weight * (1 - ssim(rendered, target, border="zero"))
    return loss.detach(), torch.autograd.grad(loss, rendered)[0]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (11, 11), (40, 37), (64, 64), (33, 130)])
@pytest.mark.parametrize("weight", [0.2, 0.0, 1.0])
def test_equals_torch(size: tuple[int, int], weight: float):
    rendered, target = _images(*size)
    rendered.requires_grad_(True)
    loss = l1_ssim(rendered, target, ssim_weight=weight)
    (gradient,) = torch.autograd.grad(3 * loss, rendered)
    expected, expected_gradient = _reference(rendered.detach(), target, weight)
    assert abs(float(loss.detach()) - float(expected)) < 1e-6
    # The variances are differences of squares: in float32 about 1e-7 remains of values near 1, against C2 = 9e-4.
    assert float((gradient / 3 - expected_gradient).norm() / expected_gradient.norm()) < 1e-5


def test_equal_images_cost_nothing():
    _, target = _images(24, 31)
    rendered = target.clone().requires_grad_(True)
    loss = l1_ssim(rendered, target)
    (gradient,) = torch.autograd.grad(loss, rendered)
    assert abs(float(loss.detach())) < 1e-6
    assert float(gradient.abs().max()) < 1e-6


def test_repeats_bit_for_bit_and_takes_views():
    rendered, target = _images(24, 31)
    flipped = rendered.transpose(0, 1), target.transpose(0, 1)
    assert torch.equal(l1_ssim(rendered, target), l1_ssim(rendered, target))
    assert abs(float(l1_ssim(*flipped) - l1_ssim(rendered, target))) < 1e-6


def test_descent_recovers_the_target():
    rendered, target = _images(32, 32)
    rendered.requires_grad_(True)
    optimizer = torch.optim.Adam([rendered], lr=1e-2)
    first = float(l1_ssim(rendered, target).detach())
    for _ in range(60):
        optimizer.zero_grad()
        l1_ssim(rendered, target).backward()
        optimizer.step()
    assert float(l1_ssim(rendered, target).detach()) < 0.15 * first


def test_inputs_it_refuses():
    rendered, target = _images(12, 12)
    with pytest.raises(InputError, match="float32"):
        l1_ssim(rendered.double(), target)
    with as_users_run(), pytest.raises(InputError, match="target must be"):
        l1_ssim(rendered, target[:-1].contiguous())
    with pytest.raises(InputError, match="must not require"):
        l1_ssim(rendered, target.clone().requires_grad_(True))
