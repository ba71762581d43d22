"""What the denoiser is trained for: the clean motion, its velocity, lips that meet when they must, a face that can be read, stillness."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from emohead.channels import AU_INDEX, AU_NAMES, N_AU, RIG_INDEX, other_side
from emohead.head.action_units import au_to_rig
from emohead.motion.closures import parting_mm
from emohead.motion.denoiser import FRAMES_PER_TOKEN, DenoiserConfig
from emohead.motion.motion_batches import MotionBatch
from emohead.motion.phones import PHONE_INDEX
from emohead.motion.readers import EmotionReader, PhoneReader, RealismReader, SyncExpert, held
from emohead.motion.vector import CHANNELS, N_CHANNELS, RIG_CHANNELS, MotionScale, columns_of

_CLOSING_MM = 1.5
"""Lip opening at which its error still weighs 1/e more than that of an open mouth."""
_MOVED = 0.05
"""Coefficient from which an action unit at full intensity moves a channel."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; 0 leaves one out."""

    velocity: float = 1.0
    """Mean squared error of the frame-to-frame change, in units of its own spread."""
    lips: float = 1.5
    """Mean squared error of the lip opening (mm), twice as much at closures: the mean of what may be said, not the likeliest."""
    phone: float = 0.02
    """The phone can be read off the mouth."""
    sync: float = 0.02
    """The moment of the voice can be told from the mouth (lip-sync expert)."""
    emotion: float = 0.5
    """The emotion meant can be read off face and head (emotion consistency)."""
    units: float = 1.0
    """Mean absolute error of the action units that were asked for (AU consistency)."""
    silence: float = 0.2
    """Change of the mouth where nobody speaks, beyond that of the truth."""
    asked: float = 2.0
    """Additional weight of the channels that an action unit with weight moves, and of their mirror images."""
    adversarial: float = 0.0
    """Cannot be told from performances; an option, .01 to .05."""


class DiffusionLoss(nn.Module):
    """The loss of a predicted clean motion; holds the readers, which are trained with it."""

    spread: Tensor
    velocity_spread: Tensor
    parting: Tensor
    rest: Tensor
    to_units: Tensor
    concerned: Tensor

    def __init__(self, scale: MotionScale, weights: LossWeights, velocity_spread: Float[Tensor, " M"], network: DenoiserConfig):
        super().__init__()
        self.weights = weights
        self.readers = nn.ModuleDict()
        if weights.phone > 0:
            self.readers["phone"] = PhoneReader()
        if weights.sync > 0:
            self.readers["sync"] = SyncExpert(network.n_features)
        if weights.emotion > 0:
            self.readers["emotion"] = EmotionReader(network.n_emotions)
        self.realism = RealismReader(N_CHANNELS) if weights.adversarial > 0 else None
        self.register_buffer("spread", scale.spread)
        self.register_buffer("velocity_spread", (velocity_spread / scale.spread).clamp(min=0.02))
        parting = torch.tensor([parting_mm(name) if not name.startswith(("head", "gaze")) else 0.0 for name in CHANNELS])
        self.register_buffer("parting", parting)
        self.register_buffer("rest", (scale.mean * parting).sum())
        self.register_buffer("to_units", units_of_channels())
        self.register_buffer("concerned", concerned_channels())
        self.mouth = columns_of("mouth")

    def forward(self, predicted: Float[Tensor, "B T M"], batch: MotionBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum and its terms; what is given counts nothing.

        A reader's term has its own training in it: error on the truth plus weight times error on what was predicted.
        """
        weights, clean = self.weights, batch.clean
        free = 1.0 - batch.conditions.mask
        counted = free.mean().clamp(min=1e-3)
        weight = batch.conditions.prompt[..., N_AU : 2 * N_AU]
        emphasis = 1.0 + weights.asked * (weight @ self.concerned).clamp(max=1.0).repeat_interleave(FRAMES_PER_TOKEN, 1)
        error = predicted - clean
        terms = {"motion": (error.square() * emphasis * free).mean() / counted}
        between = free[:, 1:] * free[:, :-1]
        change = error.diff(dim=1) / self.velocity_spread
        terms["velocity"] = weights.velocity * 0.1 * (change.square() * between).mean() / counted
        terms["lips"] = weights.lips * self._lips(predicted, clean)
        terms["silence"] = weights.silence * self._restlessness(predicted, batch)
        if weights.units > 0:
            missed = ((error * self.spread) @ self.to_units).unflatten(1, (-1, FRAMES_PER_TOKEN)).mean(2)
            terms["units"] = weights.units * (missed.abs() * weight).sum() / weight.sum().clamp(min=1.0)
        for name, reader in self.readers.items():
            terms[name] = reader(clean, batch) + getattr(weights, name) * held(reader, predicted, batch)
        if self.realism is not None:
            told_apart = self.realism(clean, 1.0) + self.realism(predicted.detach(), 0.0)
            terms["adversarial"] = told_apart + weights.adversarial * held(self.realism, predicted, 1.0)
        return torch.stack(list(terms.values())).sum(), terms

    def _lips(self, predicted: Tensor, clean: Tensor) -> Tensor:
        opening, wanted = (((values * self.spread) @ self.parting) + self.rest for values in (predicted, clean))
        weight = 1.0 + torch.exp(-wanted.clamp(min=0.0) / _CLOSING_MM)
        return 0.05 * ((opening - wanted).square() * weight).mean()

    def _restlessness(self, predicted: Tensor, batch: MotionBatch) -> Tensor:
        silent = (batch.labels == PHONE_INDEX["pau"]).float().unflatten(1, (-1, 2)).amin(-1)[:, 1:]
        moved, true = (values[..., self.mouth].diff(dim=1).abs().mean(-1) for values in (predicted, batch.clean))
        return ((moved - true).clamp(min=0.0) * silent).mean() / silent.mean().clamp(min=1e-3)


def units_of_channels() -> Float[Tensor, "M A"]:
    """From changes of the channels to those of each action unit that by itself explains them best, by the linear part of `au_to_rig`."""
    effect = _effect()
    return (effect / effect.square().sum(1, keepdim=True).clamp(min=1e-6)).T.contiguous()


def concerned_channels() -> Float[Tensor, "A M"]:
    """1 where an action unit, or the same on the other side, moves a channel: a wish for one side says something about both."""
    moved = _effect() > _MOVED
    mirrored = [AU_INDEX[other_side(name)] for name in AU_NAMES]
    return (moved | moved[mirrored]).float()


def _effect() -> Float[Tensor, "A M"]:
    """The channels of each action unit at full intensity."""
    effect = torch.zeros(N_AU, N_CHANNELS)
    effect[:, : len(RIG_CHANNELS)] = au_to_rig(torch.eye(N_AU))[:, [RIG_INDEX[name] for name in RIG_CHANNELS]]
    return effect


def velocity_spread(motion: Float[Tensor, "n T M"]) -> Float[Tensor, " M"]:
    """Spread of the frame-to-frame change of each channel over a corpus."""
    return motion.diff(dim=1).flatten(0, 1).std(0)
