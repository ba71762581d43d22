"""Training the meaning network: batches of generated sentences, classification and contrast, the average of the weights."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from controllers.front_ends import FrontEndName, TextFeatures, load_front_end
from controllers.meaning import MeaningModel, left_handed
from controllers.meaning_corpus import CorpusConfig, Example, MeaningCorpus
from controllers.meaning_net import MeaningNetConfig, MeaningScores
from controllers.phrases import HeldOut, concept_names
from controllers.word_vectors import load_word_vectors
from emohead.motion.training import Report, TrainingConfig, train, write_settings

_GROUP, _GROUPS = 8, 16
"""Batches whose sentences are drawn together and sorted by length, and groups of them after which the same sentences come again."""


@dataclass(frozen=True)
class MeaningTrainingConfig:
    """Settings of a run."""

    front_end: FrontEndName = "small"
    """What reads the text."""
    width: int = 64
    """Channels of the network."""
    batch: int = 256
    """Sentences per step and process."""
    contrast: float = 1.0
    """Weight of the contrastive term."""
    strength: float = 1.0
    """Weight of the squared error of the strength."""
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    """How sentences are made."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(steps=1500, learning_rate=2e-3, warmup=100, average=0.995, weight_decay=0.05, every=400)
    )
    """The loop's."""


@dataclass(frozen=True)
class MeaningBatch:
    """Sentences and what they mean."""

    features: TextFeatures
    """As the front end reads them."""
    target: Float[Tensor, "B K"]
    """1 for every concept that is meant; the last one where none is."""
    strength: Float[Tensor, " B"]
    """Strength of what is meant, 1 for the plain word; not a number where it is not known."""


class MeaningBatches:
    """Batches as functions of their number."""

    def __init__(self, config: MeaningTrainingConfig, without: HeldOut | None = None):
        self.config = config
        self.corpus = MeaningCorpus(load_word_vectors(), without=without, config=config.corpus)
        self._front_end = load_front_end(config.front_end)
        self._index = {name: index for index, name in enumerate(concept_names())}
        self._drawn: dict[int, MeaningBatch] = {}

    def batch(self, number: int) -> MeaningBatch:
        """Batch `number`; rows are weakened by the global random state, which the training loop sets at every step."""
        number %= _GROUP * _GROUPS
        if number not in self._drawn:
            self._drawn[number] = self._draw(number)
        drawn = self._drawn[number]
        return replace(drawn, features=TextFeatures(self._front_end.weakened(drawn.features.values), drawn.features.there))

    def _draw(self, number: int) -> MeaningBatch:
        """A batch of sentences of about the same length: half of a mixed one would be filling."""
        group, place = divmod(number, _GROUP)
        rng = random.Random(self.config.training.seed * 1_000_003 + group)
        drawn = sorted(self.corpus.draw(_GROUP * self.config.batch, rng), key=lambda example: len(example.text.split()))
        first = rng.sample(range(_GROUP), _GROUP)[place] * self.config.batch
        examples = drawn[first : first + self.config.batch]
        features = self._front_end([left_handed(example.text)[0] for example in examples])
        strength = torch.tensor([_strength(example) for example in examples])
        return MeaningBatch(features, torch.stack([self._target(example) for example in examples]), strength)

    def _target(self, example: Example) -> Float[Tensor, " K"]:
        target = torch.zeros(len(self._index) + 1)
        for phrase in example.meant:
            target[self._index[phrase.concept]] = 1.0
        if not example.meant:
            target[-1] = 1.0
        return target


class MeaningLoss(nn.Module):
    """Binary cross entropy per concept and InfoNCE between a text and its concepts (as EmoDiffTalk, arXiv 2512.05991, trains its text)."""

    def __init__(self, config: MeaningTrainingConfig):
        super().__init__()
        self.contrast, self.strength = config.contrast, config.strength

    def forward(self, scores: MeaningScores, batch: MeaningBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms."""
        meant = batch.target / batch.target.sum(1, keepdim=True)
        known = ~batch.strength.isnan()
        miss = torch.where(known, scores.strength - batch.strength.nan_to_num(), 0.0).square().sum() / known.sum().clamp(min=1)
        terms = {
            "classes": functional.binary_cross_entropy_with_logits(scores.logits, batch.target, reduction="none").sum(1).mean(),
            "contrast": functional.cross_entropy(scores.likeness, meant, label_smoothing=0.1),
            "strength": miss,
        }
        return terms["classes"] + self.contrast * terms["contrast"] + self.strength * terms["strength"], terms


def train_meaning(
    work: Path, *, config: MeaningTrainingConfig | None = None, without: HeldOut | None = None, report: Report | None = None
) -> MeaningModel:
    """Train the network, or go on with a run in `work`; returns it with its averaged weights.

    Args:
        work: folder of checkpoints, log and settings.
        config: settings.
        without: phrases that must not be seen.
        report: told now and then.
    """
    config = config or MeaningTrainingConfig()
    batches = MeaningBatches(config, without)
    torch.manual_seed(config.training.seed)
    width = load_front_end(config.front_end).width
    net, loss = MeaningNetConfig(width, len(concept_names()), width=config.width).build(), MeaningLoss(config)
    write_settings(work, config)

    def step_loss(model: nn.Module, terms: nn.Module, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = batches.batch(number)
        return terms(model(batch.features.values, batch.features.there), batch)

    return MeaningModel(train(net, loss, step_loss, config.training, work, report=report), config.front_end)


def _strength(example: Example) -> float:
    """The gain of a text that means one looked-up state, else not a number."""
    phrase = example.meant[0] if len(example.meant) == 1 else None
    return phrase.gain if phrase is not None and phrase.kind == "state" else float("nan")
