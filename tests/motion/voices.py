"""Small voices made on the spot: a hum that swells with each phone, with its phones exactly timed."""

import math

import torch

from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.types import PhonePosteriors, PhoneSegment, Waveform

SAMPLE_RATE = 16_000
LOUDNESS = {"pau": 0.0, "p": 0.01, "b": 0.05, "m": 0.15, "t": 0.02, "k": 0.02, "s": 0.06, "sh": 0.06, "f": 0.03, "v": 0.08}

_SENTENCE = (
    "pau m ay b ey b iy b r ao t ax b ih g m ae p ah v p ey p er b ow t s pau f ay v w ih m ax n w aa sh v eh r iy f y uw k ah p s pau "
    "dh ax k w ih k b r aw n f aa k s jh ah m p s ow v er dh ax l ey z iy d ao g pau"
)
SENTENCE: list[str] = _SENTENCE.split()


def spoken(phones: list[str] = SENTENCE, *, length: float = 0.085, seed: int = 0) -> tuple[Waveform, list[PhoneSegment]]:
    """A voice of about 130 Hz that says `phones`, and when: lengths vary around `length` seconds, pauses are four times that."""
    generator = torch.Generator().manual_seed(seed)
    segments, clock = [], 0.0
    for phone in phones:
        end = clock + length * (4.0 if phone == "pau" else 0.5 + float(torch.rand((), generator=generator)))
        segments.append(PhoneSegment(phone, clock, end))
        clock = end
    times = torch.arange(int(clock * SAMPLE_RATE)) / SAMPLE_RATE
    loudness = torch.zeros_like(times)
    for segment in segments:
        loudness[int(segment.start * SAMPLE_RATE) : int(segment.end * SAMPLE_RATE)] = LOUDNESS.get(segment.phone, 0.3)
    # Pitch and loudness swell slowly, which makes accents.
    swell = torch.sin(2 * math.pi * 0.9 * times)
    phase = 2 * math.pi * torch.cumsum(130.0 * (1 + 0.15 * swell) / SAMPLE_RATE, 0)
    samples = loudness * (0.7 + 0.3 * swell) * (torch.sin(phase) + 0.5 * torch.sin(2 * phase) + 0.3 * torch.sin(3 * phase)) / 2
    return Waveform(samples.float(), SAMPLE_RATE), segments


def certain(segments: list[PhoneSegment], *, confidence: float = 1.0) -> PhonePosteriors:
    """The posteriors of a recogniser that hears `segments`, with the rest of its belief spread over all phones."""
    n_frames = math.ceil(segments[-1].end * 100)
    probabilities = torch.full((n_frames, len(PHONES)), (1 - confidence) / len(PHONES))
    for segment in segments:
        probabilities[round(segment.start * 100) : round(segment.end * 100), PHONE_INDEX[segment.phone]] += confidence
    return PhonePosteriors(100.0, probabilities / probabilities.sum(1, keepdim=True), torch.zeros(n_frames))


def silence(seconds: float) -> tuple[Waveform, list[PhoneSegment]]:
    """Nothing said."""
    return Waveform(torch.zeros(round(seconds * SAMPLE_RATE)), SAMPLE_RATE), [PhoneSegment("pau", 0.0, seconds)]
