"""Training of the speech-to-AU network: performances for what the mouth does, acted emotions as weak labels for the rest of the face."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from emohead.channels import AU_NAMES, N_AU
from emohead.data.emotional_voices import HeardVoice
from emohead.data.performed_aus import PerformedAUs
from emohead.errors import InputError
from emohead.motion.features.phone_bottleneck import N_FEATURES
from emohead.motion.speech_to_au import SpeechToAU
from emohead.motion.speech_to_au_net import FPS, SOUNDS_PER_FRAME, AUEstimate, SpeechToAUConfig
from emohead.motion.training import Report, TrainingConfig, train, write_settings

EMOTION_CHANNELS: tuple[int, ...] = tuple(
    index for index, name in enumerate(AU_NAMES) if name.rstrip("LR") in ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU12", "AU15")
)
"""What the tone of a voice may tell: brows, lids, cheeks, nose, lip corners. Articulation stays with the performances."""
_PITCH, _VOICED = N_FEATURES - 2, N_FEATURES - 1
_LEAST_SPREAD = 0.03


@dataclass(frozen=True)
class SpeechToAUTrainingConfig:
    """Settings of a run."""

    network: SpeechToAUConfig = field(default_factory=SpeechToAUConfig)
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=1800, learning_rate=1.5e-3))
    n_clips: int = 16
    """Clips per batch, `B`."""
    seconds: float = 5.0
    """Length of each."""
    emotional: float = 0.3
    """Share of a batch that is acted emotion, if there is any."""
    weak: float = 0.5
    """Weight of an emotion's action units against those of a performance: nobody saw the actors' faces."""
    velocity: float = 0.5
    """Weight of the change from frame to frame (the temporal loss of arXiv 2512.05991)."""
    naming: float = 0.3
    """Weight of telling the acted emotions apart by name."""
    shift: float = 0.2
    """Largest random change of the voice's pitch, octaves: few speakers are heard."""
    look_aheads: tuple[float | None, ...] = (None, None, 0.48, 0.2, 0.08, 0.0)
    """Seconds; a batch takes one of them, so that the network can do with any."""


@dataclass(frozen=True)
class VoiceBatch:
    """One step's clips."""

    features: Float[Tensor, "B S D"]
    target: Float[Tensor, "B T A"]
    """Intensities."""
    weight: Float[Tensor, "B T A"]
    """How much each counts."""
    performed: Float[Tensor, " B"]
    """1 for a performance, whose course is known; 0 for an emotion, which is constant."""
    emotion: Int[Tensor, " B"]
    """Which emotion is acted; 0 for a performance."""
    look_ahead: float | None


class VoiceBatches:
    """Draws batches; the same seed and number, the same batch."""

    def __init__(
        self,
        performed: PerformedAUs,
        voices: Sequence[HeardVoice],
        prototypes: Mapping[str, Float[Tensor, " A"]],
        config: SpeechToAUTrainingConfig,
    ):
        unknown = {voice.emotion for voice in voices} - set(prototypes)
        if unknown:
            raise InputError(f"no action units are known of {', '.join(sorted(unknown))}; there are those of {', '.join(prototypes)}")
        self._performed, self._prototypes, self._config = performed, prototypes, config
        self._by_emotion = [[v for v in voices if v.emotion == name] for name in sorted({v.emotion for v in voices})]

    def batch(self, number: int) -> VoiceBatch:
        """Batch `number`."""
        config, n_frames = self._config, self._n_frames
        random = np.random.default_rng((config.training.seed, number))
        n_weak = round(config.emotional * config.n_clips) if self._by_emotion else 0
        emotion = np.append(np.zeros(config.n_clips - n_weak, int), random.integers(len(self._by_emotion) or 1, size=n_weak))
        clips = [self._performance(random) for _ in range(config.n_clips - n_weak)]
        clips += [self._acted(int(kind), random) for kind in emotion[config.n_clips - n_weak :]]
        features, target, weight = (torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*clips, strict=True))
        shift = torch.from_numpy(random.uniform(-config.shift, config.shift, (config.n_clips, 1)).astype(np.float32))
        features[..., _PITCH] += shift * features[..., _VOICED]
        performed = torch.arange(config.n_clips) < config.n_clips - n_weak
        look_ahead = config.look_aheads[int(random.integers(len(config.look_aheads)))]
        assert target.shape[1] == n_frames
        return VoiceBatch(features, target, weight, performed.float(), torch.from_numpy(emotion).long(), look_ahead)

    @property
    def _n_frames(self) -> int:
        return min(round(self._config.seconds * FPS), self._performed.intensity.shape[1])

    def _performance(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        clip = int(random.integers(len(self._performed.intensity)))
        start = int(random.integers(self._performed.intensity.shape[1] - self._n_frames + 1))
        stop = start + self._n_frames
        heard = self._performed.features[clip, SOUNDS_PER_FRAME * start : SOUNDS_PER_FRAME * stop]
        target = self._performed.intensity[clip, start:stop]
        return heard, target, np.ones_like(target)

    def _acted(self, kind: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        voices = self._by_emotion[kind]
        voice = voices[int(random.integers(len(voices)))]
        # An utterance shorter than the window is said again.
        start = int(random.integers(len(voice.features)))
        heard = np.take(voice.features, range(start, start + SOUNDS_PER_FRAME * self._n_frames), axis=0, mode="wrap")
        weight = np.zeros(N_AU, np.float32)
        weight[list(EMOTION_CHANNELS)] = self._config.weak
        shape = (self._n_frames, N_AU)
        return heard, np.broadcast_to(self._prototypes[voice.emotion].numpy(), shape), np.broadcast_to(weight, shape)


class SpeechToAULoss(nn.Module):
    """How far an estimate is from the truth, in the channels' own spreads.

    Least squares for the mean and its course, the likelihood of a Gaussian around that mean for the variance (Stirn et al. 2023,
    arXiv 2212.09184). A layer that exists in training alone names the acted emotion from every frame's hidden state: action units that are
    nearly always at rest pull too faintly at the lower layers.
    """

    spread: Tensor

    def __init__(self, spread: Float[Tensor, " A"], n_emotions: int, config: SpeechToAUTrainingConfig):
        super().__init__()
        self.register_buffer("spread", spread, persistent=False)
        self.velocity, self.naming = config.velocity, config.naming
        self.name = nn.Linear(config.network.width, max(n_emotions, 1))

    def forward(self, estimate: AUEstimate, batch: VoiceBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms."""
        miss = (estimate.mean - batch.target) / self.spread  # [B, T, A]
        square = miss.square() * batch.weight
        course = miss.diff(dim=1).square() * batch.weight[:, 1:] * batch.performed[:, None, None]
        doubt = miss.detach().square() / estimate.log_variance.exp() + estimate.log_variance
        terms = {"error": square.mean(), "velocity": course.mean(), "doubt": (doubt * batch.weight).mean()}
        named = functional.cross_entropy(
            self.name(estimate.hidden).transpose(1, 2), batch.emotion[:, None].expand(miss.shape[:2]), reduction="none"
        )
        terms["naming"] = (named * (1 - batch.performed)[:, None]).mean()
        return terms["error"] + self.velocity * terms["velocity"] + 0.5 * terms["doubt"] + self.naming * terms["naming"], terms


def train_speech_to_au(
    performed: PerformedAUs,
    voices: Sequence[HeardVoice],
    prototypes: Mapping[str, Float[Tensor, " A"]],
    work: Path,
    *,
    config: SpeechToAUTrainingConfig | None = None,
    report: Report | None = None,
) -> SpeechToAU:
    """Train the network, or go on with a run in `work`; returns it with its averaged weights.

    Args:
        performed: performances with their action units.
        voices: acted emotions; may be empty.
        prototypes: the action units of each emotion in `voices`.
        work: folder of checkpoints, log and settings.
        config: settings.
        report: told now and then.
    """
    config = config or SpeechToAUTrainingConfig()
    spread = spread_of(performed, [prototypes[voice.emotion] for voice in voices])
    torch.manual_seed(config.training.seed)
    net, loss = config.network.build(), SpeechToAULoss(spread, len({voice.emotion for voice in voices}), config)
    batches = VoiceBatches(performed, voices, prototypes, config)
    write_settings(work, config)

    def step_loss(model: nn.Module, terms: nn.Module, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = batches.batch(number)
        return terms(model(batch.features, look_ahead=batch.look_ahead), batch)

    return SpeechToAU(train(net, loss, step_loss, config.training, work, report=report), spread)


def spread_of(performed: PerformedAUs, emotions: Sequence[Float[Tensor, " A"]]) -> Float[Tensor, " A"]:
    """Standard deviation of each channel in the source that shows most of it; channels that hardly move are not blown up."""
    spread = torch.from_numpy(performed.intensity[::4].astype(np.float32)).flatten(0, 1).std(0)
    if len(emotions) > 1:
        meant = torch.stack(list(emotions)).std(0)
        spread[list(EMOTION_CHANNELS)] = torch.maximum(spread, meant)[list(EMOTION_CHANNELS)]
    return spread.clamp(min=_LEAST_SPREAD)
