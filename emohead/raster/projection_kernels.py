"""numba kernels: Gaussians to the image plane, and gradients back through that projection.

A camera is 18 floats: world-to-camera rotation (row major) and translation, fx, fy, cx, cy, width, height. A projected Gaussian is a
record of 16 floats (columns below), 64 bytes: one cache line for the blending loop.
"""

import math
from typing import no_type_check

import numpy as np
from numba import config, njit, prange

from emohead.raster.base import ALPHA_MIN, BLUR_VARIANCE, COMPENSATION_MIN, FOV_MARGIN, NEAR_PLANE

# The omp layer spins at barriers and stalls when a core is taken away; workqueue is slower at best and never bad.
config.THREADING_LAYER = "workqueue"  # type: ignore[attr-defined]

JIT = {"fastmath": {"nnan", "nsz", "arcp", "contract", "reassoc", "afn"}, "cache": True, "error_model": "numpy", "nogil": True}

MEAN_X, MEAN_Y, CONIC_XX, CONIC_XY, CONIC_YY, OPACITY, REACH, EXTENT_X, EXTENT_Y, RED, GREEN, BLUE, DEPTH = range(13)
RECORD = 16
N_SUMS = 12
"""Per Gaussian, what the image's gradient adds up to: S0 Sx Sy Sxx Sxy Syy (moments of d loss / d exponent), r, g, b, depth; padded."""
N_GRADIENTS = 14
"""Per Gaussian: mean (3), quat (4), scale (3), opacity (1), colour (3)."""

_F = np.float32
_BLUR, _NEAR, _ALPHA_MIN, _COMPENSATION_MIN, _MARGIN = (
    _F(value) for value in (BLUR_VARIANCE, NEAR_PLANE, ALPHA_MIN, COMPENSATION_MIN, FOV_MARGIN)
)
_MAX_EXTENT = _F(3.33)
_ONE, _TWO, _HALF, _ZERO = _F(1), _F(2), _F(0.5), _F(0)


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _to_camera(camera, x, y, z):
    return (
        camera[0] * x + camera[1] * y + camera[2] * z + camera[9],
        camera[3] * x + camera[4] * y + camera[5] * z + camera[10],
        camera[6] * x + camera[7] * y + camera[8] * z + camera[11],
    )


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _clamped_tangents(camera, x, y, z):
    """x/z and y/z, clamped to the image plus gsplat's margin; where the Jacobian is evaluated."""
    fx, fy, cx, cy, width, height = camera[12], camera[13], camera[14], camera[15], camera[16], camera[17]
    margin_x, margin_y = _MARGIN * _HALF * width / fx, _MARGIN * _HALF * height / fy
    tan_x = min((width - cx) / fx + margin_x, max(-(cx / fx + margin_x), x / z))
    tan_y = min((height - cy) / fy + margin_y, max(-(cy / fy + margin_y), y / z))
    return tan_x, tan_y


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _rotation(quats, i):
    """The nine entries of the rotation matrix of quaternion i, its unit components and the inverse of its length."""
    w, x, y, z = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
    inverse = _ONE / math.sqrt(max(w * w + x * x + y * y + z * z, _F(1e-24)))
    w, x, y, z = w * inverse, x * inverse, y * inverse, z * inverse
    matrix = (
        _ONE - _TWO * (y * y + z * z), _TWO * (x * y - w * z), _TWO * (x * z + w * y),
        _TWO * (x * y + w * z), _ONE - _TWO * (x * x + z * z), _TWO * (y * z - w * x),
        _TWO * (x * z - w * y), _TWO * (y * z + w * x), _ONE - _TWO * (x * x + y * y),
    )  # fmt: skip
    return matrix, (w, x, y, z), inverse


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _camera_axes(camera, m, s):
    """The Gaussian's scaled axes in camera space: (rotation to camera) @ m @ diag(s), row major."""
    return (
        (camera[0] * m[0] + camera[1] * m[3] + camera[2] * m[6]) * s[0],
        (camera[0] * m[1] + camera[1] * m[4] + camera[2] * m[7]) * s[1],
        (camera[0] * m[2] + camera[1] * m[5] + camera[2] * m[8]) * s[2],
        (camera[3] * m[0] + camera[4] * m[3] + camera[5] * m[6]) * s[0],
        (camera[3] * m[1] + camera[4] * m[4] + camera[5] * m[7]) * s[1],
        (camera[3] * m[2] + camera[4] * m[5] + camera[5] * m[8]) * s[2],
        (camera[6] * m[0] + camera[7] * m[3] + camera[8] * m[6]) * s[0],
        (camera[6] * m[1] + camera[7] * m[4] + camera[8] * m[7]) * s[1],
        (camera[6] * m[2] + camera[7] * m[5] + camera[8] * m[8]) * s[2],
    )


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _image_axes(e, j00, j02, j11, j12):
    """Jacobian [[j00, 0, j02], [0, j11, j12]] times the camera-space axes: 2x3, row major."""
    return (
        j00 * e[0] + j02 * e[6], j00 * e[1] + j02 * e[7], j00 * e[2] + j02 * e[8],
        j11 * e[3] + j12 * e[6], j11 * e[4] + j12 * e[7], j11 * e[5] + j12 * e[8],
    )  # fmt: skip


@njit(parallel=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def project(
    means: np.ndarray,
    quats: np.ndarray,
    scales: np.ndarray,
    opacities: np.ndarray,
    colors: np.ndarray,
    camera: np.ndarray,
    antialiased: bool,
    records: np.ndarray,
    compensation: np.ndarray,
    n_threads: int,
) -> None:
    """Fill `records`; a Gaussian that cannot be seen gets a negative depth. `raster.torch_reference.project` says what is computed."""
    n = means.shape[0]
    fx, fy, cx, cy, width, height = camera[12], camera[13], camera[14], camera[15], camera[16], camera[17]
    for thread in prange(n_threads):
        for i in range(n * thread // n_threads, n * (thread + 1) // n_threads):
            record = records[i]
            record[DEPTH] = -_ONE
            x, y, z = _to_camera(camera, means[i, 0], means[i, 1], means[i, 2])
            if not z > _NEAR:
                continue
            inverse_z = _ONE / z
            tan_x, tan_y = _clamped_tangents(camera, x, y, z)
            matrix, _, _ = _rotation(quats, i)
            axes = _camera_axes(camera, matrix, (scales[i, 0], scales[i, 1], scales[i, 2]))
            a = _image_axes(axes, fx * inverse_z, -fx * tan_x * inverse_z, fy * inverse_z, -fy * tan_y * inverse_z)
            xx = a[0] * a[0] + a[1] * a[1] + a[2] * a[2]
            xy = a[0] * a[3] + a[1] * a[4] + a[2] * a[5]
            yy = a[3] * a[3] + a[4] * a[4] + a[5] * a[5]
            sharp = xx * yy - xy * xy
            xx += _BLUR
            yy += _BLUR
            determinant = xx * yy - xy * xy
            if not determinant > _ZERO:
                continue
            opacity = opacities[i]
            if antialiased:
                factor = math.sqrt(max(_COMPENSATION_MIN * _COMPENSATION_MIN, sharp / determinant))
                compensation[i] = factor
                opacity *= factor
            if opacity < _ALPHA_MIN:
                continue
            # Twice the exponent at which opacity falls to 1/255; gsplat looks no further than 3.33 standard deviations.
            reach = min(_MAX_EXTENT * _MAX_EXTENT, _TWO * math.log(opacity * _F(255)))
            extent_x, extent_y = math.sqrt(reach * xx), math.sqrt(reach * yy)
            mean_x, mean_y = fx * x * inverse_z + cx, fy * y * inverse_z + cy
            if mean_x + extent_x <= _ZERO or mean_x - extent_x >= width or mean_y + extent_y <= _ZERO or mean_y - extent_y >= height:
                continue
            inverse = _ONE / determinant
            record[MEAN_X], record[MEAN_Y] = mean_x, mean_y
            record[CONIC_XX], record[CONIC_XY], record[CONIC_YY] = yy * inverse, -xy * inverse, xx * inverse
            record[OPACITY], record[REACH], record[EXTENT_X], record[EXTENT_Y] = opacity, reach, extent_x, extent_y
            record[RED], record[GREEN], record[BLUE], record[DEPTH] = colors[i, 0], colors[i, 1], colors[i, 2], z


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _covariance_gradient(record, sums, opacity, factor, antialiased):
    """d loss / d blurred covariance (xx, xy, yy, as a symmetric matrix) and d loss / d opacity."""
    xx, xy, yy = record[CONIC_XX], record[CONIC_XY], record[CONIC_YY]
    p00, p01, p11 = _HALF * sums[3], _HALF * sums[4], _HALF * sums[5]
    # The conic P is the inverse covariance: dL/dCov = -P (dL/dP) P.
    m00, m01, m10, m11 = p00 * xx + p01 * xy, p00 * xy + p01 * yy, p01 * xx + p11 * xy, p01 * xy + p11 * yy
    g00, g01, g11 = -(xx * m00 + xy * m10), -(xx * m01 + xy * m11), -(xy * m01 + yy * m11)
    opacity_gradient = -sums[0] / record[OPACITY]
    if antialiased:
        factor_gradient = opacity_gradient * opacity
        opacity_gradient *= factor
        if factor > _COMPENSATION_MIN:
            # factor^2 = det(sharp) / det(blurred); its derivative in terms of the conic and the blur.
            half = factor_gradient * _HALF / factor
            rest = _ONE - factor * factor
            determinant = xx * yy - xy * xy
            g00 += half * (rest * xx - _BLUR * determinant)
            g01 += half * (rest * xy)
            g11 += half * (rest * yy - _BLUR * determinant)
    return g00, g01, g11, opacity_gradient


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _quat_gradient(n, q, inverse, out):
    """From d loss / d rotation matrix (row major) to d loss / d quaternion, through its normalisation."""
    w, x, y, z = q
    gw = _TWO * (x * (n[7] - n[5]) + y * (n[2] - n[6]) + z * (n[3] - n[1]))
    gx = _TWO * (-_TWO * x * (n[4] + n[8]) + y * (n[1] + n[3]) + z * (n[2] + n[6]) + w * (n[7] - n[5]))
    gy = _TWO * (x * (n[1] + n[3]) - _TWO * y * (n[0] + n[8]) + z * (n[5] + n[7]) + w * (n[2] - n[6]))
    gz = _TWO * (x * (n[2] + n[6]) + y * (n[5] + n[7]) - _TWO * z * (n[0] + n[4]) + w * (n[3] - n[1]))
    along = gw * w + gx * x + gy * y + gz * z
    out[3] = (gw - along * w) * inverse
    out[4] = (gx - along * x) * inverse
    out[5] = (gy - along * y) * inverse
    out[6] = (gz - along * z) * inverse


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _mean_gradient(camera, position, tangents, means_2d, jacobian, depth, out):
    """d loss / d mean in the world, from the gradients of the projected mean, of the Jacobian's entries and of the depth."""
    x, y, z = position
    tan_x, tan_y = tangents
    fx, fy = camera[12], camera[13]
    inverse_z = _ONE / z
    square = inverse_z * inverse_z
    gx, gy = fx * inverse_z * means_2d[0], fy * inverse_z * means_2d[1]
    gz = depth - (fx * x * means_2d[0] + fy * y * means_2d[1]) * square - fx * square * jacobian[0] - fy * square * jacobian[2]
    if tan_x == x / z:
        gx -= fx * square * jacobian[1]
        gz += _TWO * fx * tan_x * square * jacobian[1]
    else:  # clamped: the entry -fx * tan / z depends on z alone
        gz += fx * tan_x * square * jacobian[1]
    if tan_y == y / z:
        gy -= fy * square * jacobian[3]
        gz += _TWO * fy * tan_y * square * jacobian[3]
    else:
        gz += fy * tan_y * square * jacobian[3]
    for axis in range(3):
        out[axis] = camera[axis] * gx + camera[3 + axis] * gy + camera[6 + axis] * gz


@njit(parallel=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def project_backward(
    means: np.ndarray,
    quats: np.ndarray,
    scales: np.ndarray,
    opacities: np.ndarray,
    camera: np.ndarray,
    antialiased: bool,
    records: np.ndarray,
    compensation: np.ndarray,
    ranks: np.ndarray,
    sums: np.ndarray,
    gradients: np.ndarray,
    n_threads: int,
) -> None:
    """Fill `gradients [N 14]` from the image-plane `sums [visible 12]`; `ranks[i]` is Gaussian i's row in them, or -1."""
    n = means.shape[0]
    fx, fy = camera[12], camera[13]
    for thread in prange(n_threads):
        for i in range(n * thread // n_threads, n * (thread + 1) // n_threads):
            out = gradients[i]
            for k in range(N_GRADIENTS):
                out[k] = _ZERO
            if ranks[i] < 0:
                continue
            s = sums[ranks[i]]
            record = records[i]
            factor = compensation[i] if antialiased else _ONE
            g00, g01, g11, out[10] = _covariance_gradient(record, s, opacities[i], factor, antialiased)
            out[11], out[12], out[13] = s[6], s[7], s[8]
            mean_x = -(record[CONIC_XX] * s[1] + record[CONIC_XY] * s[2])
            mean_y = -(record[CONIC_XY] * s[1] + record[CONIC_YY] * s[2])
            x, y, z = _to_camera(camera, means[i, 0], means[i, 1], means[i, 2])
            tan_x, tan_y = _clamped_tangents(camera, x, y, z)
            j00, j02, j11, j12 = fx / z, -fx * tan_x / z, fy / z, -fy * tan_y / z
            matrix, quat, inverse = _rotation(quats, i)
            scale = (scales[i, 0], scales[i, 1], scales[i, 2])
            unit = _camera_axes(camera, matrix, (_ONE, _ONE, _ONE))
            e = (
                unit[0] * scale[0], unit[1] * scale[1], unit[2] * scale[2],
                unit[3] * scale[0], unit[4] * scale[1], unit[5] * scale[2],
                unit[6] * scale[0], unit[7] * scale[1], unit[8] * scale[2],
            )  # fmt: skip
            a = _image_axes(e, j00, j02, j11, j12)
            # Covariance = a a^T, hence dL/da = 2 G a.
            h = (
                _TWO * (g00 * a[0] + g01 * a[3]), _TWO * (g00 * a[1] + g01 * a[4]), _TWO * (g00 * a[2] + g01 * a[5]),
                _TWO * (g01 * a[0] + g11 * a[3]), _TWO * (g01 * a[1] + g11 * a[4]), _TWO * (g01 * a[2] + g11 * a[5]),
            )  # fmt: skip
            jacobian = (
                h[0] * e[0] + h[1] * e[1] + h[2] * e[2], h[0] * e[6] + h[1] * e[7] + h[2] * e[8],
                h[3] * e[3] + h[4] * e[4] + h[5] * e[5], h[3] * e[6] + h[4] * e[7] + h[5] * e[8],
            )  # fmt: skip
            _mean_gradient(camera, (x, y, z), (tan_x, tan_y), (mean_x, mean_y), jacobian, s[9], out)
            f = (
                j00 * h[0], j00 * h[1], j00 * h[2], j11 * h[3], j11 * h[4], j11 * h[5],
                j02 * h[0] + j12 * h[3], j02 * h[1] + j12 * h[4], j02 * h[2] + j12 * h[5],
            )  # fmt: skip
            for k in range(3):
                out[7 + k] = f[k] * unit[k] + f[3 + k] * unit[3 + k] + f[6 + k] * unit[6 + k]
            _quat_gradient(_to_world(camera, f, scale), quat, inverse, out)


@njit(forceinline=True, **JIT)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _to_world(camera, f, s):
    """(rotation to camera)^T @ f @ diag(s): the gradient of the Gaussian's rotation matrix, row major."""
    return (
        (camera[0] * f[0] + camera[3] * f[3] + camera[6] * f[6]) * s[0],
        (camera[0] * f[1] + camera[3] * f[4] + camera[6] * f[7]) * s[1],
        (camera[0] * f[2] + camera[3] * f[5] + camera[6] * f[8]) * s[2],
        (camera[1] * f[0] + camera[4] * f[3] + camera[7] * f[6]) * s[0],
        (camera[1] * f[1] + camera[4] * f[4] + camera[7] * f[7]) * s[1],
        (camera[1] * f[2] + camera[4] * f[5] + camera[7] * f[8]) * s[2],
        (camera[2] * f[0] + camera[5] * f[3] + camera[8] * f[6]) * s[0],
        (camera[2] * f[1] + camera[5] * f[4] + camera[8] * f[7]) * s[1],
        (camera[2] * f[2] + camera[5] * f[5] + camera[8] * f[8]) * s[2],
    )
