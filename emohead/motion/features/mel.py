"""Log-mel features with a robust speech level: 80 bands, 10 ms hop, 25 ms Hann window, at 16 kHz."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from emohead.data.resampling import resampled
from emohead.types import Waveform

LOG_OFFSET = 1e-3
"""Added to mel magnitudes before the logarithm, with the speech level at `MelConfig.target_rms`: about 50 dB under speech."""


@dataclass(frozen=True)
class MelConfig:
    """Settings of the log-mel front end."""

    name: ClassVar[str] = "mel"
    """What checkpoints call this encoder."""
    n_bands: int = 80
    """Mel bands, `D`."""
    sample_rate: int = 16000
    """Hz that audio is brought to."""
    hop: int = 160
    """Samples from frame to frame (10 ms)."""
    window: int = 400
    """Samples of the Hann window (25 ms)."""
    n_fft: int = 512
    """Samples of the zero-padded transform."""
    low_hz: float = 20.0
    """Lower edge of the first band, Hz."""
    high_hz: float = 7600.0
    """Upper edge of the last band, Hz."""
    target_rms: float = 0.06
    """Root mean square that typical speech is brought to."""

    def build(self) -> "LogMel":
        """The encoder with these settings."""
        return LogMel(self)


class LogMel:
    """Callable log-mel front end (a `features.base.SpeechEncoder`)."""

    def __init__(self, config: MelConfig):
        self.config = config
        self.fps = config.sample_rate / config.hop
        self.dim = config.n_bands

    def __call__(self, audio: Waveform) -> Float[Tensor, "T D"]:
        """Features of mono audio at any sample rate, scaled to about -1..1; `T = max(1, ceil(duration * fps))`."""
        samples = resampled(audio, self.config.sample_rate).samples
        return self.features(self.levelled(samples)[None])[0]

    def levelled(self, samples: Float[Tensor, " S"]) -> Float[Tensor, " S"]:
        """The samples with their speech level brought to `target_rms`, and not-a-number values silenced."""
        samples = torch.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
        return samples * (self.config.target_rms / speech_level(frame_rms(samples, self.config.hop)))

    def features(self, samples: Float[Tensor, "B S"], *, warp: float = 1.0) -> Float[Tensor, "B T D"]:
        """Scaled log-mel of levelled samples; `warp` stretches the frequency axis (a longer or shorter vocal tract)."""
        config = self.config
        n_frames = max(1, math.ceil(samples.shape[-1] / config.hop))
        margin = (config.window - config.hop) // 2
        padded = functional.pad(samples, (margin, (n_frames - 1) * config.hop + config.window - margin - samples.shape[-1]))
        frames = padded.unfold(-1, config.window, config.hop) * torch.hann_window(config.window)  # [B, T, window]
        magnitudes = torch.fft.rfft(frames, n=config.n_fft).abs() @ mel_filters(config, warp)  # [B, T, D]
        return (torch.log(magnitudes + LOG_OFFSET) + 3.0) / 3.0


def frame_rms(samples: Float[Tensor, " S"], hop: int) -> Float[Tensor, " T"]:
    """Root mean square of each `hop` samples; `T = max(1, ceil(S / hop))`, the last frame over what is left."""
    n_frames = max(1, math.ceil(samples.shape[-1] / hop))
    counts = torch.full((n_frames,), float(hop))
    counts[-1] = max(1, samples.shape[-1] - (n_frames - 1) * hop)
    power = functional.pad(samples, (0, n_frames * hop - samples.shape[-1])).view(n_frames, hop).square().sum(-1)
    return (power / counts).sqrt()


def speech_level(rms: Float[Tensor, " T"], *, floor: float = 3e-4) -> float:
    """The loudness of typical speech in a clip, from its 10 ms frame levels: never below `floor` (-70 dB, quieter than any recording).

    Percentiles instead of peaks, so that a cough or a click moves it little: of the frames over twice the noise floor (10th percentile),
    those within 20 dB of their 85th percentile, with nothing counted as more than twice that; their root mean square.
    """
    noise = rms.kthvalue(int(0.10 * (rms.shape[0] - 1)) + 1).values.item()
    active = rms[rms > max(2 * noise, 1e-4)]
    active = active if active.shape[0] > 20 else rms
    typical = active.kthvalue(int(0.85 * (active.shape[0] - 1)) + 1).values.item()
    speech = active[active >= 0.1 * typical].clamp(max=2 * typical)
    return max(speech.square().mean().sqrt().item(), floor)


@lru_cache(maxsize=64)
def mel_filters(config: MelConfig, warp: float = 1.0) -> Float[Tensor, "F D"]:
    """Triangular mel filters on the bins of the transform; `warp` > 1 moves every band up.

    Mel scale: O'Shaughnessy 1987, m = 2595 log10(1 + f / 700).
    """
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (config.low_hz, config.high_hz))
    edges = 700 * (10 ** (torch.linspace(low, high, config.n_bands + 2) / 2595) - 1)
    edges = (edges * warp).clamp(max=config.sample_rate / 2 - 10)
    bins = torch.arange(config.n_fft // 2 + 1) * (config.sample_rate / config.n_fft)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - left) / (centre - left).clamp(min=1e-3)
    falling = (right - bins[:, None]) / (right - centre).clamp(min=1e-3)
    return torch.minimum(rising, falling).clamp(min=0)
