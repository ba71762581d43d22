"""Training of the emotion space: items of one state belong together, whatever they are; a head names the emotion."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from controllers.binding import EmotionSpace
from controllers.binding_data import Faces, Items, Tones, label_items, motion_items, state_names, texts, voice_items
from controllers.binding_face import N_EXPRESSION, N_FACE
from controllers.binding_net import CLASSES, MODALITIES, BindingConfig, BindingNet, Embedded, Modality
from controllers.binding_voice import N_TONE
from controllers.front_ends import FrontEndName, TextFeatures, load_front_end
from controllers.phrases import HeldOut
from emohead.errors import InputError
from emohead.motion.training import Report, TrainingConfig, train, write_settings

_N_TEXTS = 8192
"""Sentences that are drawn once and come again."""
_LEAST_SPREAD = {"motion": 0.02, "voice": 0.02, "label": 0.05}


@dataclass(frozen=True)
class BindingTrainingConfig:
    """Settings of a run."""

    front_end: FrontEndName = "small"
    """What reads text."""
    width: int = 96
    """Hidden units of each adapter."""
    batch: int = 96
    """Items of each modality per step and process."""
    basic: float = 0.6
    """Share of items that show one of the classes; the others show any state."""
    naming: float = 0.5
    """Weight of naming the class."""
    strength: float = 0.3
    """Weight of the squared error of the strength."""
    blur: float = 0.3
    """Noise on voices, in spreads: few speakers are heard."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(steps=900, learning_rate=3e-3, warmup=60, average=0.99, weight_decay=0.05, every=300)
    )
    """The loop's."""


@dataclass(frozen=True)
class Batch:
    """Items of every modality."""

    values: Mapping[Modality, Tensor]
    """Per modality `[B, I]`; texts are rows `[B, L, I]`."""
    there: Float[Tensor, "B L"]
    """1 where a text has a row."""
    state: Int[Tensor, "M B"]
    """Which state each shows, a row per modality."""
    strength: Float[Tensor, "M B"]
    """How strongly; not a number where nobody knows."""


class BindingBatches:
    """Draws batches; the same number, the same batch."""

    def __init__(
        self, items: Mapping[Modality, Items], text: tuple[TextFeatures, Int[Tensor, " n"], Tensor], config: BindingTrainingConfig
    ):
        self._items, self._text, self._config = items, text, config
        self._names = [name for name in MODALITIES if name in items or name == "text"]
        self._states = {name: items[name].state if name != "text" else text[1] for name in self._names}
        self._rows = {name: _by_state(state) for name, state in self._states.items()}

    @property
    def modalities(self) -> list[Modality]:
        """Those that there are items of, in order."""
        return self._names

    def batch(self, number: int) -> Batch:
        """Batch `number`."""
        rng = np.random.default_rng((self._config.training.seed, number))
        values: dict[Modality, Tensor] = {}
        states, strengths, there = [], [], torch.zeros(0)
        for name in self._names:
            rows = torch.tensor([int(rng.choice(self._rows[name][state])) for state in self._drawn(name, rng)])
            states.append(self._states[name][rows])
            if name == "text":
                features, _, strength = self._text
                there = features.there[rows]
                length = int(there.sum(1).max())
                weakened = load_front_end(self._config.front_end).weakened(features.values[rows, :length])
                values[name], there = weakened, there[:, :length]
                strengths.append(strength[rows])
            else:
                values[name] = self._items[name].values[rows]
                strengths.append(self._items[name].strength[rows])
        return Batch(values, there, torch.stack(states), torch.stack(strengths))

    def _drawn(self, name: Modality, rng: np.random.Generator) -> list[int]:
        """States of a batch's items of one modality, the classes more often than the others."""
        there = list(self._rows[name])
        classes = [state for state in there if state_names()[state] in CLASSES]
        n_basic = round(self._config.basic * self._config.batch) if len(classes) < len(there) else self._config.batch
        return [*rng.choice(classes, n_basic).tolist(), *rng.choice(there, self._config.batch - n_basic).tolist()]


class BindingLoss(nn.Module):
    """InfoNCE over items of one state and different modality, cross entropy of the classes, squared error of the strength."""

    def __init__(self, config: BindingTrainingConfig):
        super().__init__()
        self.naming, self.strength = config.naming, config.strength

    def forward(self, embedded: list[Embedded], net: BindingNet, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms."""
        vectors, state = torch.cat([made.vectors for made in embedded]), batch.state.flatten()
        kind = torch.arange(len(embedded)).repeat_interleave(len(embedded[0].vectors))
        alike = net.sharpness.clamp(max=3.0).exp() * vectors @ vectors.T
        alike = alike.masked_fill(torch.eye(len(vectors), dtype=torch.bool), -torch.inf)
        # Several positives: the mean log share of each (Khosla et al. 2020), of other modalities alone, so that they must meet.
        positive = (state[:, None] == state[None]) & (kind[:, None] != kind[None])
        share = alike.log_softmax(1).masked_fill(~positive, 0.0).sum(1) / positive.sum(1).clamp(min=1)
        terms = {"contrast": -share[positive.any(1)].mean()}
        index = torch.tensor([CLASSES.index(name) if name in CLASSES else -1 for name in state_names()])[state]
        terms["naming"] = functional.cross_entropy(net.log_odds(vectors), index, ignore_index=-1, label_smoothing=0.05)
        strength, known = batch.strength.flatten(), ~batch.strength.flatten().isnan()
        told = torch.cat([made.strength for made in embedded])
        terms["strength"] = (told - strength)[known].square().mean()
        return terms["contrast"] + self.naming * terms["naming"] + self.strength * terms["strength"], terms


def train_binding(
    faces: Faces | None,
    tones: Tones | None,
    work: Path,
    *,
    config: BindingTrainingConfig | None = None,
    without_speaker: str | None = None,
    without: HeldOut | None = None,
    report: Report | None = None,
) -> EmotionSpace:
    """Train the space, or go on with a run in `work`; returns it with averaged weights.

    Args:
        faces: performances to learn faces from.
        tones: acted voices; None leaves voices out.
        work: folder of checkpoints, log and settings.
        config: settings.
        without_speaker: a speaker who must not be heard.
        without: phrases that must not be seen.
        report: told now and then.

    Raises:
        InputError: no faces.
    """
    config = config or BindingTrainingConfig()
    if faces is None or not len(faces.shown):
        raise InputError("the emotion space needs performances to learn faces from; give --performances")
    seed = config.training.seed
    rng = np.random.default_rng(seed)
    items: dict[Modality, Items] = {"motion": motion_items(faces, rng), "label": label_items(rng)}
    if tones is not None:
        items["voice"] = voice_items(tones, without=without_speaker)
    front_end = load_front_end(config.front_end)
    text = _text_items(config, random.Random(seed), without)
    torch.manual_seed(seed)
    net = BindingConfig(N_FACE, N_TONE, front_end.width, N_EXPRESSION, width=config.width).build()
    for name, found in items.items():
        net.adapters[name].fit_scale(found.values, least=_LEAST_SPREAD[name])
    write_settings(work, config)
    batches = BindingBatches(items, text, config)

    def step_loss(model: nn.Module, loss: nn.Module, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = batches.batch(number)
        return loss(_embedded(net, batches, batch, config.blur), net, batch)

    trained = train(net, BindingLoss(config), step_loss, config.training, work, report=report)
    return EmotionSpace(trained, config.front_end, hears="voice" in items)


def _embedded(net: BindingNet, batches: BindingBatches, batch: Batch, blur: float) -> list[Embedded]:
    made = []
    for name in batches.modalities:
        values = batch.values[name]
        if name == "text":
            values = net.pooled(values, batch.there)
        elif name == "voice":
            values = values + blur * net.adapters[name].spread * torch.randn_like(values)
        made.append(net.embed(name, values))
    return made


def _text_items(config: BindingTrainingConfig, rng: random.Random, without: HeldOut | None) -> tuple[TextFeatures, Tensor, Tensor]:
    """Sentences as their front end reads them, their states, and their strength where the lexicon knows it."""
    drawn = texts(rng, _N_TEXTS, without=without)
    features = load_front_end(config.front_end)([text for text, _ in drawn])
    state = torch.tensor([state_names().index(phrase.concept) for _, phrase in drawn])
    strength = torch.tensor(
        [phrase.gain if phrase.kind == "state" and phrase.concept != "neutral" else float("nan") for _, phrase in drawn]
    )
    return features, state, strength


def _by_state(state: Int[Tensor, " n"]) -> dict[int, np.ndarray]:
    return {int(one): np.flatnonzero(state.numpy() == one) for one in state.unique()}
