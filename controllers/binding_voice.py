"""How something is said, as numbers: pitch, rhythm and timbre of a recording, whatever its words and its level."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError
from emohead.motion.features.mel import MelConfig
from emohead.motion.prosody import pitch
from emohead.types import Waveform

N_TONE = 126
"""Numbers that describe a voice (`V`)."""
LEAST_SECONDS, MOST_SECONDS = 0.6, 60.0
"""Shortest voice that can be described, and how much of a long one is listened to."""
LEAST_VOICED = 0.25
"""Seconds of pitched sound without which there is no voice."""
SILENCE_PEAK = 1e-3
_RATE = 100.0
_MIDDLE_PITCH = 165.0
_SPOKEN = 0.8
"""Mean log-mel (scaled) below the loudest moments at which a frame still counts as spoken."""
_CEPSTRA = 14
_BANDS = 20
_SLOPE_FRAMES = 15
_MODULATION = ((0.5, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 9.0), (9.0, 16.0))
"""Bands of loudness modulation, Hz; syllables come at 3 to 6."""


def tone_statistics(audio: Waveform) -> Float[Tensor, " V"]:
    """Pitch in octaves about 165 Hz, its spread, slopes and jumps; pauses, syllables and loudness; means and spreads of the spectrum.

    The choice follows eGeMAPS (Eyben et al. 2016): functionals over the frames of a whole utterance, in numbers of about one size.

    Raises:
        InputError: silence, too short, or no voice in it.
    """
    audio = _listened_to(audio)
    mel = MelConfig().build()(audio)
    return torch.from_numpy(statistics(mel.numpy(), pitch(audio, len(mel)).numpy()))


def statistics(mel: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """The same of scaled log-mel `[T 80]` and pitch `[T]` (Hz, 0 where there is none), 100 frames per second.

    Raises:
        InputError: no voice in it.
    """
    loudness = mel.mean(1)
    spoken = loudness > np.percentile(loudness, 95) - _SPOKEN
    inside = np.flatnonzero(spoken)
    part = slice(inside[0], inside[-1] + 1)
    mel, frequency, loudness, spoken = mel[part], frequency[part], loudness[part], spoken[part]
    voiced = spoken & (frequency > 0)
    if voiced.sum() < LEAST_VOICED * _RATE:
        raise InputError(f"no voice was heard in this recording ({voiced.sum() / _RATE:.2f} s of pitched sound); give clear speech")
    tone = 12.0 * np.log2(np.maximum(frequency, 1.0) / _MIDDLE_PITCH) * (frequency > 0)
    spread = tone[voiced].std() > 1e-3 and loudness[voiced].std() > 1e-6
    together = np.corrcoef(tone[voiced], loudness[voiced])[0, 1] if spread else 0.0
    parts = (_melody(tone, voiced), _rhythm(loudness, spoken, voiced), _timbre(mel, spoken, voiced), [together])
    return np.concatenate(parts).astype(np.float32)


def _listened_to(audio: Waveform) -> Waveform:
    if not bool(torch.isfinite(audio.samples).all()):
        raise InputError("the recording has samples that are not numbers; save it again")
    if audio.duration < LEAST_SECONDS:
        raise InputError(f"a voice of {audio.duration:.2f} s is too short to read an expression from; give {LEAST_SECONDS} s or more")
    if float(audio.samples.abs().max()) < SILENCE_PEAK:
        raise InputError("the recording is silent; give one with a voice")
    return Waveform(audio.samples[: round(MOST_SECONDS * audio.sample_rate)], audio.sample_rate)


def _melody(tone: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """Height and range of the pitch (semitones), its steps from frame to frame, its slopes over .15 s, its fall over the utterance."""
    heard = tone[voiced]
    low, lower, middle, upper, high = np.percentile(heard, [5, 20, 50, 80, 95])
    height = [low / 6, lower / 6, middle / 6, upper / 6, high / 6, heard.std() / 4, (high - low) / 12, (upper - lower) / 8]
    pitched = tone != 0.0
    steps = _enough(np.diff(tone)[pitched[1:] & pitched[:-1]]).clip(-3.0, 3.0)
    jitter = [np.abs(steps).mean(), steps.std(), 5 * steps.mean(), (np.abs(steps) > 1.0).mean()]
    starts = range(0, len(tone) - _SLOPE_FRAMES, 5)
    rises = [(tone[at + _SLOPE_FRAMES] - tone[at]) / _SLOPE_FRAMES for at in starts if pitched[at : at + _SLOPE_FRAMES + 1].all()]
    slopes = _enough(np.array(rises))
    slope = [5 * np.abs(slopes).mean(), 5 * slopes.mean(), 2 * slopes.max(), 2 * slopes.min()]
    third = max(1, len(heard) // 3)
    return np.array([*height, *jitter, *slope, (heard[-third:].mean() - heard[:third].mean()) / 6])


def _rhythm(loudness: np.ndarray, spoken: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """Shares and lengths of voiced stretches, dynamics of the loudness, syllables and the bands of its modulation."""
    seconds = len(loudness) / _RATE
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], voiced.astype(int), [0]]))))[::2]
    stretches = [voiced.mean(), spoken.mean(), np.log(seconds), runs.mean() / 30, runs.std() / 30, len(runs) / seconds / 3]
    low, middle, high = np.percentile(loudness[spoken], [10, 50, 90])
    dynamics = [5 * loudness[spoken].std(), 2 * (high - low), 2 * (middle - low)]
    steps = np.diff(np.convolve(loudness, np.ones(5) / 5, "same"))
    steps = [50 * np.abs(steps).mean(), 50 * steps.std(), 20 * steps.max(), 20 * steps.min()]
    window = np.hanning(11)
    smooth = np.convolve(loudness, window / window.sum(), "same")
    peaks = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] > smooth[2:]) & spoken[1:-1]
    power = np.abs(np.fft.rfft((loudness - loudness.mean()) * np.hanning(len(loudness)), max(1024, len(loudness)))) ** 2
    hertz = np.fft.rfftfreq(max(1024, len(loudness)), 1 / _RATE)
    total = power[(hertz > _MODULATION[0][0]) & (hertz <= _MODULATION[-1][1])].sum() + 1e-9
    bands = [power[(hertz > low) & (hertz <= high)].sum() / total for low, high in _MODULATION]
    return np.array([*stretches, *dynamics, *steps, peaks.sum() / seconds / 5, *bands])


def _timbre(mel: np.ndarray, spoken: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """Cepstra of voiced and unvoiced sound, how they vary and change, and the spectrum of the voiced sound about its own mean."""
    index = np.arange(mel.shape[1])
    basis = np.cos(np.pi * np.arange(_CEPSTRA)[:, None] * (index + 0.5) / len(index)) * (2 / len(index)) ** 0.5
    cepstra = mel @ basis.T
    own, breath = cepstra[voiced], cepstra[spoken & ~voiced]
    spread = (np.percentile(own[:, 1:7], 90, axis=0) - np.percentile(own[:, 1:7], 10, axis=0)) / 2
    unvoiced = breath[:, 1:8].mean(0) if len(breath) > 5 else np.zeros(7)
    change = np.abs(cepstra[4:] - cepstra[:-4])[:, :10].mean(0)
    bands = mel[voiced].reshape(-1, _BANDS, mel.shape[1] // _BANDS)
    mean, vary = bands.mean((0, 2)), mel[voiced].std(0).reshape(_BANDS, -1).mean(1)
    return np.concatenate([own[:, 1:].mean(0), own[:, 1:].std(0), spread, unvoiced, change, mean - mean.mean(), vary])


def _enough(values: np.ndarray) -> np.ndarray:
    """The values, or zeros where there are too few to say anything."""
    return values if len(values) > 3 else np.zeros(4)
