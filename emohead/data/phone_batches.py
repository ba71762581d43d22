"""Training batches for the phone network: random crops of several corpora, retimed, distorted and turned into features."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.data.augment import AugmentConfig, augment, mask_features
from emohead.data.phone_corpus import PhoneCorpus, Utterance
from emohead.motion.features.mel import LogMel, frame_rms, speech_level
from emohead.motion.phones import PHONE_INDEX

_HOP = 160
_SILENCE = PHONE_INDEX["pau"]


@dataclass(frozen=True)
class BatchConfig:
    """Shape and variety of training batches."""

    n_clips: int = 12
    """Clips per batch, `B`."""
    n_frames: int = 300
    """Frames of 10 ms per clip, `T`."""
    speed: tuple[float, float] = (0.85, 1.18)
    """Range of the playback speed (pitch and formants move with it)."""
    speed_probability: float = 0.5
    """Share of clips played at another speed."""
    warp: tuple[float, float] = (0.87, 1.15)
    """Range of the vocal-tract warp of the mel filters."""
    hush: float = 0.2
    """Share of clips in which a stretch is silenced, so that noise alone is learned as silence."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """The acoustic distortions."""


@dataclass(frozen=True)
class PhoneBatch:
    """Features and labels of one step."""

    features: Float[Tensor, "B T D"]
    labels: Int[Tensor, "B T"]
    """Phone class per frame; 255 where unknown."""


class PhoneBatches:
    """Draws batches from corpora in given shares; the same seed draws the same batches."""

    def __init__(self, corpora: list[tuple[PhoneCorpus, float]], front_end: LogMel, config: BatchConfig, *, seed: int):
        self._corpora = [corpus for corpus, _ in corpora]
        self._shares = np.array([share for _, share in corpora]) / sum(share for _, share in corpora)
        self._levels = [_speech_levels(corpus) for corpus in self._corpora]
        self._front_end, self._config = front_end, config
        self._seed = seed

    def batch(self, step: int) -> PhoneBatch:
        """The batch of training step `step`."""
        config = self._config
        random = np.random.default_rng((self._seed, step))
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        clips, labels = zip(*(self.clip(random) for _ in range(config.n_clips)), strict=True)
        waveforms = augment(torch.from_numpy(np.stack(clips)), config.augment, generator)
        # A quarter of the batch shares a warp: filters are cached, and a loop over clips would cost more than it gives.
        warps = np.round(random.uniform(*config.warp, 4), 2)
        features = torch.cat(
            [self._front_end.features(part, warp=float(warp)) for part, warp in zip(waveforms.chunk(4), warps, strict=False)]
        )
        return PhoneBatch(mask_features(features, generator), torch.from_numpy(np.stack(labels)).long())

    def clip(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One clip of speech, undistorted, and its labels."""
        config = self._config
        speed = random.uniform(*config.speed) if random.random() < config.speed_probability else 1.0
        n_source = int(np.ceil(config.n_frames * speed)) + 1
        samples, labels = self._spoken(n_source, random)
        if random.random() < config.hush:
            start, length = int(random.integers(n_source)), int(random.integers(20, 150))
            samples[start * _HOP : (start + length) * _HOP] = 0.0
            labels[start : start + length] = _SILENCE
        if speed == 1.0:
            return samples[: config.n_frames * _HOP], labels[: config.n_frames]
        positions = np.arange(config.n_frames * _HOP) * speed
        frames = ((np.arange(config.n_frames) + 0.5) * speed).astype(int)
        return np.interp(positions, np.arange(len(samples)), samples).astype(np.float32), labels[frames]

    def _spoken(self, n_frames: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        # Utterances one after the other, the first entered somewhere inside, with or without a pause between them.
        samples, labels = np.zeros(n_frames * _HOP, np.float32), np.full(n_frames, _SILENCE, np.uint8)
        corpus_index = int(random.choice(len(self._corpora), p=self._shares))
        corpus, levels = self._corpora[corpus_index], self._levels[corpus_index]
        position = 0
        while position < n_frames:
            index = int(random.integers(len(corpus.utterances)))
            utterance = corpus.utterances[index]
            skip = int(random.integers(utterance.n_frames)) if position == 0 and random.random() < 0.7 else 0
            length = min(utterance.n_frames - skip, n_frames - position)
            gain = 0.06 / levels[index] * 10 ** (random.uniform(-4, 4) / 20)
            piece = Utterance(utterance.start + skip, length, utterance.speaker, utterance.text)
            samples[position * _HOP : (position + length) * _HOP] = corpus.samples(piece) * gain
            labels[position : position + length] = corpus.frame_labels(piece)
            position += length + (int(random.integers(5, 80)) if random.random() < 0.3 else 0)
        return samples, labels


def _speech_levels(corpus: PhoneCorpus) -> np.ndarray:
    return np.array([speech_level(frame_rms(torch.from_numpy(corpus.samples(utterance)), _HOP)) for utterance in corpus.utterances])
