"""Left and right exchanged in texts and in the faces that they mean."""

import re

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import N_AU
from emohead.head.action_units import mirror

_OTHER_SIDE = {"left": "right", "right": "left"}
_SIDE = re.compile(r"\b(left|right)\b")


def left_handed(text: str) -> tuple[str, bool]:
    """The text in lower case, with left and right exchanged when it names the right first, and whether it was."""
    first = _SIDE.search(text.lower())
    swapped = first is not None and first[0] == "right"
    return (other_side(text.lower()) if swapped else text.lower(), swapped)


def other_side(text: str) -> str:
    """The text with left and right exchanged."""
    return _SIDE.sub(lambda found: _OTHER_SIDE[found[0]], text)


def mirrored_row(row: Float[Tensor, " F"]) -> Float[Tensor, " F"]:
    """A face (`described.face_row`) in the mirror."""
    return torch.cat([mirror(row[None, :N_AU])[0], row[N_AU:] * torch.tensor([-1.0, 1.0, 1.0, -1.0, -1.0])])
