"""Small networks that read a motion, trained beside the denoiser and thrown away: what they cannot find again, the denoiser has left out.

Each reads true performances for its own training; what the denoiser made is then read with the reader's weights held (`held`), so that
the two cannot agree on signs that no face shows. None of them is one of the judges that measure motion (`emohead.metrics.judges`).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from emohead.data.alignments import UNKNOWN_LABEL
from emohead.motion.denoiser import FRAMES_PER_TOKEN, SOUNDS_PER_TOKEN
from emohead.motion.motion_batches import MotionBatch
from emohead.motion.phones import PHONES
from emohead.motion.vector import GROUPS, columns_of

_WIDTH = 96
_EVERY = 8
"""Tokens from one moment that the expert compares to the next: .32 s, so that neighbours are not mistaken for strangers."""


class _Convolutions(nn.Module):
    """Two convolutions over tokens, `reach` of them to either side."""

    def __init__(self, inputs: int, outputs: int, reach: int):
        super().__init__()
        first = (reach + 1) // 2
        self.layers = nn.Sequential(
            nn.Conv1d(inputs, _WIDTH, 2 * first + 1, padding=first),
            nn.SiLU(),
            nn.Conv1d(_WIDTH, outputs, 2 * (reach - first) + 1, padding=reach - first),
        )

    def forward(self, tokens: Float[Tensor, "B N I"]) -> Float[Tensor, "B N O"]:
        return self.layers(tokens.transpose(1, 2)).transpose(1, 2)


class PhoneReader(nn.Module):
    """Tells the phone from the mouth, 80 ms to either side."""

    def __init__(self):
        super().__init__()
        self.columns = columns_of("mouth")
        self.read = _Convolutions(FRAMES_PER_TOKEN * len(self.columns), SOUNDS_PER_TOKEN * len(PHONES), 2)

    def forward(self, scaled: Float[Tensor, "B T M"], batch: MotionBatch) -> Float[Tensor, ""]:
        """Cross entropy of the phones."""
        known = batch.labels != UNKNOWN_LABEL
        if not bool(known.any()):
            return scaled.new_zeros(())
        odds = self.read(_tokens(scaled[..., self.columns])).unflatten(-1, (SOUNDS_PER_TOKEN, -1)).flatten(1, 2)
        return functional.cross_entropy(odds[known], batch.labels[known])


class SyncExpert(nn.Module):
    """Tells which moment of which voice a mouth belongs to, 200 ms to either side (SyncNet's idea, Chung & Zisserman 2016, as InfoNCE)."""

    def __init__(self, n_features: int, width: int = 48):
        super().__init__()
        self.columns = columns_of("mouth")
        self.watch = _Convolutions(FRAMES_PER_TOKEN * len(self.columns), width, 5)
        self.hear = _Convolutions(SOUNDS_PER_TOKEN * n_features, width, 5)
        self.sharpness = nn.Parameter(torch.tensor(2.5))

    def forward(self, scaled: Float[Tensor, "B T M"], batch: MotionBatch) -> Float[Tensor, ""]:
        """InfoNCE both ways over moments of all clips that have a sound."""
        mouths = functional.normalize(self.watch(_tokens(scaled[..., self.columns])), dim=-1)[:, _EVERY // 2 :: _EVERY].flatten(0, 1)
        heard = batch.sound.unflatten(1, (-1, SOUNDS_PER_TOKEN)).flatten(2)
        voices = functional.normalize(self.hear(heard), dim=-1)[:, _EVERY // 2 :: _EVERY].flatten(0, 1)
        alike = self.sharpness.clamp(max=4.0).exp() * mouths @ voices.T
        own = torch.arange(len(alike), device=alike.device)
        return 0.5 * (functional.cross_entropy(alike, own) + functional.cross_entropy(alike.T, own))


class EmotionReader(nn.Module):
    """Tells the emotion meant from the whole face and head, .24 s to either side."""

    def __init__(self, n_emotions: int):
        super().__init__()
        self.columns = [column for group in GROUPS if group != "gaze" for column in columns_of(group)]
        self.read = _Convolutions(FRAMES_PER_TOKEN * len(self.columns), n_emotions, 6)

    def forward(self, scaled: Float[Tensor, "B T M"], batch: MotionBatch) -> Float[Tensor, ""]:
        """Mean squared error of the emotions' strengths."""
        return (self.read(_tokens(scaled[..., self.columns])) - batch.emotion).square().mean()


class RealismReader(nn.Module):
    """Tells performances from what the denoiser made (least squares, Mao et al. 2017), .2 s to either side."""

    def __init__(self, n_channels: int):
        super().__init__()
        self.read = _Convolutions(FRAMES_PER_TOKEN * n_channels, 1, 5)

    def forward(self, scaled: Float[Tensor, "B T M"], wanted: float) -> Float[Tensor, ""]:
        """How far its answers are from `wanted`: 1 for a performance, 0 for an imitation."""
        return (self.read(_tokens(scaled)) - wanted).square().mean()


def held(reader: nn.Module, *arguments: object) -> Tensor:
    """What a reader says, its weights taken as they are: gradients reach what is read, never the reader."""
    return functional_call(reader, {name: tensor.detach() for name, tensor in reader.state_dict().items()}, arguments)


def _tokens(values: Float[Tensor, "B T D"]) -> Float[Tensor, "B N E"]:
    return values.unflatten(1, (-1, FRAMES_PER_TOKEN)).flatten(2)
