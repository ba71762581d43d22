"""What the fit should reproduce: the person of each frame over one flat colour, the wall's light taken out of the soft edge."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from recon.types import FrameSet


def clean_plate(frames: FrameSet) -> Float[Tensor, "H W 3"]:
    """The empty background, 0..1: the mean over training frames of what the matte leaves uncovered, else the nearest pixel that has one."""
    total = torch.zeros(*frames.images.shape[1:])
    count = torch.zeros(*frames.images.shape[1:3], 1)
    for index in frames.training:
        uncovered = (frames.mattes[index] == 0).float()[..., None]
        total += uncovered * frames.images[index].float()
        count += uncovered
    plate = total / count.clamp_min(1.0) / 255.0
    nearest = np.asarray(distance_transform_edt(count[..., 0].numpy() == 0, return_distances=False, return_indices=True))
    indices = torch.from_numpy(nearest).long()
    return plate[indices[0], indices[1]]


def over_flat_background(frames: FrameSet, plate: Float[Tensor, "H W 3"], background: Float[Tensor, "3"]) -> UInt8[Tensor, "T H W 3"]:
    """Every frame with its background replaced by one colour.

    A pixel is I = a F + (1 - a) B, so exchanging the wall B for a flat colour C adds (1 - a) (C - B) and needs no division by a.
    """
    change = (background - plate) * 255.0
    result = torch.empty_like(frames.images)
    for index in range(frames.n_frames):
        uncovered = 1.0 - frames.mattes[index].float()[..., None] / 255.0
        result[index] = (frames.images[index].float() + uncovered * change).round().clamp(0, 255).to(torch.uint8)
    return result
