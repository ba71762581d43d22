"""The photometric driver: a frame's motion refined on that frame's own pixels, the avatar left as it is. It peeks at the test frame."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.types import HeadMotion
from recon.losses import l1_ssim
from recon.scores import Box
from recon.subject import Subject

_RATES = {"rig": 0.02, "head_rotation": 0.003, "translation": 0.0005, "gaze": 0.01}
"""Adam's step sizes: coefficient, rad, m, rad."""
_FACE_WEIGHT = 1.0
_EPSILON = 1e-12
"""Gradients of a mean over pixels are far below Adam's usual epsilon."""


def refine_motion(
    subject: Subject, motion: HeadMotion, truth: Float[Tensor, "H W 3"], face: Box, *, steps: int = 20, shrink: int = 2
) -> HeadMotion:
    """The motion of one frame after a few Adam steps on L1 + SSIM, full frame and face.

    Args:
        subject: the avatar; nothing of it changes.
        motion: where to start, one frame.
        truth: the picture, over the avatar's background.
        face: where its face is.
        steps: Adam steps.
        shrink: the pictures are compared at one over this size.
    """
    renderer = subject.renderer
    avatar = renderer.avatar
    small = torch.nn.functional.avg_pool2d(truth.permute(2, 0, 1)[None], shrink)[0].permute(1, 2, 0).contiguous()
    box = tuple(slice(side.start // shrink, side.stop // shrink) for side in face)
    camera = avatar.camera.resized(small.shape[1], small.shape[0])
    motion = motion.to(renderer.device)
    free = {name: getattr(motion, name).clone().requires_grad_() for name in _RATES}
    optimizer = torch.optim.Adam([{"params": [free[name]], "lr": rate} for name, rate in _RATES.items()], eps=_EPSILON)
    for step in range(steps):
        optimizer.zero_grad()
        now = replace(motion, **free)
        splats = avatar.pose(renderer.head(avatar.identity, now), now).frame(0)
        drawn = renderer.rasterizer(splats, camera, background=avatar.background).rgb[0].cpu()
        loss = l1_ssim(drawn, small) + _FACE_WEIGHT * (drawn[box] - small[box]).abs().mean()
        loss.backward()
        for group, rate in zip(optimizer.param_groups, _RATES.values(), strict=True):
            group["lr"] = rate * (1 - step / steps)
        optimizer.step()
        with torch.no_grad():
            free["rig"].clamp_(0.0, 1.0)
    return replace(motion, **{name: value.detach() for name, value in free.items()}).to("cpu")
