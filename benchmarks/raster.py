"""How fast the cpu rasterizer draws and differentiates: a Markdown table, or --json.

    python benchmarks/raster.py [--json raster.json] [--repeats 40] [--plain]

The scene is a synthetic head: an ellipsoid shell over 60 % of a 512x512 image, front and back, flat Gaussians whose long axis covers
4 to 12 px (3 sigma) at 30 000 and shrinks as the count grows, so that coverage stays the same; opacities 0.6 to 0.99 for 60 % of them.
Times are milliseconds, minimum / median of the repeats, colour of degree 0. Minima are to be trusted on a machine that does other work;
figures for 2 threads need two idle cores. `--plain` adds the ratio to a plain torch loop over the same tiles (slow).
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path

import torch

from emohead.raster.base import ALPHA_MAX, ALPHA_MIN, TRANSMITTANCE_STOP
from emohead.raster.cpu import CpuRasterizer
from emohead.raster.torch_reference import project
from emohead.types import Camera, RenderOutput, Splats

COUNTS = (10_000, 30_000, 60_000, 120_000)
SIZE = 512
PLAIN_TILE = 16
Draw = Callable[[Splats, Camera], RenderOutput]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--repeats", type=int, default=40, help="repeats of each measurement")
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS), help="numbers of Gaussians")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads")
    parser.add_argument("--plain", action="store_true", help="also time a plain torch loop over tiles, 30 000 Gaussians, 1 thread")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    differentiate(CpuRasterizer(1), *head_scene(1000))
    figures = {"cpu_first_call_s": time.perf_counter() - started}
    measure(figures, arguments.counts, arguments.threads, arguments.repeats)
    print(machine())
    print(table(figures, arguments.counts, arguments.threads))
    if arguments.plain:
        compare_with_plain(figures, arguments.repeats)
    print(f"\nFirst forward and backward, compiled or read from numba's cache: {figures['cpu_first_call_s']:.1f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def measure(figures: dict[str, float], counts: list[int], thread_counts: list[int], repeats: int) -> None:
    """Time every combination in turns, so that a busy minute does not fall on one of them alone."""
    times: dict[str, list[float]] = {}
    scenes = {count: head_scene(count) for count in counts}
    rasterizers = {threads: CpuRasterizer(threads) for threads in thread_counts}
    for _ in range(max(1, repeats // 5)):
        for threads, rasterizer in rasterizers.items():
            for count, scene in scenes.items():
                prefix = f"cpu_{count // 1000}k_{threads}t"
                times.setdefault(f"{prefix}_forward", []).extend(milliseconds(partial(draw, rasterizer, *scene), 5))
                times.setdefault(f"{prefix}_both", []).extend(milliseconds(partial(differentiate, rasterizer, *scene), 5))
    for key, values in times.items():
        add(figures, key, values)


def head_scene(count: int, *, size: int = SIZE, seed: int = 0) -> tuple[Splats, Camera]:
    """The synthetic head and its camera."""
    random = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, generator=random)

    axes, distance = torch.tensor([0.8, 1.0, 0.9]), 5.0
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=1)
    normal = torch.nn.functional.normalize(direction / axes, dim=1)
    means = direction * axes * (1 + 0.01 * torch.randn(count, 1, generator=random))
    focal = math.sqrt(0.6 * size * size / (math.pi * 0.8)) * math.sqrt(distance**2 - 0.9**2)
    pixels = torch.exp(uniform(math.log(4), math.log(12))) / 3 * math.sqrt(30_000 / count)
    long = pixels * distance / (focal * 512 / size)
    tangent = torch.nn.functional.normalize(torch.linalg.cross(normal, torch.randn(count, 3, generator=random)), dim=1)
    rotation = torch.stack([tangent, torch.linalg.cross(normal, tangent), normal], 2)
    opaque = torch.rand(count, generator=random) < 0.6
    colors = (0.5 + 0.3 * torch.sin(3 * means + torch.arange(3.0)) + 0.05 * torch.randn(count, 3, generator=random)).clamp(0, 1)
    splats = Splats(
        means,
        quats_of(rotation),
        torch.stack([long, long * uniform(0.4, 1.0), long * uniform(0.15, 0.35)], 1),
        torch.where(opaque, uniform(0.6, 0.99), uniform(0.05, 0.6)),
        ((colors - 0.5) / 0.28209479)[:, None],
    )
    world_to_camera = torch.eye(4)
    cosine, sine = math.cos(0.2), math.sin(0.2)
    world_to_camera[:3, :3] = torch.tensor([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    world_to_camera[2, 3] = distance
    intrinsics = torch.tensor([[[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]]])
    return splats, Camera(world_to_camera[None], intrinsics, size, size)


def quats_of(rotations: torch.Tensor) -> torch.Tensor:
    """Quaternions (wxyz) of rotation matrices [N 3 3] (Shepperd 1978: the largest of the four candidates)."""
    m = rotations.flatten(1).T
    trace = m[0] + m[4] + m[8]
    candidates = torch.stack(
        [
            torch.stack([1 + trace, m[7] - m[5], m[2] - m[6], m[3] - m[1]], 1),
            torch.stack([m[7] - m[5], 1 + m[0] - m[4] - m[8], m[1] + m[3], m[2] + m[6]], 1),
            torch.stack([m[2] - m[6], m[1] + m[3], 1 - m[0] + m[4] - m[8], m[5] + m[7]], 1),
            torch.stack([m[3] - m[1], m[2] + m[6], m[5] + m[7], 1 - m[0] - m[4] + m[8]], 1),
        ],
        1,
    )  # [N, 4, 4]; row i is proportional to the quaternion, with its i-th entry positive
    best = torch.diagonal(candidates, dim1=1, dim2=2).argmax(1)
    return torch.nn.functional.normalize(candidates[torch.arange(len(best)), best], dim=1)


@torch.no_grad()
def draw(rasterizer: Draw, splats: Splats, camera: Camera) -> RenderOutput:
    """Forward only."""
    return rasterizer(splats, camera)


def differentiate(rasterizer: Draw, splats: Splats, camera: Camera) -> None:
    """Forward, and backward from gradients of all three images to all fields of the splats."""
    leaves = Splats(*(getattr(splats, field.name).requires_grad_(True) for field in fields(splats)))
    output = rasterizer(leaves, camera)
    drawn = [output.rgb, output.alpha, output.depth]
    torch.autograd.grad(drawn, [getattr(leaves, field.name) for field in fields(leaves)], [torch.ones_like(image) for image in drawn])


def milliseconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Wall times of a call, after two that do not count."""
    times = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - started))
    return times[2:]


def add(figures: dict[str, float], key: str, times: list[float]) -> None:
    """Minimum under `<key>_ms`, median under `<key>_median_ms`."""
    figures[f"{key}_ms"], figures[f"{key}_median_ms"] = min(times), statistics.median(times)


def table(figures: dict[str, float], counts: list[int], thread_counts: list[int]) -> str:
    """Markdown, one row per number of Gaussians."""
    columns = [(threads, kind) for threads in thread_counts for kind in ("forward", "both")]
    titles = [f"{'forward' if kind == 'forward' else 'forward + backward'}, {threads} thread(s)" for threads, kind in columns]
    rows = ["| Gaussians | " + " | ".join(titles) + " |", "|--:|" + "--:|" * len(columns)]
    for count in counts:
        keys = [f"cpu_{count // 1000}k_{threads}t_{kind}" for threads, kind in columns]
        rows.append(f"| {count} | " + " | ".join(f"{figures[f'{key}_ms']:.1f} / {figures[f'{key}_median_ms']:.1f}" for key in keys) + " |")
    return "\n".join(rows)


def machine() -> str:
    """What this ran on, for the heading."""
    try:
        names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    except OSError:
        names = []
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{SIZE}x{SIZE}, {names[0] if names else platform.processor()}, {os.cpu_count()} cores{load}, torch {torch.__version__}\n"


def compare_with_plain(figures: dict[str, float], repeats: int) -> None:
    """Time the plain torch loop against the cpu rasterizer, in turns, and print the ratios of the minima."""
    splats, camera = head_scene(30_000)
    with torch.no_grad():
        difference = (plain_draw(splats, camera).rgb - CpuRasterizer(1)(splats, camera).rgb).abs().mean()
    print(f"\nPlain torch tile loop, 30 000 Gaussians, 1 thread; mean difference of the images {float(difference):.1e}\n")
    rounds = max(2, repeats // 10)
    for kind, call in (("forward", draw), ("both", differentiate)):
        slow, fast = [], []
        for _ in range(rounds):
            slow += milliseconds(partial(call, plain_draw, splats, camera), 1)
            fast += milliseconds(partial(call, CpuRasterizer(1), splats, camera), 5)
        add(figures, f"plain_30k_1t_{kind}", slow)
        figures[f"plain_over_cpu_30k_1t_{kind}_ratio"] = min(slow) / min(fast)
        print(f"{kind}: plain {min(slow):.0f} ms, cpu {min(fast):.1f} ms, ratio {min(slow) / min(fast):.0f}")


def plain_draw(splats: Splats, camera: Camera) -> RenderOutput:
    """What one writes first: project everything, sort, then per 16x16 tile a dense pixels-by-Gaussians blend, in float32."""
    size = (camera.width, camera.height)
    projection = project(splats, camera.world_to_camera[0], camera.intrinsics[0], size)
    colors = (splats.sh[:, 0] * 0.28209479 + 0.5).clamp_min(0)
    values = torch.cat([colors, projection.depths[:, None]], 1)
    order = torch.argsort(projection.depths.detach())
    order = order[projection.valid[order]]
    with torch.no_grad():
        xx, xy, yy = projection.conics.unbind(1)
        spread = torch.stack([yy, xx], 1) / (xx * yy - xy * xy)[:, None]  # variances in x and y
        reach = (2 * torch.log(splats.opacities.clamp_min(ALPHA_MIN) / ALPHA_MIN))[:, None]
        low, high = projection.means - (reach * spread).sqrt(), projection.means + (reach * spread).sqrt()
    rows = []
    for top in range(0, camera.height, PLAIN_TILE):
        in_row = order[(high[order, 1] > top) & (low[order, 1] < top + PLAIN_TILE)]
        tiles = []
        for left in range(0, camera.width, PLAIN_TILE):
            ids = in_row[(high[in_row, 0] > left) & (low[in_row, 0] < left + PLAIN_TILE)]
            tiles.append(plain_tile(projection.means[ids], projection.conics[ids], splats.opacities[ids], values[ids], left, top))
        rows.append(torch.cat(tiles, 1))
    image = torch.cat(rows)
    return RenderOutput(image[None, ..., :3], image[None, ..., 4], image[None, ..., 3])


def plain_tile(
    means: torch.Tensor, conics: torch.Tensor, opacities: torch.Tensor, values: torch.Tensor, left: int, top: int
) -> torch.Tensor:
    """One tile [16, 16, 5]: rgb, depth, alpha."""
    y, x = torch.meshgrid(torch.arange(PLAIN_TILE) + top + 0.5, torch.arange(PLAIN_TILE) + left + 0.5, indexing="ij")
    dx, dy = x.reshape(1, -1) - means[:, :1], y.reshape(1, -1) - means[:, 1:]
    exponent = 0.5 * (conics[:, :1] * dx * dx + conics[:, 2:] * dy * dy) + conics[:, 1:2] * dx * dy
    alpha = (opacities[:, None] * torch.exp(-exponent)).clamp_max(ALPHA_MAX)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, 0.0)
    alpha = alpha * (torch.cumprod(1 - alpha, 0).detach() > TRANSMITTANCE_STOP)
    left_over = torch.cumprod(1 - alpha, 0)
    before = torch.cat([torch.ones_like(x).reshape(1, -1), left_over])
    drawn = (alpha * before[:-1]).T @ values
    return torch.cat([drawn, 1 - before[-1, :, None]], 1).reshape(PLAIN_TILE, PLAIN_TILE, 5)


if __name__ == "__main__":
    main()
