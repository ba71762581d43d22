"""Training batches for the diffusion: windows of a motion corpus, with what is withheld and what is given drawn at random."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.data.motion_corpus import MotionCorpus
from emohead.motion.denoiser import Conditions
from emohead.motion.vector import GROUPS, N_CHANNELS, MotionScale, columns_of


@dataclass(frozen=True)
class BatchConfig:
    """Shape and variety of batches; shares 0..1 of the clips."""

    n_clips: int = 32
    """Clips per batch, `B`."""
    seconds: tuple[float, float] = (1.6, 4.0)
    """Shortest and longest window; a batch has one length."""
    deaf: float = 0.1
    """Sound withheld."""
    emotion_only: float = 0.3
    """Of clips with an emotion: its action units withheld."""
    no_emotion: float = 0.4
    """Emotion withheld."""
    no_style: float = 0.3
    """Style withheld."""
    continued: float = 0.5
    """The frames before are given, 0.2 to 1 s."""
    edited: float = 0.25
    """Keyframes, spans or groups of channels are given."""


@dataclass(frozen=True)
class MotionBatch:
    """One step's clips, scaled."""

    clean: Float[Tensor, "B T M"]
    conditions: Conditions
    labels: Int[Tensor, "B S"]
    """The phone spoken every 10 ms; 255 where unknown."""
    sound: Float[Tensor, "B S D"]
    """What is heard, also where the denoiser does not hear it."""
    emotion: Float[Tensor, "B N E"]
    """Emotions meant, also where the denoiser is not told."""


class MotionBatches:
    """Draws batches; the same seed and step, the same batch."""

    def __init__(self, corpus: MotionCorpus, scale: MotionScale, config: BatchConfig, *, seed: int):
        self._corpus, self._scale, self._config, self._seed = corpus, scale, config, seed

    def batch(self, step: int) -> MotionBatch:
        """The batch of training step `step`."""
        config, corpus = self._config, self._corpus
        random = np.random.default_rng((self._seed, step))
        n_frames = 2 * round(float(random.uniform(*config.seconds)) * 25)
        clips = np.sort(random.integers(corpus.n_clips, size=config.n_clips))
        starts = 2 * random.integers((corpus.motion.shape[1] - n_frames) // 2 + 1, size=config.n_clips)

        def cut(array: np.ndarray, per_frame: float) -> Tensor:
            pieces = [array[c, round(s * per_frame) : round((s + n_frames) * per_frame)] for c, s in zip(clips, starts, strict=True)]
            return torch.from_numpy(np.stack(pieces))

        clean = self._scale.shrink(cut(corpus.motion, 1.0).float())
        mask = torch.from_numpy(np.stack([self._given(n_frames, random) for _ in range(config.n_clips)]))
        sound, heard = cut(corpus.features, 2.0).float(), _kept(config.deaf, config.n_clips, random)
        prompt, emotion = cut(corpus.prompt, 0.5).float(), cut(corpus.emotion, 0.5).float()
        emotional = emotion.flatten(1).amax(1) > 0
        hide_units = emotional & ~_kept(config.emotion_only, config.n_clips, random).bool()
        hide_emotion = ~hide_units & ~_kept(config.no_emotion, config.n_clips, random).bool()
        styled = _kept(config.no_style, config.n_clips, random)[:, None]
        conditions = Conditions(
            sound * heard[:, None, None],
            torch.where(hide_units[:, None, None], 0.0, prompt),
            torch.where(hide_emotion[:, None, None], 0.0, emotion),
            torch.from_numpy(corpus.style[clips]) * styled,
            styled,
            clean * mask,
            mask,
        )
        return MotionBatch(clean, conditions, cut(corpus.labels, 2.0).long(), sound, emotion)

    def _given(self, n_frames: int, random: np.random.Generator) -> np.ndarray:
        mask = np.zeros((n_frames, N_CHANNELS), np.float32)
        chance, config = random.random(), self._config
        if chance < config.continued:
            mask[: int(random.integers(10, min(50, n_frames // 2) + 1))] = 1.0
        elif chance < config.continued + config.edited:
            kind = int(random.integers(3))
            if kind == 0:  # keyframes
                mask[random.integers(n_frames, size=int(random.integers(1, 5)))] = 1.0
            elif kind == 1:  # a gap to fill
                mask[:] = 1.0
                length = int(random.integers(10, n_frames - 10))
                start = int(random.integers(n_frames - length + 1))
                mask[start : start + length] = 0.0
            else:  # locked groups
                for group in random.choice(len(GROUPS), size=int(random.integers(1, 3)), replace=False):
                    mask[:, columns_of(GROUPS[group])] = 1.0
        return mask


def _kept(withheld: float, count: int, random: np.random.Generator) -> Tensor:
    return torch.from_numpy((random.random(count) >= withheld).astype(np.float32))
