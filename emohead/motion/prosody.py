"""What head, brows and blinks follow in a voice: loudness, pitch, accents, phrases and pauses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.motion.articulation import INNER_FPS, frame_times, smooth
from emohead.motion.phones import PHONE_INDEX
from emohead.types import PhonePosteriors, PhoneSegment, Waveform

SHORTEST_PAUSE = 0.15
"""Seconds of silence that end a phrase."""
SHORTEST_PHRASE = 0.20
"""Seconds of speech that make one."""
LOWEST_PITCH, HIGHEST_PITCH = 70.0, 420.0
"""Hz searched for the voice."""
VOICED = 0.35
"""Normalised autocorrelation, less the octave cost, above which a frame is voiced."""
OCTAVE_COST = 0.06
"""Autocorrelation that a candidate must win by for each octave it is lower."""
ACCENT_SPACING = 0.35
"""Seconds between two accents at least."""
ACCENT_SCORE = 0.8
"""Standard deviations of pitch and loudness together that make an accent."""
SILENCE = -4.0
"""Loudness of silence, natural-log units below typical speech."""

_BLOCK = 1000


@dataclass(frozen=True)
class Phrase:
    """A stretch of speech between two pauses."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""


@dataclass(frozen=True)
class Accent:
    """A stressed moment."""

    time: float
    """Seconds, of the peak."""
    strength: float
    """0..1."""


@dataclass(frozen=True)
class Prosody:
    """A voice over time, at INNER_FPS."""

    energy: Float[Tensor, " T"]
    """Loudness, natural-log units, 0 = typical speech."""
    activity: Float[Tensor, " T"]
    """How surely somebody speaks, 0..1."""
    phrases: tuple[Phrase, ...]
    accents: tuple[Accent, ...]


def analyse(audio: Waveform, speech: PhonePosteriors | Sequence[PhoneSegment], n_frames: int) -> Prosody:
    """The prosody of `audio`, where the phones say that somebody speaks."""
    if isinstance(speech, PhonePosteriors):
        activity = 1.0 - _to_inner(speech.probabilities[:, PHONE_INDEX["pau"]], speech.fps, n_frames)
    else:
        activity = activity_of_segments(speech, n_frames)
    activity = smooth(activity[:, None], INNER_FPS, 0.02)[:, 0]
    phrases = find_phrases(activity)
    energy = loudness(audio, n_frames, activity)
    accents = find_accents(energy, pitch(audio, n_frames), activity) if phrases else ()
    return Prosody(energy, activity, phrases, accents)


def activity_of_segments(segments: Sequence[PhoneSegment], n_frames: int) -> Float[Tensor, " T"]:
    """1 at INNER_FPS where a phone sounds, 0 in pauses."""
    activity = torch.zeros(n_frames)
    for segment in segments:
        if segment.phone != "pau":
            activity[max(0, round(segment.start * INNER_FPS)) : max(0, round(segment.end * INNER_FPS))] = 1.0
    return activity


def loudness(audio: Waveform, n_frames: int, activity: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
    """Log amplitude at INNER_FPS relative to the median of the speech, floored at `SILENCE`."""
    power = torch.cat([frames.square().mean(1) for frames in _frames(audio, n_frames, 0.025)])
    level = 0.5 * torch.log(power + 1e-10)
    spoken = level[activity > 0.5]
    if spoken.numel() == 0:
        return torch.full((n_frames,), SILENCE)
    return (level - spoken.median()).clamp(min=SILENCE)


def pitch(audio: Waveform, n_frames: int) -> Float[Tensor, " T"]:
    """Fundamental frequency (Hz) at INNER_FPS by normalised autocorrelation (Boersma 1993, without its path search); 0 if unvoiced."""
    shortest, longest = int(audio.sample_rate / HIGHEST_PITCH), math.ceil(audio.sample_rate / LOWEST_PITCH)
    blocks = []
    for frames in _frames(audio, n_frames, 0.040):
        window = torch.hann_window(frames.shape[1])
        size = 2 ** math.ceil(math.log2(frames.shape[1] + longest))
        power = torch.fft.rfft((frames - frames.mean(1, keepdim=True)) * window, size).abs().square()
        correlation = torch.fft.irfft(power, size)[:, : longest + 1]
        # The window's own correlation is divided out, which removes its bias towards short lags.
        own = torch.fft.irfft(torch.fft.rfft(window, size).abs().square(), size)[: longest + 1]
        normal = correlation / (own / own[0]) / (correlation[:, :1] + 1e-8)
        lags = torch.arange(shortest, normal.shape[1])
        # Twice the period correlates as well as the period itself; a price per octave picks the shorter.
        best, index = (normal[:, shortest:] - OCTAVE_COST * torch.log2(lags / shortest)).max(1)
        blocks.append(torch.where(best > VOICED, audio.sample_rate / lags[index].float(), torch.zeros(())))
    return torch.cat(blocks)


def find_phrases(activity: Float[Tensor, " T"]) -> tuple[Phrase, ...]:
    """Runs of speech, joined over gaps shorter than a pause."""
    runs: list[list[float]] = []
    for start, end in _runs(activity > 0.5):
        if runs and start - runs[-1][1] < SHORTEST_PAUSE:
            runs[-1][1] = end
        else:
            runs.append([start, end])
    return tuple(Phrase(start, end) for start, end in runs if end - start >= SHORTEST_PHRASE)


def find_accents(energy: Float[Tensor, " T"], frequency: Float[Tensor, " T"], activity: Float[Tensor, " T"]) -> tuple[Accent, ...]:
    """Peaks of loudness and pitch together; the strongest first where two are too near each other."""
    spoken = activity > 0.5
    voiced = spoken & (frequency > 0)
    semitones = torch.zeros_like(frequency)
    if voiced.sum() > 10:
        semitones = torch.where(voiced, 12 * torch.log2(frequency.clamp(min=1.0) / frequency[voiced].median()), semitones).clamp(-8, 8)
    score = sum(_standardised(smooth(track[:, None], INNER_FPS, 0.05)[:, 0], spoken) for track in (energy, semitones)) / 2**0.5
    score = torch.where(spoken, torch.as_tensor(score), torch.full_like(energy, -9.0))
    reach = round(ACCENT_SPACING * INNER_FPS / 2)
    around = torch.nn.functional.max_pool1d(score[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0]
    peaks = ((score >= around) & (score > ACCENT_SCORE)).nonzero()[:, 0].tolist()
    accents: list[Accent] = []
    for frame in peaks:
        time = (frame + 0.5) / INNER_FPS
        if not accents or time - accents[-1].time >= ACCENT_SPACING / 2:
            accents.append(Accent(time, min(1.0, float(score[frame]) / 2.5)))
    return tuple(accents)


def _standardised(track: Tensor, spoken: Tensor) -> Tensor:
    values = track[spoken]
    return (track - values.mean()) / (values.std(correction=0) + 1e-6) if values.numel() else torch.zeros_like(track)


def _runs(on: Tensor) -> list[tuple[float, float]]:
    """(start, end) in seconds of each run of true frames."""
    edges = torch.diff(torch.nn.functional.pad(on.int(), (1, 1))).nonzero()[:, 0].tolist()
    return [(start / INNER_FPS, end / INNER_FPS) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _frames(audio: Waveform, n_frames: int, length: float) -> list[Tensor]:
    """Windows of `length` seconds around each inner frame's instant, in blocks [<= _BLOCK, window]."""
    size = max(2, round(length * audio.sample_rate))
    centres = (frame_times(n_frames, INNER_FPS) * audio.sample_rate).round().long()
    padded = torch.nn.functional.pad(audio.samples.float(), (size, size + int(audio.sample_rate / INNER_FPS)))
    starts = (centres + size - size // 2).clamp(max=padded.shape[0] - size)
    offsets = torch.arange(size)
    return [padded[starts[first : first + _BLOCK, None] + offsets] for first in range(0, n_frames, _BLOCK)]


def _to_inner(track: Float[Tensor, " T"], fps: float, n_frames: int) -> Float[Tensor, " U"]:
    index = (frame_times(n_frames, INNER_FPS) * fps).long().clamp(max=track.shape[0] - 1)
    return track[index]
