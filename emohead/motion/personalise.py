"""Personalisation: a few layers of the diffusion fitted to a short tracked clip of one person, as in 3DiFACE (arXiv 2509.26233).

Only the style layer, the output layer and the last block's modulation train, so that a minute of a person cannot unteach speech. The end of
the clip is held out; its error before and after says whether it helped.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emohead.data.alignments import UNKNOWN_LABEL
from emohead.data.clip_folder import CorpusClip
from emohead.data.motion_corpus import MOTION_RATE, N_PROMPT, MotionCorpus
from emohead.data.prompt_plans import EMOTIONS
from emohead.errors import InputError
from emohead.motion.articulation import frame_times, sample
from emohead.motion.diffusion_loss import DiffusionLoss, LossWeights, velocity_spread
from emohead.motion.diffusion_model import DiffusionModel
from emohead.motion.editing import vectors_of
from emohead.motion.features.base import SpeechEncoder
from emohead.motion.features.sounds import encoder_for, sounds
from emohead.motion.motion_batches import BatchConfig, MotionBatches
from emohead.motion.noise import N_LEVELS, noised
from emohead.motion.phone_net import PhoneNet
from emohead.motion.style import style_of
from emohead.motion.training import Report, TrainingConfig, train

LEAST_SECONDS = 8.0
"""Of speech that a personalisation needs."""


@dataclass(frozen=True)
class PersonaliseConfig:
    """Settings of a personalisation."""

    seconds: float = 4.0
    """Length of the pieces that the clips are cut into; where most clips are shorter, that of the middle one."""
    held_out: float = 0.2
    """Share of the pieces, the last ones, that train nothing."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(steps=300, learning_rate=3e-4, warmup=20, average=0.98, every=300, report_every=20)
    )
    """The training run."""


@dataclass(frozen=True)
class Personalised:
    """What became of a personalisation."""

    model: DiffusionModel
    """With the person's measured style."""
    before: float
    """Mean squared error of the clean motion on the held-out pieces, scaled units, over all noise levels."""
    after: float
    """The same of the personalised network."""


def personalise(
    model: DiffusionModel,
    clips: Sequence[CorpusClip],
    net: PhoneNet,
    work: Path,
    *,
    config: PersonaliseConfig | None = None,
    report: Report | None = None,
) -> Personalised:
    """Fit the diffusion to a person's clips.

    Args:
        model: to start from; it is left as it is.
        clips: tracked, with sound.
        net: hears the phones.
        work: folder of checkpoints and log.
        config: settings.
        report: told now and then.

    Raises:
        InputError: clips without sound, or too little of it.
    """
    config = config or PersonaliseConfig()
    seconds = piece_seconds(clips, config.seconds)
    corpus = corpus_of_clips(clips, net, encoder_for(model.encoder, trained="the network to start from"), seconds=seconds)
    n_held = max(1, round(config.held_out * corpus.n_clips))
    training, held_out = _pieces(corpus, slice(0, -n_held)), _pieces(corpus, slice(-n_held, None))
    if training.n_clips < 1:
        raise InputError(f"the clips have {corpus.n_clips * seconds:.0f} s of speech; personalisation needs {LEAST_SECONDS:g} s or more")
    style = torch.from_numpy(training.style).mean(0)
    training, held_out = (replace(part, style=style.expand(part.n_clips, -1).numpy()) for part in (training, held_out))
    before = denoising_error(model, held_out)
    own = copy.deepcopy(model.denoiser)
    for name, parameter in own.named_parameters():
        parameter.requires_grad_(name.startswith(("style.", "out.", f"blocks.{len(own.blocks) - 1}.modulate.")))
    batches = MotionBatches(training, model.scale, BatchConfig(n_clips=8, seconds=(1.6, seconds), no_style=0.0), seed=config.training.seed)
    seen = torch.tensor(training.motion, dtype=torch.float32)
    loss = DiffusionLoss(model.scale, LossWeights(phone=0.0, sync=0.0, emotion=0.0), velocity_spread(seen), model.denoiser.config)

    def step_loss(network: nn.Module, terms: nn.Module, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = batches.batch(number)
        levels = torch.randint(N_LEVELS, (batch.clean.shape[0],))
        noisy = noised(batch.clean, levels)
        return terms(network(noisy, levels / (N_LEVELS - 1), batch.conditions), batch)

    fitted = DiffusionModel(train(own, loss, step_loss, config.training, work, report=report), model.scale, style, model.encoder)
    return Personalised(fitted, before, denoising_error(fitted, held_out))


def piece_seconds(clips: Sequence[CorpusClip], most: float) -> float:
    """A length of pieces, 1.6 s to `most`, that the middle one of the clips with sound has."""
    lengths = sorted(min(clip.audio.duration, clip.motion.n_frames / clip.motion.fps) for clip in clips if clip.audio is not None)
    middle = lengths[len(lengths) // 2] if lengths else most
    return min(most, max(1.6, math.floor(middle * MOTION_RATE / 4) * 4 / MOTION_RATE))


def corpus_of_clips(clips: Sequence[CorpusClip], net: PhoneNet, encoder: SpeechEncoder | None, *, seconds: float) -> MotionCorpus:
    """Tracked clips cut into pieces of one length; nothing was asked for and the phones are not known.

    Raises:
        InputError: no clip has sound, or none is as long as a piece.
    """
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ("features", "motion", "style")}
    n_frames = 2 * round(seconds * MOTION_RATE / 2)
    for clip in clips:
        if clip.audio is None:
            continue
        features = sounds(clip.audio, net.posteriors(clip.audio), encoder)
        n_all = min(features.shape[0] // 2, int(clip.motion.n_frames / clip.motion.fps * MOTION_RATE))
        vectors = sample(vectors_of(clip.motion), clip.motion.fps, frame_times(n_all, MOTION_RATE))
        for start in range(0, n_all - n_frames + 1, n_frames):
            piece = vectors[start : start + n_frames]
            rows["features"].append(features[2 * start : 2 * (start + n_frames)].numpy())
            rows["motion"].append(piece.numpy())
            rows["style"].append(style_of(vectors, MOTION_RATE).numpy())
    if not rows["motion"]:
        raise InputError(f"no clip has sound and {seconds:g} s of motion; track a longer clip of the person speaking")
    n_clips = len(rows["motion"])
    return MotionCorpus(
        np.stack(rows["features"]),
        np.full((n_clips, 2 * n_frames), UNKNOWN_LABEL, np.uint8),
        np.stack(rows["motion"]),
        np.zeros((n_clips, n_frames // 2, N_PROMPT), np.float32),
        np.zeros((n_clips, n_frames // 2, len(EMOTIONS)), np.float32),
        np.stack(rows["style"]),
    )


@torch.no_grad()
def denoising_error(model: DiffusionModel, corpus: MotionCorpus, *, seed: int = 0) -> float:
    """Mean squared error of the predicted clean motion, scaled units, at eight noise levels with fixed noise."""
    settings = BatchConfig(
        n_clips=corpus.n_clips, seconds=(corpus.motion.shape[1] / MOTION_RATE,) * 2, deaf=0.0, no_style=0.0, continued=0.0, edited=0.0
    )
    batch = MotionBatches(corpus, model.scale, settings, seed=seed).batch(0)
    errors = []
    for level in range(N_LEVELS // 16, N_LEVELS, N_LEVELS // 8):
        levels = torch.full((batch.clean.shape[0],), level)
        noisy = noised(batch.clean, levels, generator=torch.Generator().manual_seed(seed))
        errors.append((model.denoiser(noisy, levels / (N_LEVELS - 1), batch.conditions) - batch.clean).square().mean())
    return float(torch.stack(errors).mean())


def _pieces(corpus: MotionCorpus, which: slice) -> MotionCorpus:
    return MotionCorpus(
        corpus.features[which], corpus.labels[which], corpus.motion[which], corpus.prompt[which], corpus.emotion[which], corpus.style[which]
    )
