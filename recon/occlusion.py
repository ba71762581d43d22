"""What hides the person in a picture: a hand, a microphone. No avatar shows it, so its pixels must not train.

After the coarse part of a fit the avatar explains every picture about equally well. A block of pixels that it explains far worse than the
same block of other pictures, and that belongs to a patch too large to be a moving lip or lid, is something else.
"""

import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_dilation, label
from torch import Tensor

BLOCK = 16
"""Pixels: side of a block."""
_ERROR = 0.10
"""Mean absolute error (of 0..1) from which a block may be hidden."""
_TIMES = 4.0
"""How many times worse than usual for that block."""
_MIN_PATCH = 0.006
"""Share of the picture that a patch must cover."""


def block_error(drawn: Float[Tensor, "H W 3"], truth: Float[Tensor, "H W 3"]) -> Float[Tensor, "h w"]:
    """Mean absolute error of each block of pixels."""
    error = (drawn - truth).abs().mean(-1)
    return torch.nn.functional.avg_pool2d(error[None, None], BLOCK)[0, 0]


def hidden_blocks(errors: Float[Tensor, "T h w"]) -> Bool[Tensor, "T h w"]:
    """Blocks of each picture that show something else than the person.

    Args:
        errors: `block_error` of every picture.
    """
    usual = errors.median(0).values
    suspect = (errors > _ERROR) & (errors > _TIMES * usual)
    hidden = torch.zeros_like(suspect)
    for picture, blocks in enumerate(suspect):
        patches, count = label(blocks.numpy())  # type: ignore[misc]
        for number in range(1, count + 1):
            patch = patches == number
            if patch.mean() >= _MIN_PATCH:
                hidden[picture] |= torch.from_numpy(binary_dilation(patch))
    return hidden


def to_pixels(blocks: Bool[Tensor, "h w"], height: int, width: int) -> Bool[Tensor, "H W"]:
    """A table of blocks as a mask of pixels."""
    wide = torch.nn.functional.interpolate(blocks[None, None].float(), (height, width), mode="nearest")
    return wide[0, 0] > 0.5
