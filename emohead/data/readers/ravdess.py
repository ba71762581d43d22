"""RAVDESS (Livingstone & Russo 2018): 24 actors say two sentences in eight emotions at two intensities."""

import re
from pathlib import PurePosixPath

from emohead.data.readers.base import ClipLabels, CorpusAbout, VideoCorpus

ABOUT = CorpusAbout(
    "ravdess",
    "RAVDESS",
    "Actor_12/01-01-06-01-02-01-12.mp4 (speech with picture and sound; songs and silent copies are left out)",
    "https://zenodo.org/record/1188976",
    "CC BY-NC-SA 4.0; commercial licences from its authors",
)
_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
_SENTENCES = ("Kids are talking by the door", "Dogs are sitting by the door")
_INTENSITIES = (0.5, 1.0)
# Picture and sound (01) - speech (01) - emotion - intensity - sentence - repetition - actor.
_NAME = re.compile(r"01-01-0([1-8])-0([12])-0([12])-0[12]-(\d\d)")


def labels_of(below: PurePosixPath) -> ClipLabels | None:
    """Actor, emotion, intensity (normal .5, strong 1) and sentence."""
    match = _NAME.fullmatch(below.stem)
    if match is None or not 1 <= int(match[4]) <= 24:
        return None
    emotion = _EMOTIONS[int(match[1]) - 1]
    intensity = None if emotion == "neutral" else _INTENSITIES[int(match[2]) - 1]
    return ClipLabels(f"{ABOUT.name}/{match[4]}", emotion, intensity, _SENTENCES[int(match[3]) - 1])


RAVDESS = VideoCorpus(ABOUT, labels_of)
