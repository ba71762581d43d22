"""numba kernels: depth order, tiles, front-to-back blending, and its replay for the gradient.

Tiles are 64x16 pixels. Each keeps transmittance and colours as planes in the first-level cache, padded by eight pixels on each side so
that 8-lane accesses may spill harmlessly. A pixel that is finished stores its transmittance negated: the sign is the flag. The backward
pass replays the forward order with the same decisions and keeps one suffix per pixel (gradient . colour still to come), so it needs no
stored lists, no atomics, and gives the same bits every time.
"""

import math
from typing import no_type_check

import numpy as np
from numba import njit, prange

from emohead.raster.base import ALPHA_MAX, ALPHA_MIN, TRANSMITTANCE_STOP
from emohead.raster.projection_kernels import (
    BLUE,
    CONIC_XX,
    CONIC_XY,
    CONIC_YY,
    DEPTH,
    EXTENT_X,
    EXTENT_Y,
    GREEN,
    JIT,
    MEAN_X,
    MEAN_Y,
    N_SUMS,
    OPACITY,
    REACH,
    RECORD,
    RED,
)
from emohead.raster.simd import LANES, any_gt, fma, lane_sum, load, maximum, minimum, ramp, splat, store, where_ge, where_gt

TILE_WIDTH, TILE_HEIGHT = 64, 16
STRIDE = TILE_WIDTH + 2 * LANES
PLANE = TILE_HEIGHT * STRIDE + 2 * LANES
CHECK_EVERY = 32
"""After so many Gaussians a tile looks whether all its pixels are finished."""

_F = np.float32
_ALPHA_MIN, _ALPHA_MAX, _STOP = _F(ALPHA_MIN), _F(ALPHA_MAX), _F(TRANSMITTANCE_STOP)
_ZERO, _HALF, _ONE, _TWO = _F(0), _F(0.5), _F(1), _F(2)
_MARGIN = _F(1e-3)
"""Pixels added to a row's span against rounding."""
_E0, _E1, _E2, _E3, _E4, _E5 = (
    _F(c)
    for c in (0.9999998807907104, 0.9999893307685852, 0.4998451769351959, 0.1658196747303009, 0.039512794464826584, 0.0056939381174743176)
)


@njit(**JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def sort_by_depth(
    records: np.ndarray, keys: np.ndarray, other_keys: np.ndarray, indices: np.ndarray, order: np.ndarray, ranks: np.ndarray
) -> int:
    """Radix sort (3 x 11 bits, least significant first) of the visible Gaussians by depth; positive floats sort like their bits.

    Fills `order` (rank -> Gaussian) and `ranks` (Gaussian -> rank or -1); returns how many are visible. Stable: equal depths keep order.
    """
    low, middle, high = np.zeros(2048, np.int32), np.zeros(2048, np.int32), np.zeros(2048, np.int32)
    bits = records.view(np.uint32)
    n = 0
    for i in range(records.shape[0]):
        ranks[i] = -1
        if records[i, DEPTH] > _ZERO:
            key = bits[i, DEPTH]
            keys[n], indices[n] = key, i
            n += 1
            low[key & 2047] += 1
            middle[(key >> 11) & 2047] += 1
            high[key >> 22] += 1
    for counts in (low, middle, high):
        total = 0
        for digit in range(2048):
            count = counts[digit]
            counts[digit] = total
            total += count
    for i in range(n):
        digit = keys[i] & 2047
        other_keys[low[digit]], order[low[digit]] = keys[i], indices[i]
        low[digit] += 1
    for i in range(n):
        digit = (other_keys[i] >> 11) & 2047
        keys[middle[digit]], indices[middle[digit]] = other_keys[i], order[i]
        middle[digit] += 1
    for i in range(n):
        digit = keys[i] >> 22
        order[high[digit]] = indices[i]
        ranks[indices[i]] = high[digit]
        high[digit] += 1
    return n


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _tile_range(mean, extent, tile, count):
    first = int(max((mean - extent) / _F(tile), _ZERO))
    return first, min(int(max((mean + extent) / _F(tile), -_ONE)) + 1, count)


@njit(parallel=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def fill_tiles(
    records: np.ndarray, order: np.ndarray, n: int, packed: np.ndarray, width: int, height: int, n_threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Copy the visible records to `packed` in depth order and list, tile by tile, the ranks that touch it (a counting sort).

    Returns:
        starts [tiles + 1] and ids: the ranks of tile t are ids[starts[t] : starts[t + 1]], nearest first.
    """
    columns, rows = (width + TILE_WIDTH - 1) // TILE_WIDTH, (height + TILE_HEIGHT - 1) // TILE_HEIGHT
    n_tiles = columns * rows
    counts = np.zeros((n_threads, n_tiles + 16), np.int32)  # padded so that threads do not share a cache line
    for thread in prange(n_threads):
        for rank in range(n * thread // n_threads, n * (thread + 1) // n_threads):
            for column in range(RECORD):
                packed[rank, column] = records[order[rank], column]
            left, right = _tile_range(packed[rank, MEAN_X], packed[rank, EXTENT_X], TILE_WIDTH, columns)
            top, bottom = _tile_range(packed[rank, MEAN_Y], packed[rank, EXTENT_Y], TILE_HEIGHT, rows)
            for tile_y in range(top, bottom):
                for tile_x in range(left, right):
                    counts[thread, tile_y * columns + tile_x] += 1
    starts = np.empty(n_tiles + 1, np.int32)
    total = 0
    for tile in range(n_tiles):
        starts[tile] = total
        for thread in range(n_threads):
            count = counts[thread, tile]
            counts[thread, tile] = total
            total += count
    starts[n_tiles] = total
    ids = np.empty(total, np.int32)
    for thread in prange(n_threads):
        for rank in range(n * thread // n_threads, n * (thread + 1) // n_threads):
            left, right = _tile_range(packed[rank, MEAN_X], packed[rank, EXTENT_X], TILE_WIDTH, columns)
            top, bottom = _tile_range(packed[rank, MEAN_Y], packed[rank, EXTENT_Y], TILE_HEIGHT, rows)
            for tile_y in range(top, bottom):
                for tile_x in range(left, right):
                    tile = tile_y * columns + tile_x
                    ids[counts[thread, tile]] = rank
                    counts[thread, tile] += 1
    return starts, ids


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _exp_negative(s):
    """exp(-s) for s >= 0 as (polynomial(-s / 8))^8: relative error 1e-6; beyond 8 the result is below 1/255 and never used."""
    u = minimum(s, splat(_F(8))) * _F(-0.125)
    p = fma(u, splat(_E5), splat(_E4))
    p = fma(u, p, splat(_E3))
    p = fma(u, p, splat(_E2))
    p = fma(u, p, splat(_E1))
    p = fma(u, p, splat(_E0))
    p = p * p
    p = p * p
    return p * p


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _all_finished(transmittance):
    most = splat(_ZERO)
    for q in range(0, TILE_HEIGHT * STRIDE, LANES):
        most = maximum(most, load(transmittance, q))
    return not any_gt(most, splat(_ZERO))


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _rows(record, top, bottom):
    """First and last-plus-one pixel row of a footprint inside a tile."""
    first = max(top, math.ceil(record[MEAN_Y] - record[EXTENT_Y] - _HALF - _MARGIN))
    return first, min(bottom, math.floor(record[MEAN_Y] + record[EXTENT_Y] - _HALF + _MARGIN) + 1)


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _row_strip(record):
    """A slanted strip that contains the footprint: at dy its left edge is `left + slope * dy`; `width` is a multiple of the lanes.

    The ellipse's rows are centred on the line dx = -(xy / xx) dy and are widest, sqrt(reach / xx) to each side, at its middle.
    """
    inverse = _ONE / record[CONIC_XX]
    half_width = math.sqrt(record[REACH] * inverse) + _MARGIN
    left = record[MEAN_X] - _HALF - half_width + _ONE  # ceil(x) = floor(x + 1) up to exact integers
    return left, -record[CONIC_XY] * inverse, (int(_TWO * half_width + _ONE) // LANES + 1) * LANES


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _clear_tile(transmittance, red, green, blue, depth, used_width, used_height):
    zero = splat(_ZERO)
    for q in range(0, TILE_HEIGHT * STRIDE, LANES):
        store(transmittance, q, zero)
        store(red, q, zero)
        store(green, q, zero)
        store(blue, q, zero)
        store(depth, q, zero)
    for y in range(used_height):
        first = y * STRIDE + LANES
        for q in range(first, first + used_width):
            transmittance[q] = _ONE


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _blend_one(record, transmittance, red, green, blue, depth, left, right, top, bottom):
    """Lay one Gaussian over the tile's planes (Kerbl et al. 2023, equation 3)."""
    zero = splat(_ZERO)
    # Read once: as far as the compiler knows, writing to the planes could change the record.
    mean_x, mean_y, conic_xy, half_yy = record[MEAN_X], record[MEAN_Y], record[CONIC_XY], _HALF * record[CONIC_YY]
    opacity, r, g, b = splat(record[OPACITY]), splat(record[RED]), splat(record[GREEN]), splat(record[BLUE])
    z, half_xx = splat(record[DEPTH]), splat(_HALF * record[CONIC_XX])
    strip, slope, strip_width = _row_strip(record)
    first, last = _rows(record, top, bottom)
    for y in range(first, last):
        dy = _F(y) + _HALF - mean_y
        # The strip starts within [left - LANES, right], so that int() is floor and accesses stay inside the padding.
        x0 = int(max(_F(left - LANES), min(_F(right), strip + slope * dy)))
        linear, constant = splat(conic_xy * dy), splat(half_yy * dy * dy)
        q = (y - top) * STRIDE - left + x0 + LANES
        dx = ramp(_F(x0) + _HALF - mean_x)
        for _ in range(x0, min(x0 + strip_width, right), LANES):
            before = load(transmittance, q)
            if any_gt(before, zero):
                alpha = minimum(opacity * _exp_negative(fma(fma(half_xx, dx, linear), dx, constant)), splat(_ALPHA_MAX))
                after = where_ge(alpha, splat(_ALPHA_MIN), before - before * alpha, before)
                weight = where_ge(alpha, splat(_ALPHA_MIN), before * alpha, zero)
                weight = where_gt(after, splat(_STOP), weight, zero)
                finished = where_gt(before, zero, zero - before, before)
                store(transmittance, q, where_gt(after, splat(_STOP), after, finished))
                store(red, q, fma(weight, r, load(red, q)))
                store(green, q, fma(weight, g, load(green, q)))
                store(blue, q, fma(weight, b, load(blue, q)))
                store(depth, q, fma(weight, z, load(depth, q)))
            q += LANES
            dx = dx + _F(LANES)


@njit(parallel=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def blend(
    packed: np.ndarray,
    starts: np.ndarray,
    ids: np.ndarray,
    background: np.ndarray,
    rgb: np.ndarray,
    transmittance: np.ndarray,
    depth: np.ndarray,
    n_threads: int,
) -> None:
    """Fill the images `rgb [H W 3]`, `transmittance [H W]` and `depth [H W]`."""
    height, width = transmittance.shape
    columns = (width + TILE_WIDTH - 1) // TILE_WIDTH
    for thread in prange(n_threads):
        t, r, g, b, d = np.zeros(PLANE, _F), np.zeros(PLANE, _F), np.zeros(PLANE, _F), np.zeros(PLANE, _F), np.zeros(PLANE, _F)
        for tile in range(thread, starts.shape[0] - 1, n_threads):
            top, left = (tile // columns) * TILE_HEIGHT, (tile % columns) * TILE_WIDTH
            bottom, right = min(top + TILE_HEIGHT, height), min(left + TILE_WIDTH, width)
            if starts[tile] == starts[tile + 1]:
                transmittance[top:bottom, left:right] = _ONE
                depth[top:bottom, left:right] = _ZERO
                for channel in range(3):
                    rgb[top:bottom, left:right, channel] = background[channel]
                continue
            _clear_tile(t, r, g, b, d, right - left, bottom - top)
            for k in range(starts[tile], starts[tile + 1]):
                if (k - starts[tile]) % CHECK_EVERY == CHECK_EVERY - 1 and _all_finished(t):
                    break
                _blend_one(packed[ids[k]], t, r, g, b, d, left, right, top, bottom)
            for y in range(top, bottom):
                for x in range(left, right):
                    q = (y - top) * STRIDE + x - left + LANES
                    rest = abs(t[q])
                    transmittance[y, x], depth[y, x] = rest, d[q]
                    rgb[y, x, 0] = r[q] + rest * background[0]
                    rgb[y, x, 1] = g[q] + rest * background[1]
                    rgb[y, x, 2] = b[q] + rest * background[2]


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _replay_one(record, planes, left, right, top, bottom, out):
    """Replay one Gaussian and sum, over its pixels, the gradients listed at `N_SUMS` into `out`."""
    transmittance, suffix, red, green, blue, depth = planes
    zero, one = splat(_ZERO), splat(_ONE)
    mean_x, mean_y, conic_xy, half_yy = record[MEAN_X], record[MEAN_Y], record[CONIC_XY], _HALF * record[CONIC_YY]
    opacity, r, g, b = splat(record[OPACITY]), splat(record[RED]), splat(record[GREEN]), splat(record[BLUE])
    z, half_xx = splat(record[DEPTH]), splat(_HALF * record[CONIC_XX])
    strip, slope, strip_width = _row_strip(record)
    s0, sx, sy, sxx, sxy, syy = zero, zero, zero, zero, zero, zero
    sum_r, sum_g, sum_b, sum_z = zero, zero, zero, zero
    first, last = _rows(record, top, bottom)
    for y in range(first, last):
        dy = _F(y) + _HALF - mean_y
        x0 = int(max(_F(left - LANES), min(_F(right), strip + slope * dy)))
        linear, constant = splat(conic_xy * dy), splat(half_yy * dy * dy)
        q = (y - top) * STRIDE - left + x0 + LANES
        dx = ramp(_F(x0) + _HALF - mean_x)
        row, row_x = zero, zero
        for _ in range(x0, min(x0 + strip_width, right), LANES):
            before = load(transmittance, q)
            if any_gt(before, zero):
                unclamped = opacity * _exp_negative(fma(fma(half_xx, dx, linear), dx, constant))
                alpha = minimum(unclamped, splat(_ALPHA_MAX))
                after = where_ge(alpha, splat(_ALPHA_MIN), before - before * alpha, before)
                drawn = where_gt(after, splat(_STOP), where_ge(alpha, splat(_ALPHA_MIN), one, zero), zero)
                finished = where_gt(before, zero, zero - before, before)
                store(transmittance, q, where_gt(after, splat(_STOP), after, finished))
                weight = before * drawn * alpha
                grad_r, grad_g, grad_b, grad_z = load(red, q), load(green, q), load(blue, q), load(depth, q)
                along = fma(r, grad_r, fma(g, grad_g, fma(b, grad_b, z * grad_z)))
                rest = load(suffix, q) - weight * along
                store(suffix, q, rest)
                sum_r, sum_g = fma(weight, grad_r, sum_r), fma(weight, grad_g, sum_g)
                sum_b, sum_z = fma(weight, grad_b, sum_b), fma(weight, grad_z, sum_z)
                alpha_gradient = (before * along - rest / (one - alpha)) * drawn
                exponent_gradient = where_gt(unclamped, splat(_ALPHA_MAX), zero, zero - unclamped * alpha_gradient)
                row = row + exponent_gradient
                moment = exponent_gradient * dx
                row_x = row_x + moment
                sxx = fma(moment, dx, sxx)
            q += LANES
            dx = dx + _F(LANES)
        row_y = row * splat(dy)
        s0, sx, sy = s0 + row, sx + row_x, sy + row_y
        sxy, syy = fma(row_x, splat(dy), sxy), fma(row_y, splat(dy), syy)
    out[0], out[1], out[2], out[3], out[4], out[5] = lane_sum(s0), lane_sum(sx), lane_sum(sy), lane_sum(sxx), lane_sum(sxy), lane_sum(syy)
    out[6], out[7], out[8], out[9] = lane_sum(sum_r), lane_sum(sum_g), lane_sum(sum_b), lane_sum(sum_z)


@njit(parallel=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def blend_backward(
    packed: np.ndarray,
    starts: np.ndarray,
    ids: np.ndarray,
    images: tuple[np.ndarray, ...],
    image_gradients: tuple[np.ndarray, ...],
    sums: np.ndarray,
    n_threads: int,
) -> None:
    """Fill `sums [len(ids) 12]` per (tile, Gaussian), from (rgb, transmittance, depth) and the gradients of (rgb, alpha, depth)."""
    rgb, transmittance, depth = images
    rgb_gradient, alpha_gradient, depth_gradient = image_gradients
    height, width = transmittance.shape
    columns = (width + TILE_WIDTH - 1) // TILE_WIDTH
    for thread in prange(n_threads):
        t, s, r, g, b, d = (
            np.zeros(PLANE, _F), np.zeros(PLANE, _F), np.zeros(PLANE, _F), np.zeros(PLANE, _F), np.zeros(PLANE, _F), np.zeros(PLANE, _F)
        )  # fmt: skip
        for tile in range(thread, starts.shape[0] - 1, n_threads):
            top, left = (tile // columns) * TILE_HEIGHT, (tile % columns) * TILE_WIDTH
            bottom, right = min(top + TILE_HEIGHT, height), min(left + TILE_WIDTH, width)
            if starts[tile] == starts[tile + 1]:
                continue
            t[:] = _ZERO
            for y in range(top, bottom):
                for x in range(left, right):
                    q = (y - top) * STRIDE + x - left + LANES
                    t[q] = _ONE
                    r[q], g[q], b[q] = rgb_gradient[y, x, 0], rgb_gradient[y, x, 1], rgb_gradient[y, x, 2]
                    d[q] = depth_gradient[y, x]
                    s[q] = r[q] * rgb[y, x, 0] + g[q] * rgb[y, x, 1] + b[q] * rgb[y, x, 2] + d[q] * depth[y, x]
                    s[q] -= alpha_gradient[y, x] * transmittance[y, x]
            finished = False
            for k in range(starts[tile], starts[tile + 1]):
                finished = finished or ((k - starts[tile]) % CHECK_EVERY == CHECK_EVERY - 1 and _all_finished(t))
                if finished:
                    sums[k, :] = _ZERO
                else:
                    _replay_one(packed[ids[k]], (t, s, r, g, b, d), left, right, top, bottom, sums[k])


@njit(parallel=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def add_up(tile_sums: np.ndarray, ids: np.ndarray, n: int, sums: np.ndarray, n_threads: int) -> None:
    """Sum the (tile, Gaussian) rows of each Gaussian; each thread owns a range of Gaussians, so the order of addition is fixed."""
    for thread in prange(n_threads):
        first, last = n * thread // n_threads, n * (thread + 1) // n_threads
        sums[first:last] = _ZERO
        for k in range(ids.shape[0]):
            rank = ids[k]
            if first <= rank < last:
                for column in range(N_SUMS - 2):
                    sums[rank, column] += tile_sums[k, column]
