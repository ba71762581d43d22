"""Training of the AU-prompted diffusion on a motion corpus."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from emohead.data.motion_corpus import N_PROMPT, MotionCorpus
from emohead.data.prompt_plans import EMOTIONS
from emohead.errors import InputError
from emohead.motion.denoiser import DenoiserConfig
from emohead.motion.diffusion_loss import DiffusionLoss, LossWeights, velocity_spread
from emohead.motion.diffusion_model import DiffusionModel
from emohead.motion.features.base import check_features
from emohead.motion.features.phone_bottleneck import N_FEATURES
from emohead.motion.motion_batches import BatchConfig, MotionBatches
from emohead.motion.noise import N_LEVELS, noised
from emohead.motion.style import N_STYLE
from emohead.motion.training import Report, TrainingConfig, train, write_settings
from emohead.motion.vector import MotionScale


def default_network(n_features: int = N_FEATURES) -> DenoiserConfig:
    """The network behind a speech encoder of `n_features`; by default behind the phone bottleneck."""
    return DenoiserConfig(n_features, N_PROMPT, len(EMOTIONS), N_STYLE)


@dataclass(frozen=True)
class MotionTrainingConfig:
    """Settings of a run."""

    network: DenoiserConfig = field(default_factory=default_network)
    batches: BatchConfig = field(default_factory=BatchConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    deterministic: bool = False
    """Always predict from nothing (a regression of the same size and training): the baseline that a diffusion must beat in variety."""


def train_motion(
    corpus: MotionCorpus,
    work: Path,
    *,
    config: MotionTrainingConfig | None = None,
    start: DiffusionModel | None = None,
    report: Report | None = None,
) -> DiffusionModel:
    """Train the diffusion, or go on with a run in `work`; returns it with its averaged weights.

    Args:
        corpus: performances.
        work: folder of checkpoints, log and settings.
        config: settings.
        start: a trained diffusion whose weights and scale the run begins with.
        report: told now and then.

    Raises:
        InputError: `start` is of other sizes, or heard its voices through another speech encoder.
    """
    config = config or MotionTrainingConfig()
    seen = torch.tensor(corpus.motion[:: max(1, corpus.n_clips // 500)], dtype=torch.float32)
    scale = MotionScale.of(seen.flatten(0, 1)) if start is None else start.scale
    torch.manual_seed(config.training.seed)
    denoiser = config.network.build()
    if start is not None:
        if start.encoder and corpus.encoder:
            check_features(start.encoder, corpus.encoder, trained="the network to start from")
        if asdict(start.denoiser.config) != asdict(config.network):
            raise InputError("the network to start from has other sizes than the one to train; give its --width")
        denoiser.load_state_dict(start.denoiser.state_dict())
    loss = DiffusionLoss(scale, config.weights, velocity_spread(seen), config.network)
    batches = MotionBatches(corpus, scale, config.batches, seed=config.training.seed)
    write_settings(work, config)

    def step_loss(model: nn.Module, terms: nn.Module, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = batches.batch(number)
        if config.deterministic:
            levels, noisy = torch.full((batch.clean.shape[0],), N_LEVELS - 1), torch.zeros_like(batch.clean)
        else:
            levels = torch.randint(N_LEVELS, (batch.clean.shape[0],))
            noisy = noised(batch.clean, levels)
        predicted = model(noisy, levels / (N_LEVELS - 1), batch.conditions)
        return terms(predicted.float(), batch)

    trained = train(denoiser, loss, step_loss, config.training, work, report=report)
    return DiffusionModel(trained, scale, encoder=corpus.encoder, deterministic=config.deterministic)
