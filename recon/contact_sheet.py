"""Pictures side by side, made for people to look for faults."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from emohead.errors import InputError
from emohead.output import whole_file
from recon.scores import Box

Picture = UInt8[Tensor, "H W 3"]
ERROR_GAIN = 4
"""How much the error pictures exaggerate."""
_GAP = 4
"""White pixels between pictures."""
_BORDER = ((0, _GAP), (0, _GAP), (0, 0))


def write_sheet(rows: Sequence[Sequence[Picture]], path: Path, *, shrink: int = 1) -> None:
    """Write rows of pictures, each row of one height, as one PNG; missing cells stay white.

    Args:
        rows: pictures.
        path: a .png in a folder that exists.
        shrink: average blocks of so many pixels.

    Raises:
        InputError: no picture.
    """
    if not any(rows):
        raise InputError(f"contact sheet {path.name}: there is no picture to show")
    lines = [np.concatenate([np.pad(picture.numpy(), _BORDER, constant_values=255) for picture in row], 1) for row in rows if row]
    sheet = np.full((sum(line.shape[0] for line in lines), max(line.shape[1] for line in lines), 3), 255, np.uint8)
    top = 0
    for line in lines:
        sheet[top : top + line.shape[0], : line.shape[1]] = line
        top += line.shape[0]
    image = Image.fromarray(sheet)
    with whole_file(path) as partial:
        (image.reduce(shrink) if shrink > 1 else image).save(partial)


def error_picture(drawn: Picture, truth: Picture) -> Picture:
    """The absolute difference, exaggerated: black where they agree."""
    return ((drawn.int() - truth.int()).abs() * ERROR_GAIN).clamp(max=255).to(torch.uint8)


def crop(picture: Picture, box: Box, *, height: int, width: int, zoom: float = 1.0) -> UInt8[Tensor, "h w 3"]:
    """A cut of fixed size around the middle of `box`, magnified `zoom` times before cutting; beyond the picture it is white.

    Args:
        picture: the whole picture.
        box: rows and columns.
        height: of the cut, pixels.
        width: of the cut, pixels.
        zoom: magnification.
    """
    middle = [(side.start + side.stop) / 2 for side in box]
    half = (height / (2 * zoom), width / (2 * zoom))
    # Pillow's order: left, top, right, bottom.
    place = (middle[1] - half[1], middle[0] - half[0], middle[1] + half[1], middle[0] + half[0])
    margin = int(max(half)) + 1
    padded = np.pad(picture.numpy(), ((margin, margin), (margin, margin), (0, 0)), constant_values=255)
    moved = tuple(value + margin for value in place)
    cut = Image.fromarray(padded).resize((width, height), Image.Resampling.BICUBIC, box=moved)
    return torch.from_numpy(np.asarray(cut).copy())


def to_bytes(picture: Float[Tensor, "H W 3"]) -> Picture:
    """0..1 to 0..255."""
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8)
