"""Acoustic variety for training on few voices: rooms, microphones, noise, codecs, gain; batched torch, seeded by a generator.

The recipe and why it matters (without it a network that knows synthetic voices fails on people): facial-motion research notes 6.4;
rooms as exponentially decaying noise, SpecAugment from Park et al. 2019.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor


@dataclass(frozen=True)
class AugmentConfig:
    """How often and how strongly speech is distorted. Probabilities are 0..1 per clip."""

    sample_rate: int = 16000
    """Hz."""
    equaliser_db: float = 9.0
    """Largest gain or cut of the random equaliser, dB."""
    band_limit: float = 0.2
    """Probability of a low-pass at 3.4, 4.5 or 6 kHz."""
    room: float = 0.5
    """Probability of reverberation (decay time 0.1 to 0.7 s)."""
    noise: float = 0.8
    """Probability of added noise."""
    babble: float = 0.2
    """Share of noises that are other clips of the batch."""
    snr_db: tuple[float, float] = (4.0, 35.0)
    """Range of the signal-to-noise ratio, dB."""
    gain_db: tuple[float, float] = (-10.0, 8.0)
    """Range of the overall gain after levelling, dB: teaches tolerance of a wrong level estimate."""
    clipping: float = 0.08
    """Probability of hard clipping."""
    companding: float = 0.1
    """Probability of 8-bit mu-law coding."""
    reference_rms: float = 0.06
    """Level of the clips that come in."""


def augment(clips: Float[Tensor, "B S"], config: AugmentConfig, generator: Generator) -> Float[Tensor, "B S"]:
    """Distort levelled clips: equaliser, band limit and room, then noise, gain, clipping and companding."""
    clips = _filtered(clips, config, generator)
    clips = clips * (config.reference_rms / clips.square().mean(1, keepdim=True).sqrt().clamp(min=1e-4)).clamp(max=6.0)
    clips = clips + _noise(clips, config, generator)
    clips = clips * _decibels(_uniform(clips.shape[0], *config.gain_db, generator))
    clipped = clips.clamp(-0.15, 0.15)
    clips = torch.where(_chance(clips.shape[0], config.clipping, generator), clipped, clips)
    return torch.where(_chance(clips.shape[0], config.companding, generator), _mu_law(clips), clips)


def mask_features(
    features: Float[Tensor, "B T D"], generator: Generator, *, max_bands: int = 9, max_frames: int = 7
) -> Float[Tensor, "B T D"]:
    """SpecAugment: two masks over bands and one over frames per clip, filled with the clip's mean."""
    n_batch, n_frames, n_bands = features.shape
    keep = torch.ones_like(features, dtype=torch.bool)
    for size, limit, axis, count in ((n_bands, max_bands, 2, 2), (n_frames, max_frames, 1, 1)):
        for _ in range(count):
            width = torch.randint(0, limit + 1, (n_batch, 1), generator=generator)
            start = (torch.rand(n_batch, 1, generator=generator) * (size - width)).long()
            position = torch.arange(size)
            masked = (position >= start) & (position < start + width)  # [B, size]
            keep &= ~(masked[:, None, :] if axis == 2 else masked[:, :, None])
    return torch.where(keep, features, features.mean((1, 2), keepdim=True))


def _filtered(clips: Float[Tensor, "B S"], config: AugmentConfig, generator: Generator) -> Float[Tensor, "B S"]:
    n_batch, n_samples = clips.shape
    room = _room_responses(n_batch, config, generator)
    length = _fast_length(n_samples + room.shape[1])
    hertz = torch.fft.rfftfreq(length, 1 / config.sample_rate)
    response = _equaliser(n_batch, hertz, config, generator)
    cutoff = torch.tensor([3400.0, 4500.0, 6000.0])[torch.randint(0, 3, (n_batch,), generator=generator)]
    limited = _chance(n_batch, config.band_limit, generator) & (hertz > cutoff[:, None])
    response = response * torch.where(limited, 0.003, 1.0)
    spectrum = torch.fft.rfft(clips, n=length) * torch.fft.rfft(room, n=length) * response
    return torch.fft.irfft(spectrum, n=length)[:, :n_samples]


def _room_responses(n_batch: int, config: AugmentConfig, generator: Generator) -> Float[Tensor, "B S"]:
    # Decaying noise after the direct sound; 6.9 = ln(1000), the 60 dB of the decay time.
    time = torch.arange(config.sample_rate // 2) / config.sample_rate
    decay = 0.1 + 0.6 * _uniform(n_batch, 0.0, 1.0, generator) ** 1.5
    tail = torch.randn(n_batch, time.shape[0], generator=generator) * torch.exp(-6.9 * time / decay)
    tail[:, :32] = 0
    tail = tail / tail.norm(dim=1, keepdim=True) * _decibels(_uniform(n_batch, -15.0, 3.0, generator))
    tail = tail * _chance(n_batch, config.room, generator)
    tail[:, 0] = 1.0
    return tail


def _equaliser(n_batch: int, hertz: Float[Tensor, " F"], config: AugmentConfig, generator: Generator) -> Float[Tensor, "B F"]:
    knots = 8
    octaves = torch.log(hertz.clamp(min=60.0) / 60.0) / math.log(config.sample_rate / 2 / 60.0) * (knots - 1)
    lower = octaves.floor().clamp(max=knots - 2)
    share = octaves - lower
    gains = (torch.rand(n_batch, knots, generator=generator) * 2 - 1) * config.equaliser_db * _uniform(n_batch, 0.0, 1.0, generator)
    index = lower.long()
    return _decibels(gains[:, index] * (1 - share) + gains[:, index + 1] * share)


def _noise(clips: Float[Tensor, "B S"], config: AugmentConfig, generator: Generator) -> Float[Tensor, "B S"]:
    n_batch, n_samples = clips.shape
    white = torch.fft.rfft(torch.randn(n_batch, n_samples, generator=generator))
    hertz = torch.fft.rfftfreq(n_samples, 1 / config.sample_rate).clamp(min=30.0) / 500.0
    # Spectra between white (0) and brown (2).
    coloured = torch.fft.irfft(white * hertz ** (-_uniform(n_batch, 0.0, 2.0, generator) / 2), n=n_samples)
    others = torch.stack([torch.roll(clips, (k, 4001 * k), (0, 1)) for k in (1, 2, 3)]).sum(0)
    noise = torch.where(_chance(n_batch, config.babble, generator), others, coloured)
    noise = noise / noise.std(dim=1, keepdim=True).clamp(min=1e-4)
    level = config.reference_rms * _decibels(-_uniform(n_batch, *config.snr_db, generator))
    return noise * level * _chance(n_batch, config.noise, generator)


def _mu_law(clips: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
    # ITU-T G.711, mu = 255, 8 bits.
    compressed = clips.sign() * torch.log1p(255 * clips.abs().clamp(max=1)) / math.log(256)
    coded = torch.round(compressed * 127) / 127
    return coded.sign() * (torch.pow(256.0, coded.abs()) - 1) / 255


def _uniform(n_batch: int, low: float, high: float, generator: Generator) -> Float[Tensor, "B 1"]:
    return torch.rand(n_batch, 1, generator=generator) * (high - low) + low


def _chance(n_batch: int, probability: float, generator: Generator) -> Tensor:
    return torch.rand(n_batch, 1, generator=generator) < probability


def _decibels(gain_db: Tensor) -> Tensor:
    return 10 ** (gain_db / 20)


def _fast_length(length: int) -> int:
    # Transforms are fast at lengths of small factors; the next multiple of 4096 is good enough.
    return -(-length // 4096) * 4096
