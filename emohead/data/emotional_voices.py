"""Recordings of acted emotions, by speaker: what a network may learn of the tone of a voice.

Emo-DB (Burkhardt et al., Interspeech 2005) by its file names, or any corpus that a reader of `data.readers` knows and labels.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from emohead.data.augment import AugmentConfig, augment
from emohead.data.phone_corpus import CORPUS_RATE
from emohead.errors import InputError
from emohead.media import read_audio
from emohead.motion.features.phone_bottleneck import N_FEATURES, speech_features
from emohead.motion.phone_net import PhoneNet
from emohead.output import whole_file
from emohead.types import Waveform

EMODB = "emodb"
_EMODB_EMOTIONS = {"W": "angry", "L": "bored", "E": "disgusted", "A": "fearful", "F": "happy", "T": "sad", "N": "neutral"}
_EMODB_NAME = re.compile(r"(\d\d)[ab]\d\d([WLEAFTN])[a-z]")
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class EmotionalVoice:
    """One utterance."""

    path: Path
    """Sound file, or a video with sound."""
    speaker: str
    """`corpus/person`."""
    emotion: str
    """As its actor meant it: `happy`, `neutral`, ..."""


@dataclass(frozen=True)
class HeardVoice:
    """What is heard of one utterance."""

    features: np.ndarray
    """`[S, D]` float16, every 10 ms (`features.phone_bottleneck`)."""
    speaker: str
    emotion: str


def emotional_voices(folder: Path, corpus: str = EMODB) -> list[EmotionalVoice]:
    """The utterances of a folder, by name.

    Args:
        folder: holds the corpus.
        corpus: `emodb`, or the name of a reader (`data.readers.registry`) whose clips have emotions and sound: mead, ravdess.

    Raises:
        InputError: there is no such reader, or the folder holds no utterance with an emotion.
    """
    if corpus == EMODB:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".flac", ".wav"))
        named = [(path, match) for path in paths if (match := _EMODB_NAME.fullmatch(path.stem))]
        found = [EmotionalVoice(path, f"{EMODB}/{match[1]}", _EMODB_EMOTIONS[match[2]]) for path, match in named]
    else:
        from emohead.data.readers.registry import reader_named

        clips = reader_named(corpus).clips(folder)
        found = [
            EmotionalVoice(clip.audio, clip.labels.speaker, clip.labels.emotion) for clip in clips if clip.audio and clip.labels.emotion
        ]
    if not found:
        raise InputError(f"{folder}: no {corpus} recording with an emotion there (Emo-DB's are named 03a01Fa.wav); see --emotional-corpus")
    return found


def hear(
    voices: Sequence[EmotionalVoice], net: PhoneNet, cache: Path, *, distorted: int = 2, progress: Progress | None = None
) -> list[HeardVoice]:
    """What the phone network hears of each voice: once as recorded, then through `distorted` random rooms, microphones and noises.

    Args:
        voices: utterances.
        net: hears them.
        cache: file (.npz) that keeps the result.
        distorted: copies.
        progress: told the share done.

    Raises:
        InputError: a recording cannot be read.
    """
    if not voices:
        return []
    names = [f"{voice.path.name} {voice.path.stat().st_size}" for voice in voices]
    key = hashlib.sha256(f"{distorted} {names}".encode()).hexdigest()
    kept = _kept(cache, key)
    if kept is None:
        pieces = []
        for number, voice in enumerate(voices):
            audio = read_audio(voice.path, sample_rate=CORPUS_RATE)
            pieces += [_features(audio, net, number, copy) for copy in range(1 + distorted)]
            if progress:
                progress((number + 1) / len(voices), "listening to emotions")
        with whole_file(cache) as partial:
            np.savez(partial, key=key, lengths=[len(piece) for piece in pieces], features=np.concatenate(pieces))
    else:
        pieces = kept
    owners = [voice for voice in voices for _ in range(1 + distorted)]
    return [HeardVoice(piece, voice.speaker, voice.emotion) for piece, voice in zip(pieces, owners, strict=True)]


def _features(audio: Waveform, net: PhoneNet, number: int, copy: int) -> np.ndarray:
    if copy:
        generator = torch.Generator().manual_seed(1000 * number + copy)
        distortion = replace(AugmentConfig(), babble=0.0)  # there is no other clip to babble
        audio = replace(audio, samples=augment(audio.samples[None], distortion, generator)[0])
    return speech_features(audio, net.posteriors(audio)).numpy().astype(np.float16)


def _kept(cache: Path, key: str) -> list[np.ndarray] | None:
    """What the cache holds of these very recordings."""
    try:
        with np.load(cache, allow_pickle=False) as data:
            if str(data["key"]) != key or data["features"].shape[1] != N_FEATURES:
                return None
            return np.split(data["features"], np.cumsum(data["lengths"])[:-1])
    except (OSError, ValueError, KeyError):
        return None
