"""What the denoiser is trained for: the clean motion, its velocity, lips that meet when they must, a mouth that can be read, stillness."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from emohead.data.alignments import UNKNOWN_LABEL
from emohead.motion.closures import parting_mm
from emohead.motion.motion_batches import MotionBatch
from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.motion.vector import CHANNELS, MotionScale, columns_of

_CLOSING_MM = 1.5
"""Lip opening at which its error still weighs 1/e more than that of an open mouth."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; 0 leaves one out."""

    velocity: float = 1.0
    """Mean squared error of the frame-to-frame change, in units of its own spread."""
    lips: float = 0.5
    """Mean absolute error of the lip opening (mm), weighted towards closures."""
    phone: float = 0.05
    """Cross entropy of a small reader that tells the phone from the predicted mouth."""
    silence: float = 0.2
    """Change of the mouth where nobody speaks, beyond that of the truth."""
    asked: float = 1.0
    """Additional weight of what was asked for: upper face where an action unit has weight."""


class PhoneReader(nn.Module):
    """Reads phones off a mouth, 40 ms to either side; trained beside the denoiser and thrown away."""

    def __init__(self, width: int = 96):
        super().__init__()
        self.columns = columns_of("mouth")
        self.layers = nn.Sequential(
            nn.Conv1d(len(self.columns), width, 5, padding=2), nn.SiLU(), nn.Conv1d(width, 2 * len(PHONES), 3, padding=1)
        )

    def forward(self, scaled: Float[Tensor, "B T M"]) -> Float[Tensor, "B S P"]:
        """Log-odds of the phone every 10 ms."""
        found = self.layers(scaled[..., self.columns].transpose(1, 2)).transpose(1, 2)
        return found.unflatten(-1, (2, len(PHONES))).flatten(1, 2)


class DiffusionLoss(nn.Module):
    """The loss of a predicted clean motion; holds the reader, which is trained with it."""

    spread: Tensor
    velocity_spread: Tensor
    parting: Tensor
    rest: Tensor

    def __init__(self, scale: MotionScale, weights: LossWeights, velocity_spread: Float[Tensor, " M"]):
        super().__init__()
        self.weights, self.reader = weights, PhoneReader()
        self.register_buffer("spread", scale.spread)
        self.register_buffer("velocity_spread", (velocity_spread / scale.spread).clamp(min=0.02))
        parting = torch.tensor([parting_mm(name) if not name.startswith(("head", "gaze")) else 0.0 for name in CHANNELS])
        self.register_buffer("parting", parting)
        self.register_buffer("rest", (scale.mean * parting).sum())
        self.mouth, self.upper = columns_of("mouth"), columns_of("upper")

    def forward(self, predicted: Float[Tensor, "B T M"], batch: MotionBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum and its terms; what is given counts nothing."""
        weights, clean = self.weights, batch.clean
        free = 1.0 - batch.conditions.mask
        counted = free.mean().clamp(min=1e-3)
        asked = batch.conditions.prompt[..., 46:92].amax(-1).repeat_interleave(2, 1)  # [B, T]
        emphasis = torch.ones_like(free)
        emphasis[..., self.upper] += weights.asked * asked[..., None]
        error = (predicted - clean).square()
        terms = {"motion": (error * emphasis * free).mean() / counted}
        between = free[:, 1:] * free[:, :-1]
        change = (predicted.diff(dim=1) - clean.diff(dim=1)) / self.velocity_spread
        terms["velocity"] = weights.velocity * 0.1 * (change.square() * between).mean() / counted
        terms["lips"] = weights.lips * self._lips(predicted, clean)
        known = batch.labels != UNKNOWN_LABEL
        if weights.phone > 0 and bool(known.any()):
            terms["phone"] = weights.phone * functional.cross_entropy(self.reader(predicted)[known], batch.labels[known])
        terms["silence"] = weights.silence * self._restlessness(predicted, batch)
        return torch.stack(list(terms.values())).sum(), terms

    def _lips(self, predicted: Tensor, clean: Tensor) -> Tensor:
        opening, wanted = (((values * self.spread) @ self.parting) + self.rest for values in (predicted, clean))
        weight = 1.0 + 4.0 * torch.exp(-wanted.clamp(min=0.0) / _CLOSING_MM)
        return 0.1 * ((opening - wanted).abs() * weight).mean()

    def _restlessness(self, predicted: Tensor, batch: MotionBatch) -> Tensor:
        silent = (batch.labels == PHONE_INDEX["pau"]).float().unflatten(1, (-1, 2)).amin(-1)[:, 1:]
        moved, true = (values[..., self.mouth].diff(dim=1).abs().mean(-1) for values in (predicted, batch.clean))
        return ((moved - true).clamp(min=0.0) * silent).mean() / silent.mean().clamp(min=1e-3)


def velocity_spread(motion: Float[Tensor, "n T M"]) -> Float[Tensor, " M"]:
    """Spread of the frame-to-frame change of each channel over a corpus."""
    return motion.diff(dim=1).flatten(0, 1).std(0)
