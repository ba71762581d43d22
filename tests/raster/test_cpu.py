"""The numba rasterizer: the contract, and what only it promises (same bits, several images alive at once, threads)."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numba
import pytest
import torch

from emohead.errors import InputError
from emohead.raster import build_rasterizer
from emohead.raster.cpu import CpuRasterizer
from emohead.types import Camera, Splats
from tests.contracts.rasterizer import (
    CASES,
    Case,
    RasterizerContract,
    as_leaves,
    camera_of,
    front_camera,
    images,
    moved,
    one_gaussian,
    random_splats,
    weighted_sum,
)

CROWD = Case(3000, (200, 120), 11, dense=False, antialiased=True)


class TestCpu(RasterizerContract):
    def build(self) -> CpuRasterizer:
        return CpuRasterizer()


def _gradients(rasterizer: CpuRasterizer, case: Case, seed: int = 0) -> list[torch.Tensor]:
    splats = as_leaves(random_splats(case))
    loss = weighted_sum(rasterizer(splats, camera_of(case), antialiased=case.antialiased), seed)
    return list(torch.autograd.grad(loss, [getattr(splats, field.name) for field in fields(splats)]))


def test_same_bits_on_repeat():
    rasterizer = CpuRasterizer()
    first = images(rasterizer(random_splats(CROWD), camera_of(CROWD)))
    again = images(rasterizer(random_splats(CROWD), camera_of(CROWD)))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(_gradients(rasterizer, CROWD), _gradients(rasterizer, CROWD), strict=True))


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="numba may use one thread only (NUMBA_NUM_THREADS)")  # type: ignore
def test_same_bits_with_one_thread_and_two():
    one, two = CpuRasterizer(1), CpuRasterizer(2)
    drawn = [images(rasterizer(random_splats(CROWD), camera_of(CROWD))) for rasterizer in (one, two)]
    assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(_gradients(one, CROWD), _gradients(two, CROWD), strict=True))


def test_images_alive_at_once_keep_their_own_gradients():
    rasterizer = CpuRasterizer()
    cases = [CASES["sparse"], CASES["saturating"]]
    alone = [_gradients(rasterizer, case) for case in cases]
    leaves = [as_leaves(random_splats(case)) for case in cases]
    losses = [weighted_sum(rasterizer(s, camera_of(c), antialiased=c.antialiased)) for s, c in zip(leaves, cases, strict=True)]
    for splats, loss, expected in zip(leaves, losses, alone, strict=True):
        found = torch.autograd.grad(loss, [getattr(splats, field.name) for field in fields(splats)])
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_backward_twice_gives_the_same():
    splats = as_leaves(random_splats(CASES["sparse"]))
    loss = weighted_sum(CpuRasterizer()(splats, camera_of(CASES["sparse"])))
    first = torch.autograd.grad(loss, splats.means, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, splats.means)[0])


def test_an_image_changed_in_place_is_noticed():
    splats = as_leaves(random_splats(CASES["sparse"]))
    output = CpuRasterizer()(splats, camera_of(CASES["sparse"]))
    with torch.no_grad():
        output.rgb.mul_(0.5)
    with pytest.raises(RuntimeError, match="inplace"):
        torch.autograd.grad(weighted_sum(output), splats.means)


def test_several_python_threads():
    rasterizer = CpuRasterizer()
    case = CASES["saturating"]
    expected = images(rasterizer(random_splats(case), camera_of(case)))
    with ThreadPoolExecutor(4) as pool:
        for drawn in pool.map(lambda _: images(rasterizer(random_splats(case), camera_of(case))), range(12)):
            assert all(torch.equal(a, b) for a, b in zip(drawn, expected, strict=True))


def test_splats_that_are_views_of_one_tensor():
    case = CASES["sparse"]
    splats = random_splats(case)
    packed = torch.cat([splats.means, splats.quats, splats.scales], 1)
    views = Splats(packed[:, :3], packed[:, 3:7], packed[:, 7:], splats.opacities, splats.sh)
    assert torch.equal(CpuRasterizer()(views, camera_of(case)).rgb, CpuRasterizer()(splats, camera_of(case)).rgb)


def test_a_size_drawn_smaller_after_a_larger_one():
    rasterizer = CpuRasterizer()
    small = images(CpuRasterizer()(random_splats(CASES["sparse"]), camera_of(CASES["sparse"])))
    rasterizer(random_splats(CROWD), camera_of(CROWD))
    again = images(rasterizer(random_splats(CASES["sparse"]), camera_of(CASES["sparse"])))
    assert all(torch.equal(a, b) for a, b in zip(small, again, strict=True))


def test_many_equal_gaussians_on_one_spot():
    pile = Splats(*(getattr(one_gaussian(opacity=0.05), field.name).repeat_interleave(400, 0) for field in fields(Splats)))
    alpha = CpuRasterizer()(pile, front_camera()).alpha
    assert 0.9998 < float(alpha.max()) < 1.0


def test_precision_it_refuses():
    with pytest.raises(InputError, match="float32"):
        CpuRasterizer()(moved(one_gaussian(), torch.float64), front_camera())


def test_thread_counts_it_refuses():
    with pytest.raises(InputError, match="1 or more, got 0"):
        CpuRasterizer(0)


def test_what_auto_picks():
    assert build_rasterizer("auto").name == ("gsplat" if torch.cuda.is_available() else "cpu")
    assert build_rasterizer("cpu", n_threads=1) == CpuRasterizer(1)
    with pytest.raises(InputError, match="unknown device"):
        build_rasterizer("tpu")


def test_importing_the_package_does_not_load_numba():
    code = "import sys, emohead.raster, emohead.raster.torch_reference; print('numba' in sys.modules)"
    root = Path(__file__).parents[2]
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True).stdout.strip()
    assert loaded == "False"


def test_a_camera_in_double_precision_is_fine():
    camera: Camera = moved(front_camera(), torch.float64)
    assert torch.equal(CpuRasterizer()(one_gaussian(), camera).rgb, CpuRasterizer()(one_gaussian(), front_camera()).rgb)
