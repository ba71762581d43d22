"""The specification itself: its gradients by finite differences, its projection and colours against gsplat's own torch code."""

from dataclasses import fields, replace

import pytest
import torch

from emohead.raster.base import BLUR_VARIANCE, COMPENSATION_MIN
from emohead.raster.spherical_harmonics import sh_to_rgb
from emohead.raster.torch_reference import TorchReference, project
from emohead.types import Splats
from tests.contracts.rasterizer import BACKGROUND, CASES, Case, RasterizerContract, camera_of, moved, random_splats


class TestTorchReference(RasterizerContract):
    """In float32, against itself in float64: the tolerances hold for a plain float32 implementation."""

    def build(self) -> TorchReference:
        return TorchReference()


@pytest.mark.parametrize("antialiased", [False, True])
def test_gradients_by_finite_differences(antialiased: bool):
    case = Case(4, (6, 5), 2, n_bases=4)
    camera = moved(camera_of(case), torch.float64)
    splats = moved(random_splats(case), torch.float64)
    values = [getattr(splats, field.name).requires_grad_(True) for field in fields(splats)]
    background = BACKGROUND.double().requires_grad_(True)

    def draw(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output = TorchReference()(Splats(*tensors[:5]), camera, background=tensors[5], antialiased=antialiased)
        return output.rgb, output.alpha, output.depth

    assert torch.autograd.gradcheck(draw, (*values, background), eps=1e-7, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", ["sparse", "wide", "saturating"])
def test_projection_equals_gsplat(name: str):
    gsplat = pytest.importorskip("gsplat.cuda._torch_impl", reason="gsplat is not installed")
    case = CASES[name]
    splats, camera = moved(random_splats(case), torch.float64), moved(camera_of(case), torch.float64)
    covariances, _ = gsplat._quat_scale_to_covar_preci(splats.quats, splats.scales, True, False, False)
    radii, means, depths, conics, compensations = gsplat._fully_fused_projection(
        splats.means, covariances, camera.world_to_camera, camera.intrinsics, *case.size, eps2d=BLUR_VARIANCE, calc_compensations=True
    )
    ours = project(splats, camera.world_to_camera[0], camera.intrinsics[0], case.size)
    seen = (radii[0] > 0).all(-1)
    assert int(seen.sum()) > 20 and bool(ours.valid[seen].all())
    pairs = {
        "means": (ours.means, means[0]),
        "depths": (ours.depths, depths[0]),
        "conics": (ours.conics, conics[0]),
        # gsplat >= 1.6 has this floor, 1.5 has not.
        "compensation": (ours.compensation, compensations[0].clamp_min(COMPENSATION_MIN)),
    }
    for label, (found, expected) in pairs.items():
        assert torch.allclose(found[seen], expected[seen], rtol=1e-5, atol=1e-9), label


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_colours_equal_gsplat(degree: int):
    gsplat = pytest.importorskip("gsplat.cuda._torch_impl", reason="gsplat is not installed")
    random = torch.Generator().manual_seed(degree)
    sh = torch.randn(50, (degree + 1) ** 2, 3, generator=random, dtype=torch.float64)
    directions = torch.randn(50, 3, generator=random, dtype=torch.float64)
    expected = (gsplat._spherical_harmonics(degree, directions, sh) + 0.5).clamp_min(0)
    assert torch.allclose(sh_to_rgb(sh, directions), expected, rtol=1e-5, atol=1e-9)


def test_colours_do_not_depend_on_the_length_of_directions():
    random = torch.Generator().manual_seed(0)
    sh, directions = torch.randn(20, 16, 3, generator=random), torch.randn(20, 3, generator=random)
    assert torch.allclose(sh_to_rgb(sh, directions), sh_to_rgb(sh, 7 * directions), atol=1e-5)


def test_quaternions_of_any_length_mean_the_same_rotation():
    case = CASES["sparse"]
    splats = moved(random_splats(case), torch.float64)
    longer = replace(splats, quats=splats.quats * 3)
    camera = moved(camera_of(case), torch.float64)
    assert torch.allclose(TorchReference()(splats, camera).rgb, TorchReference()(longer, camera).rgb, atol=1e-12)
