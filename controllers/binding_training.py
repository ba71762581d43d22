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
from controllers.front_ends import TextFeatures, load_front_end
from controllers.phrases import HeldOut
from emohead.motion.training import Report, TrainingConfig, train, write_settings

_LEAST_SPREAD = {"motion": 0.02, "voice": 0.02, "label": 0.05}


@dataclass(frozen=True)
class BindingTrainingConfig:
    """Settings of a run."""

    width: int = 96
    """Hidden units of each adapter."""
    batch: int = 96
    """Items of each modality per step and process."""
    per_state: int = 40
    """Strengths of each state's label, and windows of faces that it is laid over."""
    sentences: int = 8192
    """Sentences that are drawn once and come again."""
    basic: float = 0.6
    """Share of items that show one of the classes; the others show any state."""
    naming: float = 0.5
    """Weight of naming the class."""
    strength: float = 0.3
    """Weight of the squared error of the strength."""
    blur: float = 0.3
    """Noise on voices, in spreads: few speakers are heard."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(steps=600, learning_rate=3e-3, warmup=60, average=0.99, weight_decay=0.05, every=300)
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


@dataclass(frozen=True)
class Lessons:
    """What every training on the same performances and phrases shares."""

    motion: Items
    label: Items
    text: TextFeatures
    """Sentences as their front end reads them."""
    text_state: Int[Tensor, " n"]
    """Which state each means."""
    text_strength: Float[Tensor, " n"]
    """How strongly, where the lexicon knows it."""


class BindingBatches:
    """Draws batches; the same number, the same batch."""

    def __init__(self, items: Mapping[Modality, Items], lessons: Lessons, config: BindingTrainingConfig):
        self._items, self._lessons, self._config = items, lessons, config
        self._names: list[Modality] = [name for name in MODALITIES if name in items or name == "text"]
        self._states = {name: items[name].state if name != "text" else lessons.text_state for name in self._names}
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
            pools = [self._rows[name][state] for state in self._drawn(name, rng)]
            rows = torch.tensor([int(pool[int(share * len(pool))]) for pool, share in zip(pools, rng.random(len(pools)), strict=True)])
            states.append(self._states[name][rows])
            if name == "text":
                text = self._lessons.text
                there = text.there[rows]
                there = there[:, : int(there.sum(1).max())]
                values[name] = load_front_end("small").weakened(text.values[rows, : there.shape[1]])
                strengths.append(self._lessons.text_strength[rows])
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


def lessons_of(faces: Faces, *, config: BindingTrainingConfig | None = None, without: HeldOut | None = None) -> Lessons:
    """Windows of faces, labels and sentences to learn from.

    Args:
        faces: performances.
        config: settings.
        without: phrases that must not be seen.
    """
    config = config or BindingTrainingConfig()
    seed = config.training.seed
    rng = np.random.default_rng(seed)
    drawn = texts(random.Random(seed), config.sentences, without=without)
    state = torch.tensor([state_names().index(phrase.concept) for _, phrase in drawn])
    strength = [phrase.gain if phrase.kind == "state" and phrase.concept != "neutral" else float("nan") for _, phrase in drawn]
    features = load_front_end("small")([text for text, _ in drawn])
    return Lessons(
        motion_items(faces, rng, overlaid=config.per_state),
        label_items(rng, per_state=config.per_state),
        features,
        state,
        torch.tensor(strength),
    )


def train_binding(
    lessons: Lessons,
    tones: Tones | None,
    work: Path,
    *,
    config: BindingTrainingConfig | None = None,
    without_speaker: str | None = None,
    report: Report | None = None,
) -> EmotionSpace:
    """Train the space, or go on with a run in `work`; returns it with averaged weights.

    Args:
        lessons: faces, labels and sentences (`lessons_of` with the same configuration).
        tones: acted voices; None leaves voices out.
        work: folder of checkpoints, log and settings.
        config: settings.
        without_speaker: a speaker who must not be heard.
        report: told now and then.
    """
    config = config or BindingTrainingConfig()
    items: dict[Modality, Items] = {"motion": lessons.motion, "label": lessons.label}
    if tones is not None:
        items["voice"] = voice_items(tones, without=without_speaker)
    torch.manual_seed(config.training.seed)
    net = BindingConfig(N_FACE, N_TONE, lessons.text.values.shape[2], N_EXPRESSION, width=config.width).build()
    for name, found in items.items():
        net.adapter(name).fit_scale(found.values, least=_LEAST_SPREAD[name])
    write_settings(work, config)
    batches = BindingBatches(items, lessons, config)

    def step_loss(model: nn.Module, loss: nn.Module, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = batches.batch(number)
        return loss(_embedded(net, batches, batch, config.blur), net, batch)

    trained = train(net, BindingLoss(config), step_loss, config.training, work, report=report)
    return EmotionSpace(trained, hears="voice" in items)


def _embedded(net: BindingNet, batches: BindingBatches, batch: Batch, blur: float) -> list[Embedded]:
    made = []
    for name in batches.modalities:
        values = batch.values[name]
        if name == "text":
            values = net.pooled(values, batch.there)
        elif name == "voice":
            values = values + blur * net.adapter(name).spread * torch.randn_like(values)
        made.append(net.embed(name, values))
    return made


def _by_state(state: Int[Tensor, " n"]) -> dict[int, np.ndarray]:
    return {int(one): np.flatnonzero(state.numpy() == one) for one in state.unique()}
