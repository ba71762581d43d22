"""The specification of a rendered image: plain torch, any dtype, differentiable, one Gaussian against every pixel.

Follows Kerbl et al. 2023 (3D Gaussian Splatting) in gsplat's conventions (Ye et al. 2024, gsplat, section 3). Every other backend is
tested against this one in float64. Memory grows with N * H * W: it is for tests and for reading.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.raster.base import ALPHA_MAX, ALPHA_MIN, BLUR_VARIANCE, COMPENSATION_MIN, FOV_MARGIN, NEAR_PLANE, TRANSMITTANCE_STOP
from emohead.raster.checks import check_scene
from emohead.raster.spherical_harmonics import sh_to_rgb
from emohead.types import Camera, RenderOutput, Splats


@dataclass(frozen=True)
class Projection:
    """Gaussians on the image plane."""

    means: Float[Tensor, "N 2"]
    """Centres, pixels."""
    depths: Float[Tensor, " N"]
    """Camera-space z, metres."""
    conics: Float[Tensor, "N 3"]
    """Upper triangle (xx, xy, yy) of the inverse of the blurred covariance, 1/px^2."""
    compensation: Float[Tensor, " N"]
    """Factor that keeps a footprint's energy under the blur (for `antialiased`)."""
    valid: Bool[Tensor, " N"]
    """In front of the near plane with an invertible covariance."""


@dataclass(frozen=True)
class TorchReference:
    """Draws Gaussians with plain torch; the rasterizer protocol of `raster.base`."""

    @property
    def name(self) -> str:
        """`torch_reference`."""
        return "torch_reference"

    def __call__(
        self, splats: Splats, camera: Camera, *, background: Float[Tensor, "3"] | None = None, antialiased: bool = False
    ) -> RenderOutput:
        """See `raster.base.Rasterizer`."""
        check_scene(splats, camera, background)
        views = [_draw(splats, camera, index, background, antialiased) for index in range(camera.intrinsics.shape[0])]
        return RenderOutput(*(torch.stack(images) for images in zip(*views, strict=True)))


def quats_to_rotations(quats: Float[Tensor, "N 4"]) -> Float[Tensor, "N 3 3"]:
    """Rotation matrices of quaternions (wxyz, any length)."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def project(splats: Splats, world_to_camera: Float[Tensor, "4 4"], intrinsics: Float[Tensor, "3 3"], size: tuple[int, int]) -> Projection:
    """EWA splatting (Zwicker et al. 2001, equation 31): the covariance seen through the projection's Jacobian at the mean.

    Args:
        splats: one frame.
        world_to_camera: rigid transform.
        intrinsics: pixels.
        size: (width, height), pixels; the Jacobian is evaluated no further out than a margin around the image (gsplat's clamp).
    """
    rotation, translation = world_to_camera[:3, :3], world_to_camera[:3, 3]
    axes = quats_to_rotations(splats.quats) * splats.scales[:, None, :]
    covariance = rotation @ axes @ axes.transpose(1, 2) @ rotation.T  # [N, 3, 3]
    x, y, z = (splats.means @ rotation.T + translation).unbind(-1)
    in_front = z > NEAR_PLANE
    z = torch.where(in_front, z, torch.ones_like(z))
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    width, height = size
    margin_x, margin_y = FOV_MARGIN * 0.5 * width / fx, FOV_MARGIN * 0.5 * height / fy
    tan_x = torch.clamp(x / z, min=-(cx / fx + margin_x), max=(width - cx) / fx + margin_x)
    tan_y = torch.clamp(y / z, min=-(cy / fy + margin_y), max=(height - cy) / fy + margin_y)
    zero = torch.zeros_like(z)
    jacobian = torch.stack([torch.stack([fx / z, zero, -fx * tan_x / z], -1), torch.stack([zero, fy / z, -fy * tan_y / z], -1)], -2)
    footprint = jacobian @ covariance @ jacobian.transpose(1, 2)  # [N, 2, 2]
    sharp_determinant = footprint[:, 0, 0] * footprint[:, 1, 1] - footprint[:, 0, 1] ** 2
    xx, xy, yy = footprint[:, 0, 0] + BLUR_VARIANCE, footprint[:, 0, 1], footprint[:, 1, 1] + BLUR_VARIANCE
    determinant = xx * yy - xy * xy
    valid = in_front & (determinant > 0)
    divisor = torch.where(valid, determinant, torch.ones_like(determinant))
    compensation = torch.sqrt((sharp_determinant / divisor).clamp_min(COMPENSATION_MIN**2))
    means = torch.stack([fx * x / z + cx, fy * y / z + cy], -1)
    return Projection(means, z, torch.stack([yy, -xy, xx], -1) / divisor[:, None], compensation, valid)


def _draw(splats: Splats, camera: Camera, index: int, background: Tensor | None, antialiased: bool) -> tuple[Tensor, Tensor, Tensor]:
    world_to_camera = camera.world_to_camera[index].to(splats.means)
    intrinsics = camera.intrinsics[index].to(splats.means)
    projection = project(splats, world_to_camera, intrinsics, (camera.width, camera.height))
    position = -world_to_camera[:3, :3].T @ world_to_camera[:3, 3]
    colors = sh_to_rgb(splats.sh, splats.means - position)
    opacities = splats.opacities * projection.compensation if antialiased else splats.opacities
    order = torch.argsort(projection.depths.detach(), stable=True)
    order = order[(projection.valid & (opacities.detach() >= ALPHA_MIN))[order]]
    pixel_y, pixel_x = torch.meshgrid(
        torch.arange(camera.height, dtype=splats.means.dtype, device=splats.means.device) + 0.5,
        torch.arange(camera.width, dtype=splats.means.dtype, device=splats.means.device) + 0.5,
        indexing="ij",
    )
    dx = pixel_x.reshape(-1) - projection.means[order, 0, None]  # [n, H * W]
    dy = pixel_y.reshape(-1) - projection.means[order, 1, None]
    xx, xy, yy = projection.conics[order].unbind(-1)
    exponent = 0.5 * (xx[:, None] * dx * dx + yy[:, None] * dy * dy) + xy[:, None] * dx * dy
    alpha = (opacities[order, None] * torch.exp(-exponent)).clamp_max(ALPHA_MAX)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, torch.zeros_like(alpha))
    alive = torch.cumprod(1 - alpha, 0).detach() > TRANSMITTANCE_STOP
    alpha = alpha * alive
    ones = torch.ones_like(pixel_x.reshape(1, -1))
    transmittance = torch.cat([ones, torch.cumprod(1 - alpha, 0)])  # before each Gaussian, and after the last
    weights = alpha * transmittance[:-1]
    rgb, depth, left = weights.T @ colors[order], weights.T @ projection.depths[order], transmittance[-1]
    if background is not None:
        rgb = rgb + left[:, None] * background.to(rgb)
    size = (camera.height, camera.width)
    return rgb.reshape(*size, 3), (1 - left).reshape(size), depth.reshape(size)
