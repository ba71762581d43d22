"""Posing Gaussians on their triangles in one pass on the CPU: the fast twin of `binding`, equal to it and differentiable in the Gaussians.

Written out in torch, the glue around a rasterizer (gathers, cross products, quaternions) costs as much as the rasterizer itself.
Here each Gaussian reads its three corners once. Gradients with respect to the vertices are left to the torch path.
"""

from typing import Any, no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from numba import njit
from torch import Tensor

from emohead.avatar.binding import STRETCH_RANGE

_MIN_STRETCH, _MAX_STRETCH = STRETCH_RANGE


def pose_on_triangles(
    vertices: Float[Tensor, "T V 3"],
    corners: Int[Tensor, "N 3"],
    barycentric: Float[Tensor, "N 3"],
    rest_size: Float[Tensor, " N"],
    offsets: Float[Tensor, "T N 3"],
    quats: Float[Tensor, "N 4"],
    log_scales: Float[Tensor, "N 3"],
) -> tuple[Float[Tensor, "T N 10"], Float[Tensor, "T N"]]:
    """Means, rotations and scales of Gaussians on a moving mesh.

    Args:
        vertices: mesh over time, metres; must not require a gradient.
        corners: vertex indices of each Gaussian's triangle.
        barycentric: where on the triangle the local frame sits.
        rest_size: triangle size at rest, metres.
        offsets: local means, metres at rest.
        quats: local rotations, wxyz, any length.
        log_scales: natural logarithm of the standard deviations at rest.

    Returns:
        `[mean (3), quat wxyz (4), scale (3)]` per Gaussian, and the stretch of its triangle.
    """
    return _PoseOnTriangles.apply(vertices, corners, barycentric, rest_size, offsets, quats, log_scales)  # type: ignore[return-value]


class _PoseOnTriangles(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        vertices: Tensor,
        corners: Tensor,
        barycentric: Tensor,
        rest_size: Tensor,
        offsets: Tensor,
        quats: Tensor,
        log_scales: Tensor,
    ) -> tuple[Tensor, Tensor]:
        arrays = [np.ascontiguousarray(t.detach().numpy()) for t in (vertices, corners, barycentric, rest_size, offsets, quats, log_scales)]
        frames, count = offsets.shape[:2]
        posed = np.empty((frames, count, 10), np.float32)
        frame_quats = np.empty((frames, count, 4), np.float32)
        stretch = np.empty((frames, count), np.float32)
        _forward(*arrays, posed, frame_quats, stretch)  # pyright: ignore[reportCallIssue]
        posed, stretch_tensor = torch.from_numpy(posed), torch.from_numpy(stretch)
        ctx.save_for_backward(posed, torch.from_numpy(frame_quats), stretch_tensor, quats)
        ctx.mark_non_differentiable(stretch_tensor)
        return posed, stretch_tensor

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        posed, frame_quats, stretch, quats = (tensor.detach().numpy() for tensor in ctx.saved_tensors)
        offsets_gradient = np.empty((*stretch.shape, 3), np.float32)
        quats_gradient = np.zeros(quats.shape, np.float32)
        scales_gradient = np.zeros((quats.shape[0], 3), np.float32)
        given = np.ascontiguousarray(gradients[0].numpy())
        _backward(given, posed, frame_quats, stretch, np.ascontiguousarray(quats), offsets_gradient, quats_gradient, scales_gradient)
        outputs = (torch.from_numpy(array) for array in (offsets_gradient, quats_gradient, scales_gradient))
        return None, None, None, None, *outputs


@njit(cache=True, nogil=True, fastmath=False)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _forward(vertices, corners, barycentric, rest_size, offsets, quats, log_scales, posed, frame_quats, stretch):
    for t in range(offsets.shape[0]):
        for n in range(offsets.shape[1]):
            a, b, c = vertices[t, corners[n, 0]], vertices[t, corners[n, 1]], vertices[t, corners[n, 2]]
            ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
            fx, fy, fz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
            nx, ny, nz = ey * fz - ez * fy, ez * fx - ex * fz, ex * fy - ey * fx
            double_area = np.sqrt(nx * nx + ny * ny + nz * nz)
            edge = 1.0 / max(np.sqrt(ex * ex + ey * ey + ez * ez), np.float32(1e-12))
            normal = 1.0 / max(double_area, np.float32(1e-12))
            ex, ey, ez, nx, ny, nz = ex * edge, ey * edge, ez * edge, nx * normal, ny * normal, nz * normal
            yx, yy, yz = ny * ez - nz * ey, nz * ex - nx * ez, nx * ey - ny * ex
            w, x, y, z = _quat_of_axes(ex, ey, ez, yx, yy, yz, nx, ny, nz)
            s = min(max(np.sqrt(max(double_area, np.float32(1e-12))) / rest_size[n], np.float32(_MIN_STRETCH)), np.float32(_MAX_STRETCH))
            ox, oy, oz = offsets[t, n, 0] * s, offsets[t, n, 1] * s, offsets[t, n, 2] * s
            wa, wb, wc = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
            out = posed[t, n]
            cx, cy, cz = 2 * (y * oz - z * oy), 2 * (z * ox - x * oz), 2 * (x * oy - y * ox)
            out[0] = wa * a[0] + wb * b[0] + wc * c[0] + ox + w * cx + (y * cz - z * cy)
            out[1] = wa * a[1] + wb * b[1] + wc * c[1] + oy + w * cy + (z * cx - x * cz)
            out[2] = wa * a[2] + wb * b[2] + wc * c[2] + oz + w * cz + (x * cy - y * cx)
            p = quats[n]
            length = 1.0 / max(np.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2] + p[3] * p[3]), np.float32(1e-12))
            pw, px, py, pz = p[0] * length, p[1] * length, p[2] * length, p[3] * length
            out[3] = w * pw - x * px - y * py - z * pz
            out[4] = w * px + x * pw + y * pz - z * py
            out[5] = w * py - x * pz + y * pw + z * px
            out[6] = w * pz + x * py - y * px + z * pw
            for axis in range(3):
                out[7 + axis] = np.exp(log_scales[n, axis]) * s
            frame_quats[t, n, 0], frame_quats[t, n, 1], frame_quats[t, n, 2], frame_quats[t, n, 3] = w, x, y, z
            stretch[t, n] = s


@njit(cache=True, nogil=True, inline="always")
@no_type_check  # jaxtyping must not wrap what numba compiles
def _quat_of_axes(m00, m10, m20, m01, m11, m21, m02, m12, m22):
    """The quaternion whose rotation matrix has these columns (Shepperd 1978: the formula with the largest divisor)."""
    trace = m00 + m11 + m22
    if trace >= max(m00, max(m11, m22)):
        w, x, y, z = 1 + trace, m21 - m12, m02 - m20, m10 - m01
    elif m00 >= max(m11, m22):
        w, x, y, z = m21 - m12, 1 + m00 - m11 - m22, m01 + m10, m02 + m20
    elif m11 >= m22:
        w, x, y, z = m02 - m20, m01 + m10, 1 - m00 + m11 - m22, m12 + m21
    else:
        w, x, y, z = m10 - m01, m02 + m20, m12 + m21, 1 - m00 - m11 + m22
    length = 1.0 / max(np.sqrt(w * w + x * x + y * y + z * z), np.float32(1e-12))
    return w * length, x * length, y * length, z * length


@njit(cache=True, nogil=True)
@no_type_check  # jaxtyping must not wrap what numba compiles
def _backward(given, posed, frame_quats, stretch, quats, offsets_gradient, quats_gradient, scales_gradient):
    for t in range(given.shape[0]):
        for n in range(given.shape[1]):
            g = given[t, n]
            w, x, y, z = frame_quats[t, n, 0], -frame_quats[t, n, 1], -frame_quats[t, n, 2], -frame_quats[t, n, 3]  # inverse rotation
            s = stretch[t, n]
            gx, gy, gz = g[0], g[1], g[2]
            cx, cy, cz = 2 * (y * gz - z * gy), 2 * (z * gx - x * gz), 2 * (x * gy - y * gx)
            offsets_gradient[t, n, 0] = s * (gx + w * cx + (y * cz - z * cy))
            offsets_gradient[t, n, 1] = s * (gy + w * cy + (z * cx - x * cz))
            offsets_gradient[t, n, 2] = s * (gz + w * cz + (x * cy - y * cx))
            # Left multiplication by a unit quaternion is orthogonal: its transpose multiplies by the inverse.
            qw = w * g[3] - x * g[4] - y * g[5] - z * g[6]
            qx = w * g[4] + x * g[3] + y * g[6] - z * g[5]
            qy = w * g[5] - x * g[6] + y * g[3] + z * g[4]
            qz = w * g[6] + x * g[5] - y * g[4] + z * g[3]
            p = quats[n]
            length = 1.0 / max(np.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2] + p[3] * p[3]), np.float32(1e-12))
            pw, px, py, pz = p[0] * length, p[1] * length, p[2] * length, p[3] * length
            along = pw * qw + px * qx + py * qy + pz * qz
            quats_gradient[n, 0] += (qw - pw * along) * length
            quats_gradient[n, 1] += (qx - px * along) * length
            quats_gradient[n, 2] += (qy - py * along) * length
            quats_gradient[n, 3] += (qz - pz * along) * length
            for axis in range(3):
                scales_gradient[n, axis] += g[7 + axis] * posed[t, n, 7 + axis]
