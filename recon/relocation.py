"""Gaussians that show nothing move to where the pictures ask for more (the idea of 3DGS-MCMC, Kheradmand et al. 2024, section 4.2).

The number of Gaussians stays what the plan gave. A faded one becomes a second copy of one with a large gradient, on the same triangle of
the same part, each a little smaller; limits of the part come with it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

FADED = 0.03
"""Opacity below which a Gaussian shows nothing."""
IDLE = 0.01
"""Demand, relative to the median, below which it is hidden behind others in every picture."""
_SHRINK = 0.8
_SPREAD = 0.5
_MOST = 0.03
"""At most this share moves at a time: a picture must not fall apart at once."""


@dataclass(frozen=True)
class Move:
    """Who moves where."""

    source: Int[Tensor, " n"]
    """Gaussians that are copied, each at most once."""
    target: Int[Tensor, " n"]
    """Faded Gaussians that become the copies."""


def choose_moves(
    opacity: Float[Tensor, " N"], demand: Float[Tensor, " N"], may_move: Bool[Tensor, " N"], generator: torch.Generator
) -> Move:
    """Pair faded Gaussians with those whose pixels ask for more.

    Args:
        opacity: of every Gaussian, 0..1, the largest over the latents' range.
        demand: summed gradient of the loss by the Gaussian's place.
        may_move: Gaussians that are not bound to stay.
        generator: of the choice.
    """
    shows = (opacity >= FADED) & (demand > IDLE * demand[may_move].median())
    faded = torch.nonzero(~shows & may_move)[:, 0]
    alive = demand * (shows & may_move & (opacity >= 0.2))
    count = min(len(faded), int(_MOST * len(opacity)), int((alive > 0).sum()))
    if count == 0:
        nothing = torch.zeros(0, dtype=torch.long)
        return Move(nothing, nothing)
    source = torch.multinomial(alive, count, replacement=False, generator=generator)
    return Move(source, faded[torch.randperm(len(faded), generator=generator)[:count]])


def split(values: dict[str, Tensor], move: Move, generator: torch.Generator) -> None:
    """Copy the sources over the targets and draw both apart along the source's own axes, in place.

    Args:
        values: per-Gaussian tensors; those of the corrections have the Gaussians in their second dimension.
        move: who moves where.
        generator: of the directions.
    """
    for name, tensor in values.items():
        if name in ("means", "colors", "opacities"):
            tensor[:, move.target] = tensor[:, move.source]
        else:
            tensor[move.target] = tensor[move.source]
    apart = torch.randn(len(move.source), 3, generator=generator) * values["log_scales"][move.source].exp() * _SPREAD
    for which, sign in ((move.source, 0.5), (move.target, -0.5)):
        values["offsets"][which] += sign * apart
        values["log_scales"][which] += torch.tensor(_SHRINK).log()
        # Two half-transparent ones show what one showed: 1 - (1 - o)^2 = the old opacity.
        opacity = torch.sigmoid(values["opacity_logits"][which]).clamp(1e-4, 1 - 1e-4)
        values["opacity_logits"][which] = torch.logit(1 - (1 - opacity).sqrt()) if sign > 0 else values["opacity_logits"][move.source]
