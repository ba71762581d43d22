"""Where one shot of a clip ends and another begins."""

import itertools

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

CUT = 40.0
"""Mean absolute difference (0..255) of two neighbouring thumbnails that always makes a cut."""
SUDDEN = 8.0
_FACTOR, _FLOOR, _AROUND = 6.0, 0.3, 12
"""A smaller difference makes one if it is so many times what is usual in as many frames before and after. Twelve clips of one shot each
reached 11 at 3.4 times the usual and 4 at 5 times; cuts to another take of the same set began at 5, to another person there at 15."""

_ENOUGH = 240
"""Pixels: pictures more than twice as high are thinned first."""


def thumbnail(image: UInt8[Tensor, "H W 3"]) -> Float[Tensor, "18 32"]:
    """A grey picture small enough to be kept of every frame, 0..255."""
    skip = max(1, min(image.shape[:2]) // _ENOUGH)
    return torch.nn.functional.interpolate(image[::skip, ::skip].float().mean(-1)[None, None], (18, 32), mode="area")[0, 0]


def find_cuts(thumbnails: list[Tensor], *, sudden: float = SUDDEN) -> list[int]:
    """The frames that begin a new shot, ascending. Slow dissolves are not found.

    Args:
        thumbnails: of every frame, see `thumbnail`.
        sudden: the least difference (0..255) that makes a cut.
    """
    if len(thumbnails) < 2:
        return []
    jumps = torch.stack([(after - before).abs().mean() for before, after in itertools.pairwise(thumbnails)])
    return [number + 1 for number in range(len(jumps)) if _is_cut(jumps, number, sudden)]


def _is_cut(jumps: Float[Tensor, " n"], number: int, sudden: float) -> bool:
    jump = float(jumps[number])
    if jump > CUT or jump < sudden:
        return jump > CUT
    around = torch.cat([jumps[max(0, number - _AROUND) : number], jumps[number + 1 : number + 1 + _AROUND]])
    return len(around) > 0 and jump > _FACTOR * (float(around.median()) + _FLOOR)
