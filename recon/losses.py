"""The photometric loss of a fit, L1 and SSIM, with its gradient in one pass on the CPU.

Written out in torch, SSIM costs more than drawing the image. Here one channel at a time streams through two rings of blurred rows:
the first turns rows of the images into SSIM's statistics, the second spreads SSIM's derivatives back over its window. Both rings
stay in the second-level cache. Equal to `emohead.metrics.image.ssim` with `border="zero"`.
"""

from typing import Any, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from emohead.errors import InputError
from emohead.metrics.image import SSIM_C1, SSIM_C2, SSIM_WINDOW, ssim_window
from emohead.raster.projection_kernels import JIT
from emohead.raster.simd import LANES, fma, lane_sum, load, maximum, ramp, splat, store, where_gt

_F = np.float32
_HALF = SSIM_WINDOW // 2
_W0, _W1, _W2, _W3, _W4, _W5 = (_F(weight) for weight in ssim_window()[_HALF:])
_C1, _C2 = _F(SSIM_C1), _F(SSIM_C2)
_ZERO, _ONE, _TWO = _F(0), _F(1), _F(2)
_RING = 16
"""Rows of a ring: the next power of two above the window, so that a row's place is its number's low bits."""


def l1_ssim(rendered: Float[Tensor, "H W 3"], target: Float[Tensor, "H W 3"], *, ssim_weight: float = 0.2) -> Float[Tensor, ""]:
    """`(1 - w) * mean |rendered - target| + w * (1 - SSIM)` (Kerbl et al. 2023, equation 7), differentiable in `rendered`.

    Args:
        rendered: float32 on the CPU.
        target: float32 on the CPU, 0..1; must not require a gradient.
        ssim_weight: `w`, 0..1.

    Raises:
        InputError: different shapes, other dtypes or devices.
    """
    for name, image in (("rendered", rendered), ("target", target)):
        if image.dtype != torch.float32 or image.device.type != "cpu" or image.ndim != 3 or image.shape != rendered.shape:
            found = f"{image.dtype} {list(image.shape)} on {image.device}"
            raise InputError(f"l1_ssim: {name} must be float32 {list(rendered.shape)} on the cpu, got {found}")
    if rendered.numel() == 0 or target.requires_grad:
        raise InputError("l1_ssim: the images must not be empty, and the target must not require a gradient")
    return _L1Ssim.apply(rendered, target, ssim_weight)  # type: ignore[return-value]


class _L1Ssim(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rendered: Tensor, target: Tensor, ssim_weight: float) -> Tensor:
        images = [np.ascontiguousarray(image.detach().numpy()) for image in (rendered, target)]
        gradient = np.empty(rendered.shape, np.float32)
        difference, similarity = 0.0, 0.0
        for channel in range(rendered.shape[2]):
            sums = _one_channel(*images, channel, _F(ssim_weight), gradient)  # pyright: ignore[reportCallIssue]
            difference, similarity = difference + sums[0], similarity + sums[1]
        ctx.save_for_backward(torch.from_numpy(gradient))
        count = rendered.numel()
        return rendered.new_tensor((1 - ssim_weight) * difference / count + ssim_weight * (1 - similarity / count))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0], None, None


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _blur_row(row, i):
    """The window along a padded row, around flat index i."""
    total = load(row, i) * _W0
    total = fma(load(row, i - 1) + load(row, i + 1), splat(_W1), total)
    total = fma(load(row, i - 2) + load(row, i + 2), splat(_W2), total)
    total = fma(load(row, i - 3) + load(row, i + 3), splat(_W3), total)
    total = fma(load(row, i - 4) + load(row, i + 4), splat(_W4), total)
    return fma(load(row, i - 5) + load(row, i + 5), splat(_W5), total)


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _in_ring(y, stride):
    return (y & (_RING - 1)) * stride


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _blur_column(ring, y, x, stride):
    """The window down the rows of a ring, around row y."""
    total = load(ring, _in_ring(y, stride) + x) * _W0
    total = fma(load(ring, _in_ring(y - 1, stride) + x) + load(ring, _in_ring(y + 1, stride) + x), splat(_W1), total)
    total = fma(load(ring, _in_ring(y - 2, stride) + x) + load(ring, _in_ring(y + 2, stride) + x), splat(_W2), total)
    total = fma(load(ring, _in_ring(y - 3, stride) + x) + load(ring, _in_ring(y + 3, stride) + x), splat(_W3), total)
    total = fma(load(ring, _in_ring(y - 4, stride) + x) + load(ring, _in_ring(y + 4, stride) + x), splat(_W4), total)
    return fma(load(ring, _in_ring(y - 5, stride) + x) + load(ring, _in_ring(y + 5, stride) + x), splat(_W5), total)


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _blur_rows_into(ring, y, stride, row):
    for x in range(0, stride, LANES):
        store(ring, _in_ring(y, stride) + x, _blur_row(row, x + LANES))


@njit(**JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _read_row(images, channel, y, stride, rows, rings):
    """Blur one row of a, b, a^2 + b^2 and ab into the statistics' rings; rows below the image are black."""
    first, second = images
    row_a, row_b, row_squares, row_product = rows
    width = first.shape[1]
    if y < first.shape[0]:
        for x in range(width):
            row_a[x + LANES], row_b[x + LANES] = first[y, x, channel], second[y, x, channel]
    else:
        row_a[:], row_b[:] = _ZERO, _ZERO
    for x in range(LANES, stride + LANES, LANES):
        a, b = load(row_a, x), load(row_b, x)
        store(row_squares, x, fma(a, a, b * b))
        store(row_product, x, a * b)
    for k in range(4):
        _blur_rows_into(rings[k], y, stride, rows[k])


@njit(**JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _score_row(y, width, stride, rings, rows, spread):
    """SSIM summed over row y (Wang et al. 2004, equation 13), and its derivatives blurred into the rings of `spread`.

    With A1 A2 / (B1 B2) the score, the derivatives are those by a's mean, by its second moment and by the product's moment.
    """
    by_mean, by_square, by_product = rows
    zero, two, edge = splat(_ZERO), splat(_TWO), splat(_F(width))
    total = zero
    for x in range(0, stride, LANES):
        mean_a, mean_b = _blur_column(rings[0], y, x, stride), _blur_column(rings[1], y, x, stride)
        both = fma(mean_a, mean_a, mean_b * mean_b)
        a1 = fma(two * mean_a, mean_b, splat(_C1))
        a2 = two * (_blur_column(rings[3], y, x, stride) - mean_a * mean_b) + splat(_C2)
        b1 = both + splat(_C1)
        b2 = _blur_column(rings[2], y, x, stride) - both + splat(_C2)
        inverse = where_gt(edge, ramp(_F(x)), splat(_ONE) / (b1 * b2), zero)  # columns beyond the image do not count
        score = a1 * a2 * inverse
        total = total + score
        by_b1, by_b2 = score * inverse * b2, score * inverse * b1
        store(by_mean, x + LANES, two * (mean_b * (a2 - a1) * inverse + mean_a * (by_b2 - by_b1)))
        store(by_square, x + LANES, zero - by_b2)
        store(by_product, x + LANES, two * a1 * inverse)
    for k in range(3):
        _blur_rows_into(spread[k], y, stride, rows[k])
    return lane_sum(total)


@njit(**JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _write_row(images, channel, y, stride, scales, spread, rows, gradient):
    """The loss's gradient of row y; returns the sum of |a - b| over it."""
    first, second = images
    row_a, row_b, result = rows
    zero, l1_scale, ssim_scale = splat(_ZERO), splat(scales[0]), splat(scales[1])
    for x in range(first.shape[1]):
        row_a[x], row_b[x] = first[y, x, channel], second[y, x, channel]
    total = zero
    for x in range(0, stride, LANES):
        a, b = load(row_a, x), load(row_b, x)
        difference = a - b
        total = total + maximum(difference, zero - difference)
        sign = where_gt(difference, zero, l1_scale, where_gt(zero, difference, zero - l1_scale, zero))
        by_mean, by_square = _blur_column(spread[0], y, x, stride), _blur_column(spread[1], y, x, stride)
        by_a = fma(splat(_TWO) * a, by_square, fma(b, _blur_column(spread[2], y, x, stride), by_mean))
        store(result, x, sign - ssim_scale * by_a)
    for x in range(first.shape[1]):
        gradient[y, x, channel] = result[x]
    return lane_sum(total)


@njit(**JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _one_channel(first, second, channel, ssim_weight, gradient):
    """Fill one channel of `gradient`; returns the sums of |a - b| and of SSIM over it."""
    height, width = first.shape[:2]
    stride = (width + LANES - 1) // LANES * LANES
    size = _RING * stride
    rings = (np.zeros(size, _F), np.zeros(size, _F), np.zeros(size, _F), np.zeros(size, _F))
    spread = (np.zeros(size, _F), np.zeros(size, _F), np.zeros(size, _F))
    size = stride + 2 * LANES
    lines = (np.zeros(size, _F), np.zeros(size, _F), np.zeros(size, _F), np.zeros(size, _F))
    derivatives = (np.zeros(size, _F), np.zeros(size, _F), np.zeros(size, _F))
    edges = (np.zeros(size, _F), np.zeros(size, _F), np.zeros(size, _F))
    count = _F(3 * height * width)
    scales = ((_ONE - ssim_weight) / count, ssim_weight / count)
    images = (first, second)
    difference, similarity = 0.0, 0.0
    for y in range(height + 2 * _HALF):
        _read_row(images, channel, y, stride, lines, rings)
        scored, written = y - _HALF, y - 2 * _HALF
        if 0 <= scored < height:
            similarity += _score_row(scored, width, stride, rings, derivatives, spread)
        elif scored >= height:
            for k in range(3):
                spread[k][_in_ring(scored, stride) : _in_ring(scored, stride) + stride] = _ZERO
        if written >= 0:
            difference += _write_row(images, channel, written, stride, scales, spread, edges, gradient)
    return difference, similarity
