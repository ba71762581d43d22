"""BEAT (Liu et al. 2022): conversations of 30 people, 51 ARKit coefficients at 60 fps as JSON, voice and words beside them."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emohead.data.clip_folder import CorpusClip
from emohead.data.readers.arkit_json import read_arkit_json
from emohead.data.readers.base import (
    AUDIO_SUFFIXES,
    ClipFile,
    ClipLabels,
    CorpusAbout,
    beside,
    clip_name,
    files_below,
    motion_clip,
    or_explain,
)

ABOUT = CorpusAbout(
    "beat",
    "BEAT",
    "1/1_wayne_0_1_1.json with 1_wayne_0_1_1.wav beside it",
    "https://huggingface.co/datasets/H-Liu1997/BEAT",
    "Apache-2.0, as its page says",
)
_NAME = re.compile(r"(?P<speaker>\d+_[a-z]+)_(?P<kind>[0-7])_(?P<first>\d+)_(?P<last>\d+)")
# Speeches are numbered by emotion (the corpus's readme); conversations count as neutral.
_EMOTION_STARTS = (
    (0, "neutral"), (65, "happy"), (73, "angry"), (81, "sad"),
    (87, "contemptuous"), (95, "surprised"), (103, "fearful"), (111, "disgusted"),
)  # fmt: skip


def labels_of(below: PurePosixPath) -> ClipLabels | None:
    """Speaker and emotion of a recording; intensities were not asked for. Even kinds are speeches, odd ones conversations."""
    match = _NAME.fullmatch(below.stem)
    if match is None:
        return None
    emotions = {_emotion(int(match[end])) for end in ("first", "last")} if int(match["kind"]) % 2 == 0 else {"neutral"}
    return ClipLabels(f"{ABOUT.name}/{match['speaker']}", emotions.pop() if len(emotions) == 1 else None)


@dataclass(frozen=True)
class BeatCorpus:
    """Reader of BEAT. The body's motion (BVH), and with it the head's, is not read: the head stands still and says so in its weight."""

    about: CorpusAbout = ABOUT
    """What it reads."""

    def clips(self, folder: Path) -> list[ClipFile]:
        """The recordings of a folder, by name."""
        clips = []
        for path in files_below(self.about, folder, (".json",)):
            below = PurePosixPath(path.relative_to(folder).as_posix())
            labels = labels_of(below)
            if labels is not None:
                audio, transcript = beside(path, path.stem, AUDIO_SUFFIXES), beside(path, path.stem, (".TextGrid",))
                clips.append(ClipFile(clip_name(below), labels, motion=path, audio=audio, transcript=transcript))
        return or_explain(self.about, folder, clips)

    def read(self, clip: ClipFile) -> CorpusClip:
        """Motion, action units, voice and labels of one recording."""
        assert clip.motion is not None
        track = read_arkit_json(clip.motion)
        return motion_clip(self.about, clip, track.motion, known=track.known)


def _emotion(number: int) -> str:
    return next(emotion for start, emotion in reversed(_EMOTION_STARTS) if number >= start)


BEAT = BeatCorpus()
