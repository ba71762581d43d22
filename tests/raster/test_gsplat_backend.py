"""gsplat keeps the contract on a GPU; without one it says so in one line. Skips visibly where there is no CUDA device."""

import pytest
import torch

from emohead.errors import InputError, ResourceError
from emohead.raster import build_rasterizer
from emohead.raster.base import ALPHA_MAX
from emohead.raster.gsplat_backend import GSPLAT_1_5_ALPHA_MAX, GsplatRasterizer, alpha_max_of
from tests.contracts.rasterizer import RasterizerContract, front_camera, one_gaussian

NO_GPU = not torch.cuda.is_available()


@pytest.mark.skipif(NO_GPU, reason="no CUDA device")
class TestGsplat(RasterizerContract):
    """Saturating cases and the clamp hold only from gsplat 1.6 on, whose clamp is ours."""

    device = torch.device("cuda")

    def build(self) -> GsplatRasterizer:
        rasterizer = GsplatRasterizer()
        if rasterizer.alpha_max != ALPHA_MAX:
            pytest.skip(f"this gsplat clamps opacity at {rasterizer.alpha_max}, the contract at {ALPHA_MAX}")
        return rasterizer


@pytest.mark.skipif(NO_GPU, reason="no CUDA device")
def test_splats_on_the_cpu_are_refused():
    with pytest.raises(InputError, match="cuda"):
        GsplatRasterizer()(one_gaussian(), front_camera())


@pytest.mark.skipif(not NO_GPU, reason="a CUDA device is present")
def test_without_a_gpu_it_says_so():
    with pytest.raises(ResourceError, match="no CUDA device"):
        build_rasterizer("cuda")


def test_the_clamp_of_a_version():
    assert alpha_max_of("1.5.3") == GSPLAT_1_5_ALPHA_MAX == 0.999
    assert alpha_max_of("1.6.0") == alpha_max_of("2.0.1+cu128") == ALPHA_MAX == 0.99
