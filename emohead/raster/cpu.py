"""The fast rasterizer without a GPU: numba kernels behind torch's autograd. Equal to `torch_reference`, in float32."""

import threading
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from emohead.errors import InputError
from emohead.raster import blend_kernels, projection_kernels
from emohead.raster.checks import check_scene
from emohead.raster.spherical_harmonics import sh_to_rgb
from emohead.types import Camera, RenderOutput, Splats

# numba's workqueue layer must not be entered by two Python threads at once.
_PARALLEL_REGION = threading.Lock()


class _Workspaces:
    """Arrays that grow and are used again: fresh ones of several megabytes cost a page fault per 4 KiB on every call."""

    def __init__(self):
        self._free: list[dict[str, np.ndarray]] = []

    def lease(self) -> "_Lease":
        """A workspace of one forward pass; it returns by itself when the pass is no longer needed."""
        return _Lease(self._free.pop() if self._free else {}, self._free)


class _Lease:
    def __init__(self, arrays: dict[str, np.ndarray], home: list[dict[str, np.ndarray]]):
        self._arrays, self._home = arrays, home

    def __call__(self, name: str, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
        size = int(np.prod(shape))
        array = self._arrays.get(name)
        if array is None or array.size < size:
            array = self._arrays[name] = np.empty(size + size // 4 + 64, dtype)
        return array[:size].reshape(shape)

    def __del__(self):
        self._home.append(self._arrays)


@dataclass(frozen=True)
class CpuRasterizer:
    """Draws Gaussians on the CPU; the rasterizer protocol of `raster.base`. Results repeat bit for bit, for any number of threads."""

    n_threads: int | None = None
    """Threads to use; None takes two, or one on a single core."""
    _workspaces: _Workspaces = field(default_factory=_Workspaces, repr=False, compare=False)

    def __post_init__(self):
        if self.n_threads is not None and self.n_threads < 1:
            raise InputError(f"rasterizer cpu: n_threads must be 1 or more, got {self.n_threads}")

    @property
    def name(self) -> str:
        """`cpu`."""
        return "cpu"

    def __call__(
        self, splats: Splats, camera: Camera, *, background: Float[Tensor, "3"] | None = None, antialiased: bool = False
    ) -> RenderOutput:
        """See `raster.base.Rasterizer`.

        Raises:
            InputError: splats that are not on the CPU in float32, or that `raster.checks` refuses.
        """
        check_scene(splats, camera, background)
        if splats.means.device.type != "cpu" or splats.means.dtype != torch.float32:
            raise InputError(f"rasterizer cpu: splats must be float32 on the cpu, got {splats.means.dtype} on {splats.means.device}")
        backdrop = torch.zeros(3) if background is None else background.float()
        available = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
        n_threads = min(2 if self.n_threads is None else self.n_threads, available)
        views = []
        for index in range(camera.intrinsics.shape[0]):
            world_to_camera = camera.world_to_camera[index].float()
            position = -world_to_camera[:3, :3].T @ world_to_camera[:3, 3]
            colors = sh_to_rgb(splats.sh, splats.means - position)
            view = _View(_pack_camera(camera, index), (camera.height, camera.width), antialiased, n_threads, self._workspaces)
            views.append(_Rasterize.apply(splats.means, splats.quats, splats.scales, splats.opacities, colors, backdrop, view))
        return RenderOutput(*(_stacked(images) for images in zip(*views, strict=True)))


def _stacked(images: tuple[Tensor, ...]) -> Tensor:
    """One image per camera; a single one is not copied."""
    return images[0][None] if len(images) == 1 else torch.stack(images)


@dataclass(frozen=True)
class _View:
    camera: np.ndarray
    size: tuple[int, int]
    antialiased: bool
    n_threads: int
    workspaces: _Workspaces


def _pack_camera(camera: Camera, index: int) -> np.ndarray:
    world_to_camera = camera.world_to_camera[index].detach().cpu().numpy()
    k = camera.intrinsics[index].detach().cpu().numpy()
    numbers = [*world_to_camera[:3, :3].ravel(), *world_to_camera[:3, 3], k[0, 0], k[1, 1], k[0, 2], k[1, 2], camera.width, camera.height]
    return np.array(numbers, np.float32)


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
        *tensors, view = inputs
        arrays = [np.ascontiguousarray(tensor.detach().numpy()) for tensor in tensors]
        means, quats, scales, opacities, colors, backdrop = arrays
        n, (height, width), threads = means.shape[0], view.size, view.n_threads
        space = view.workspaces.lease()
        records, compensation = space("records", (n, projection_kernels.RECORD)), space("compensation", (n,))
        keys, other_keys = space("keys", (n,), np.uint32), space("other_keys", (n,), np.uint32)
        indices, order, ranks = space("indices", (n,), np.int32), space("order", (n,), np.int32), space("ranks", (n,), np.int32)
        rgb, transmittance, depth = (np.empty(shape, np.float32) for shape in ((height, width, 3), (height, width), (height, width)))
        with _PARALLEL_REGION:
            numba.set_num_threads(threads)
            projection_kernels.project(
                means, quats, scales, opacities, colors, view.camera, view.antialiased, records, compensation, threads
            )
            visible = blend_kernels.sort_by_depth(records, keys, other_keys, indices, order, ranks)
            packed = space("packed", (visible, projection_kernels.RECORD))
            starts, ids = blend_kernels.fill_tiles(records, order, visible, packed, width, height, threads)
            blend_kernels.blend(packed, starts, ids, backdrop, rgb, transmittance, depth, threads)
        drawn = tuple(torch.from_numpy(image) for image in (rgb, transmittance, depth))
        ctx.view, ctx.space = view, space
        ctx.intermediate = (arrays, records, compensation, ranks, visible, packed, starts, ids)
        # Images are handed out and needed again: saved this way, a change of them in place is an error instead of a wrong gradient.
        ctx.save_for_backward(*drawn)
        return drawn[0], 1 - drawn[1], drawn[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        arrays, records, compensation, ranks, visible, packed, starts, ids = ctx.intermediate
        images = tuple(image.numpy() for image in ctx.saved_tensors)
        view, space, threads = ctx.view, ctx.space, ctx.view.n_threads
        given = tuple(np.ascontiguousarray(gradient.numpy()) for gradient in gradients)
        tile_sums = space("tile_sums", (ids.shape[0], projection_kernels.N_SUMS))
        sums = space("sums", (visible, projection_kernels.N_SUMS))
        out = np.empty((arrays[0].shape[0], projection_kernels.N_GRADIENTS), np.float32)
        with _PARALLEL_REGION:
            numba.set_num_threads(threads)
            blend_kernels.blend_backward(packed, starts, ids, images, given, tile_sums, threads)
            blend_kernels.add_up(tile_sums, ids, visible, sums, threads)
            means, quats, scales, opacities = arrays[:4]
            projection_kernels.project_backward(
                means, quats, scales, opacities, view.camera, view.antialiased, records, compensation, ranks, sums, out, threads
            )
        all_gradients = torch.from_numpy(out)
        background = torch.from_numpy((given[0] * images[1][..., None]).sum((0, 1), dtype=np.float64).astype(np.float32))
        return (
            all_gradients[:, 0:3], all_gradients[:, 3:7], all_gradients[:, 7:10], all_gradients[:, 10], all_gradients[:, 11:14],
            background, None,
        )  # fmt: skip
