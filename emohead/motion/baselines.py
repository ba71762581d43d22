"""What every generator of motion must beat: a jaw that follows loudness, and the right motion for the wrong voice."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from emohead.channels import RIG_INDEX
from emohead.motion.articulation import INNER_FPS, frame_times, sample, smooth
from emohead.motion.prosody import SILENCE, analyse
from emohead.types import AUTrack, HeadMotion, PhonePosteriors, PhoneSegment, Waveform

Speech = PhonePosteriors | Sequence[PhoneSegment]


@dataclass(frozen=True)
class Voice:
    """A recording and what is said in it."""

    audio: Waveform
    speech: Speech
    """Phone probabilities, or timed phones."""


@dataclass(frozen=True)
class EnergyJaw:
    """Opens the jaw with the loudness (log) of the voice and does nothing else; the prompt and the seed change nothing."""

    opening: float = 0.25
    """jawOpen at typical loudness, 0..1."""

    def __call__(self, audio: Waveform, speech: Speech, *, prompt: AUTrack | None = None, fps: float = 25.0, seed: int = 0) -> HeadMotion:
        """The motion; from `speech` only the silence is read."""
        n_frames = max(1, round(audio.duration * fps))
        n_inner = max(1, round(audio.duration * INNER_FPS))
        level = (1.0 - analyse(audio, speech, n_inner).energy / SILENCE).clamp(min=0.0)  # 0 in silence, 1 at typical loudness
        motion = HeadMotion.neutral(n_frames, fps)
        loud = sample(smooth(level[:, None], INNER_FPS, 0.03), INNER_FPS, frame_times(n_frames, fps))[:, 0]
        motion.rig[:, RIG_INDEX["jawOpen"]] = (self.opening * loud).clamp(0.0, 1.0)
        return motion


@dataclass(frozen=True)
class OtherVoice:
    """Any generator given another recording than asked: what is left of a score then is chance."""

    engine: Callable[..., HeadMotion]
    """The generator."""
    voices: tuple[Voice, ...]
    """Recordings to take from: always the one after the one asked for, repeated to its length."""

    def __call__(self, audio: Waveform, speech: Speech, *, prompt: AUTrack | None = None, fps: float = 25.0, seed: int = 0) -> HeadMotion:
        """The motion of the other recording, as long as `audio`."""
        places = [index for index, voice in enumerate(self.voices) if voice.audio is audio]
        other = self.voices[((places[0] if places else -1) + 1) % len(self.voices)]
        seconds = max(1, round(audio.duration * fps)) / fps
        fitted = _repeated(other, seconds)
        return self.engine(fitted.audio, fitted.speech, prompt=prompt, fps=fps, seed=seed)


def _repeated(voice: Voice, seconds: float) -> Voice:
    """The recording over and over, cut to a length."""
    rate = voice.audio.sample_rate
    audio = replace(voice.audio, samples=_cycle(voice.audio.samples, round(seconds * rate)))
    speech, length = voice.speech, voice.audio.duration
    if isinstance(speech, PhonePosteriors):
        n_frames = max(1, math.ceil(seconds * speech.fps))
        return Voice(audio, replace(speech, probabilities=_cycle(speech.probabilities, n_frames), energy=_cycle(speech.energy, n_frames)))
    shifts = [index * length for index in range(math.ceil(seconds / length))]
    return Voice(audio, [replace(item, start=item.start + shift, end=item.end + shift) for shift in shifts for item in speech])


def _cycle(values: Tensor, length: int) -> Tensor:
    return values[torch.arange(length) % len(values)]
