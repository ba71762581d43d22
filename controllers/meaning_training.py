"""Training the meaning network: batches of generated sentences, classification and contrast, the average of the weights."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from controllers.described import N_FACE, face_row
from controllers.expression import mirrored
from controllers.front_ends import FrontEndName, load_front_end
from controllers.handedness import left_handed
from controllers.meaning import MeaningModel
from controllers.meaning_corpus import CorpusConfig, Example, MeaningCorpus
from controllers.meaning_net import MeaningNet, MeaningNetConfig, MeaningScores
from controllers.neighbours import neighbours_of
from controllers.phrases import HeldOut, concept_names
from controllers.text_features import TextFeatures
from controllers.word_vectors import load_word_vectors
from emohead.channels import N_AU
from emohead.motion.training import Report, TrainingConfig, train, write_settings

_GROUP, _SENTENCES = 8, 163_840
"""Batches whose sentences are drawn together and sorted by length, and the number of sentences after which the same ones come again."""
_RANK = 16


@dataclass(frozen=True)
class MeaningTrainingConfig:
    """Settings of a run."""

    front_end: FrontEndName = "small"
    """What reads the text."""
    source: str = ""
    """Folder or hub name of the front end's own model (`clip`); empty for the usual one."""
    width: int = 192
    """Channels of the network."""
    dropout: float = 0.1
    """Share of channels dropped, 0..0.5."""
    batch: int = 256
    """Sentences per step and process."""
    contrast: float = 1.0
    """Weight of the contrastive term."""
    shown: float = 1.0
    """Weight of the cross entropy of the units to be seen."""
    intensity: float = 4.0
    """Weight of the squared error of their intensities."""
    pose: float = 4.0
    """Weight of the squared error of gaze and head."""
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    """How sentences are made."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(steps=4000, learning_rate=2e-3, warmup=100, average=0.995, weight_decay=0.05, every=400)
    )
    """The loop's."""


@dataclass(frozen=True)
class MeaningBatch:
    """Sentences and what they mean."""

    features: TextFeatures
    """As the front end reads them."""
    target: Float[Tensor, "B K"]
    """1 for every concept that is meant; the last one where none is; all 0 where it is not known."""
    face: Float[Tensor, "B F"]
    """The face that belongs to it (`face_row`)."""

    def to(self, device: torch.device) -> "MeaningBatch":
        """The batch on a device."""
        features = TextFeatures(self.features.values.to(device), self.features.there.to(device))
        return MeaningBatch(features, self.target.to(device), self.face.to(device))


def training_config(front_end: FrontEndName) -> MeaningTrainingConfig:
    """The settings of the networks that ship. MiniLM is slow, knows much and learns sentences by heart: fewer a step, and more dropped."""
    plain = MeaningTrainingConfig(front_end=front_end)
    if front_end != "minilm":
        return plain
    return replace(plain, batch=64, width=128, dropout=0.25, training=replace(plain.training, learning_rate=1.5e-3))


class MeaningBatches:
    """Batches as functions of their number."""

    def __init__(self, config: MeaningTrainingConfig, without: HeldOut | None = None):
        self.config = config
        self.corpus = MeaningCorpus(load_word_vectors(), without=without, config=config.corpus)
        self._front_end = load_front_end(config.front_end, config.source)
        self._index = {name: index for index, name in enumerate(concept_names())}
        self._drawn: dict[int, MeaningBatch] = {}

    def batch(self, number: int) -> MeaningBatch:
        """Batch `number`; rows are weakened by the global random state, which the training loop sets at every step."""
        number %= _GROUP * max(1, _SENTENCES // (_GROUP * self.config.batch))
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
        texts = [left_handed(example.text) for example in examples]
        expressions = [example.expression for example in examples]
        faces = [mirrored(face) if swapped else face for face, (_, swapped) in zip(expressions, texts, strict=True)]
        targets = torch.stack([self._target(example) for example in examples])
        return MeaningBatch(self._front_end([text for text, _ in texts]), targets, torch.stack([face_row(face) for face in faces]))

    def _target(self, example: Example) -> Float[Tensor, " K"]:
        target = torch.zeros(len(self._index) + 1)
        for phrase in example.meant or ():
            target[self._index[phrase.concept]] = 1.0
        if example.meant == ():
            target[-1] = 1.0
        return target


class MeaningLoss(nn.Module):
    """Binary cross entropy per concept and InfoNCE between a text and its concepts (as EmoDiffTalk, arXiv 2512.05991, trains its text), and
    the error of the face.
    """

    def __init__(self, config: MeaningTrainingConfig):
        super().__init__()
        self.config = config

    def forward(self, scores: MeaningScores, batch: MeaningBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms."""
        units, pose = batch.face.split([N_AU, N_FACE - N_AU], dim=1)
        seen, known = (units > 0.0).float(), batch.target.sum(1)[:, None].clamp(max=1.0)  # [B, A], [B, 1]
        meant = batch.target / batch.target.sum(1, keepdim=True).clamp(min=1.0)
        classes = functional.binary_cross_entropy_with_logits(scores.logits, batch.target, reduction="none")
        # Of a described face it is known only that the text asks for one.
        classes = classes * torch.cat([known.expand(-1, classes.shape[1] - 1), torch.ones_like(known)], dim=1)
        # A label smoothed by .1 towards all concepts.
        smooth = known * (0.9 * meant + 0.1 / meant.shape[1])
        terms = {
            "classes": classes.sum(1).mean(),
            "contrast": -(smooth * scores.likeness.log_softmax(1)).sum() / known.sum().clamp(min=1.0),
            "shown": functional.binary_cross_entropy_with_logits(scores.shown, seen, reduction="none").sum(1).mean(),
            "intensity": (seen * (scores.intensity - units).square()).sum(1).mean(),
            "pose": (scores.pose - pose).square().sum(1).mean(),
        }
        weights = {"classes": 1.0, "contrast": self.config.contrast, "shown": self.config.shown, "intensity": self.config.intensity}
        return torch.stack([weights.get(name, self.config.pose) * term for name, term in terms.items()]).sum(), terms


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
    front_end = load_front_end(config.front_end, config.source)
    rank = _RANK if config.front_end == "minilm" else 0
    sizes = MeaningNetConfig(
        front_end.width,
        len(concept_names()),
        N_AU,
        N_FACE - N_AU,
        width=config.width,
        n_places=front_end.longest,
        rank=rank,
        dropout=config.dropout,
    )
    net, loss = sizes.build(), MeaningLoss(config)
    write_settings(work, config)

    def step_loss(model: nn.Module, terms: nn.Module, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = batches.batch(number).to(next(model.parameters()).device)
        return terms(model(batch.features.values, batch.features.there), batch)

    trained = train(net, loss, step_loss, config.training, work, report=report)
    assert isinstance(trained, MeaningNet)
    near = neighbours_of(trained, front_end, batches.corpus.described)
    return MeaningModel(trained, config.front_end, near, config.source)
