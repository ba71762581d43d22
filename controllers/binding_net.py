"""One space for emotions: what a face shows, a voice sounds like, a text says and a label means, as vectors that can be compared.

The form is that of arXiv 2506.10007: an encoder per modality that is not trained here (statistics of action units, statistics of a voice,
word vectors, the tables' expressions), a three-layer adapter per modality trained with InfoNCE, and a head that names the emotion.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Modality: TypeAlias = Literal["motion", "voice", "text", "label"]
MODALITIES: tuple[Modality, ...] = ("motion", "voice", "text", "label")
CLASSES: tuple[str, ...] = ("neutral", "happy", "sad", "surprised", "fearful", "angry", "disgusted", "contemptuous", "bored")
"""The emotions that the head names (`C` = 9)."""
_CUT = 4.0
"""Spreads from the mean at which an input is cut off."""


@dataclass(frozen=True)
class BindingConfig:
    """Sizes of the network, stored with its weights."""

    n_motion: int
    """Numbers that describe a face."""
    n_voice: int
    """Numbers that describe a voice."""
    n_text: int
    """Numbers in a row of the text front end."""
    n_label: int
    """Numbers that describe an expression of the tables."""
    width: int = 96
    """Hidden units of each adapter."""
    space: int = 32
    """Numbers in an embedding, `D`."""
    dropout: float = 0.4
    """Share of hidden units dropped while training; half as many inputs."""

    def build(self) -> "BindingNet":
        """An untrained network."""
        return BindingNet(self)


@dataclass(frozen=True)
class Embedded:
    """What an adapter makes of some items."""

    vectors: Float[Tensor, "B D"]
    """Of unit length."""
    strength: Float[Tensor, " B"]
    """How strong the emotion is, 1 as the tables describe it."""


class BindingNet(nn.Module):
    """The adapters, the directions of the classes, and the sharpness of the contrast."""

    def __init__(self, config: BindingConfig):
        super().__init__()
        self.config = config
        sizes: dict[Modality, int] = {
            "motion": config.n_motion, "voice": config.n_voice, "text": config.n_text, "label": config.n_label,
        }  # fmt: skip
        self.adapters = nn.ModuleDict({name: Adapter(size, config) for name, size in sizes.items()})
        self.weigh = nn.Sequential(nn.Linear(config.n_text, 32), nn.Tanh(), nn.Linear(32, 1))
        self.classes = nn.Linear(config.space, len(CLASSES), bias=False)
        self.sharpness = nn.Parameter(torch.tensor(2.0))
        """Natural logarithm of the factor on cosines."""

    def adapter(self, modality: Modality) -> "Adapter":
        """The adapter of a modality."""
        found = self.adapters[modality]
        assert isinstance(found, Adapter)
        return found

    def embed(self, modality: Modality, values: Float[Tensor, "B I"]) -> Embedded:
        """Embeddings of faces, voices or labels given as statistics, or of texts given as `pooled` rows."""
        return self.adapter(modality)(values)

    def pooled(self, rows: Float[Tensor, "B L I"], there: Float[Tensor, "B L"]) -> Float[Tensor, "B I"]:
        """Rows of words as one row per text, weighed by a learned attention."""
        attention = self.weigh(rows).masked_fill(there[..., None] == 0, -torch.inf).softmax(1)
        return (attention * rows).sum(1)

    def log_odds(self, vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B C"]:
        """How much each of `CLASSES` is in an embedding, in log odds up to a constant: scaled cosines."""
        return self.sharpness.exp() * vectors @ functional.normalize(self.classes.weight, dim=1).T


class Adapter(nn.Module):
    """Three layers on inputs brought to one size."""

    mean: Tensor
    spread: Tensor

    def __init__(self, n_inputs: int, config: BindingConfig):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_inputs))
        self.register_buffer("spread", torch.ones(n_inputs))
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout / 2), nn.Linear(n_inputs, config.width), nn.GELU(),
            nn.Dropout(config.dropout), nn.Linear(config.width, config.width), nn.GELU(),
            nn.Dropout(config.dropout), nn.Linear(config.width, config.space + 1),
        )  # fmt: skip

    def scaled(self, values: Float[Tensor, "B I"]) -> Float[Tensor, "B I"]:
        """Inputs in spreads from their mean."""
        return ((values - self.mean) / self.spread).clamp(-_CUT, _CUT)

    def forward(self, values: Float[Tensor, "B I"]) -> Embedded:
        made = self.layers(self.scaled(values))
        return Embedded(functional.normalize(made[:, :-1], dim=1), 1.0 + made[:, -1])

    @torch.no_grad()
    def fit_scale(self, values: Float[Tensor, "n I"], *, least: float) -> None:
        """Take mean and spread from data; what hardly varies is not blown up."""
        self.mean.copy_(values.mean(0))
        self.spread.copy_(values.std(0).clamp(min=least))
