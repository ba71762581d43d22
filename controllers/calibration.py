"""How much likelier or unlikelier each action unit is than the networks think, as annotators of other sentences see it."""

from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from controllers.tables import read_table
from emohead.channels import AU_NAMES

TABLE = "odds"
_PRIOR = 10.0
"""How firmly a unit is believed to need no correction: the error that a shift of 1 must save, summed over sentences."""
_UNSURE = 1e-4


def calibrated(shown: Float[Tensor, "B A"]) -> Float[Tensor, "B A"]:
    """Probabilities that units are to be seen, shifted in log odds as `tables/odds.json` says."""
    return (_log_odds(shown) + _shifts()).sigmoid()


def uncalibrated(shown: Float[Tensor, "B A"]) -> Float[Tensor, "B A"]:
    """The reverse of `calibrated`."""
    return (_log_odds(shown) - _shifts()).sigmoid()


def fitted_shifts(shown: Float[Tensor, "B A"], seen: Bool[Tensor, "B A"]) -> dict[str, float]:
    """The shift of each unit, both sides alike, that makes annotations likeliest (Platt scaling without a slope, with a ridge).

    Args:
        shown: probabilities by a network, not calibrated.
        seen: whether annotators saw the unit.
    """
    units = sorted({_unit(name) for name in AU_NAMES})
    place = torch.tensor([units.index(_unit(name)) for name in AU_NAMES])
    shift, odds = torch.zeros(len(units), requires_grad=True), _log_odds(shown)
    optimizer = torch.optim.LBFGS([shift], max_iter=100)

    def closure() -> Tensor:
        optimizer.zero_grad()
        error = functional.binary_cross_entropy_with_logits(odds + shift[place], seen.float(), reduction="sum")
        loss = error + _PRIOR * shift.square().sum()
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)
    return {unit: round(float(value), 2) for unit, value in zip(units, shift.detach(), strict=True)}


@lru_cache(maxsize=1)
def _shifts() -> Float[Tensor, " A"]:
    shifts = read_table(TABLE)["units"]
    return torch.tensor([float(shifts.get(_unit(name), 0.0)) for name in AU_NAMES])


def _log_odds(shown: Float[Tensor, "B A"]) -> Float[Tensor, "B A"]:
    return shown.clamp(_UNSURE, 1.0 - _UNSURE).logit()


def _unit(name: str) -> str:
    return name.rstrip("LR")
