"""One check of a scene at the boundary of every rasterizer."""

import torch
from torch import Tensor

from emohead.errors import InputError
from emohead.types import Camera, Splats

MAX_PIXELS = 8192 * 8192


def check_scene(splats: Splats, camera: Camera, background: Tensor | None) -> None:
    """Raise InputError for splats of several frames, mismatched shapes, values that are not finite, or impossible image sizes."""
    if splats.means.ndim != 2:
        raise InputError(f"rasterizer: splats must be one frame [N 3], got means {list(splats.means.shape)}; call .frame(index)")
    count = splats.means.shape[0]
    wanted = {"means": (count, 3), "quats": (count, 4), "scales": (count, 3), "opacities": (count,)}
    for name, shape in wanted.items():
        if tuple(getattr(splats, name).shape) != shape:
            raise InputError(f"rasterizer: {name} must be {list(shape)}, got {list(getattr(splats, name).shape)}")
    if splats.sh.ndim != 3 or splats.sh.shape[0] != count or splats.sh.shape[1] not in (1, 4, 9, 16) or splats.sh.shape[2] != 3:
        raise InputError(f"rasterizer: sh must be [{count}, 1|4|9|16, 3], got {list(splats.sh.shape)}")
    for name in (*wanted, "sh"):
        # The sum is finite exactly when every element is (short of an overflow, which no sane scene reaches), and costs one pass.
        if not torch.isfinite(getattr(splats, name).detach().sum()):
            raise InputError(f"rasterizer: {name} has values that are not finite")
    views = camera.intrinsics.shape[0]
    if camera.world_to_camera.shape != (views, 4, 4) or camera.intrinsics.shape != (views, 3, 3):
        found = f"{list(camera.world_to_camera.shape)} and {list(camera.intrinsics.shape)}"
        raise InputError(f"rasterizer: a camera needs world_to_camera [C 4 4] and intrinsics [C 3 3], got {found}")
    if not (torch.isfinite(camera.world_to_camera).all() and torch.isfinite(camera.intrinsics).all()):
        raise InputError("rasterizer: the camera has values that are not finite")
    if camera.width < 1 or camera.height < 1 or camera.width * camera.height > MAX_PIXELS:
        raise InputError(f"rasterizer: image of {camera.width}x{camera.height} pixels is not possible; use 1x1 to 8192x8192")
    if background is not None and background.shape != (3,):
        raise InputError(f"rasterizer: background must be [3], got {list(background.shape)}")
