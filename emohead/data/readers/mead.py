"""MEAD (Wang et al. 2020): actors with eight emotions at three intensities, filmed from seven sides."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emohead.data.readers.base import AUDIO_SUFFIXES, ClipFile, ClipLabels, CorpusAbout, VideoCorpus, beside, or_explain

ABOUT = CorpusAbout(
    "mead",
    "MEAD",
    "M003/video/front/angry/level_1/001.mp4 (and M003/audio/angry/level_1/001.m4a)",
    "https://wywu.github.io/projects/MEAD/MEAD.html",
    "non-commercial research, under its terms of use",
)
VIEWS = ("front", "left_30", "left_60", "right_30", "right_60", "top", "down")
_EMOTIONS = {
    "neutral": "neutral", "angry": "angry", "contempt": "contemptuous", "disgusted": "disgusted",
    "fear": "fearful", "happy": "happy", "sad": "sad", "surprised": "surprised",
}  # fmt: skip
_LEVELS = 3
# Copies cropped by others leave `video/` out, or write `angry_level_1`.
_PATH = re.compile(
    r"(?:.*/)?(?P<actor>[MW]\d{3})/(?:video/)?(?P<view>[a-z]+(?:_\d0)?)/(?P<emotion>[a-z]+)[/_]level_(?P<level>[1-3])/(?P<take>\d+)\.\w+"
)


def labels_of(below: PurePosixPath) -> ClipLabels | None:
    """Actor, emotion, intensity (a third per level) and view."""
    match = _PATH.fullmatch(below.as_posix())
    if match is None or match["view"] not in VIEWS or match["emotion"] not in _EMOTIONS:
        return None
    emotion = _EMOTIONS[match["emotion"]]
    intensity = None if emotion == "neutral" else int(match["level"]) / _LEVELS
    return ClipLabels(f"{ABOUT.name}/{match['actor']}", emotion, intensity, view=match["view"])


def voice_of_video(folder: Path, video: Path) -> Path | None:
    """MEAD keeps the voice apart, once for all views; a copy that has sound in its videos is read too."""
    match = _PATH.fullmatch(video.relative_to(folder).as_posix())
    actor = next((parent for parent in video.parents if match and parent.name == match["actor"]), None)
    if match is None or actor is None:
        return None
    apart = actor / "audio" / match["emotion"] / f"level_{match['level']}" / video.name
    return beside(apart, video.stem, AUDIO_SUFFIXES) or video


@dataclass(frozen=True)
class MeadCorpus(VideoCorpus):
    """MEAD, by default only seen from the front: the other cameras filmed the same performances."""

    views: tuple[str, ...] = ("front",)
    """Which of `VIEWS`."""

    def clips(self, folder: Path) -> list[ClipFile]:
        """The videos of a folder from the chosen views, by name."""
        return or_explain(self.about, folder, [clip for clip in super().clips(folder) if clip.labels.view in self.views])


MEAD = MeadCorpus(ABOUT, labels_of, voice_of_video)
