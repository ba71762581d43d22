"""Corpora of videos: labels from names, one view of many, voices beside silent films, and labels on clips once they are tracked."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from emohead.data.clip_folder import CorpusClip, write_clip
from emohead.data.readers import hdtf, mead, ravdess
from emohead.data.readers.base import EMOTIONS, ClipLabels
from emohead.data.readers.hdtf import HDTF
from emohead.data.readers.mead import MEAD, VIEWS
from emohead.data.readers.ravdess import RAVDESS
from emohead.data.readers.registry import import_corpus, labelled_corpus
from emohead.data.readers.tfhp import TFHP_VIDEOS
from emohead.errors import InputError
from emohead.types import AUTrack, HeadMotion
from tests.data.readers.made_up import file_at, voice_at


def tracked(source: str) -> CorpusClip:
    return CorpusClip(HeadMotion.neutral(3, 25.0), AUTrack.neutral(3, 25.0), None, {"source": source, "fps": 25.0})


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        ("WDA_BarackObama_000.mp4", "hdtf/BarackObama"),
        ("clips/WRA_AdamKinzinger0_012.mp4", "hdtf/AdamKinzinger"),
        ("RD_Radio11_001.mp4", "hdtf/Radio11"),
        ("Radio11_0.mp4", "hdtf/Radio11"),
        ("_videos_raw/WDA_BarackObama_000.mp4", None),
        ("WDA_BarackObama.mp4", None),
    ],
)
def test_hdtf_names(name, speaker):
    labels = hdtf.labels_of(PurePosixPath(name))
    assert (labels.speaker if labels else None) == speaker


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("M003/video/front/angry/level_1/001.mp4", ClipLabels("mead/M003", "angry", 1 / 3, view="front")),
        ("MEAD/W011/video/left_30/contempt/level_3/030.mp4", ClipLabels("mead/W011", "contemptuous", 1.0, view="left_30")),
        ("M003/front/neutral/level_1/001.mp4", ClipLabels("mead/M003", "neutral", view="front")),
        ("M003/video/front/fear_level_2/001.mp4", ClipLabels("mead/M003", "fearful", 2 / 3, view="front")),
        ("M003/video/front/joy/level_1/001.mp4", None),
        ("M003/video/front/angry/level_4/001.mp4", None),
    ],
)
def test_mead_names(name, labels):
    assert mead.labels_of(PurePosixPath(name)) == labels


def test_ravdess_names():
    assert ravdess.labels_of(PurePosixPath("Actor_12/01-01-06-01-02-01-12.mp4")) == ClipLabels(
        "ravdess/12", "fearful", 0.5, "Dogs are sitting by the door"
    )
    assert ravdess.labels_of(PurePosixPath("01-01-01-01-01-02-24.mp4")) == ClipLabels(
        "ravdess/24", "neutral", None, "Kids are talking by the door"
    )
    for other in ("02-01-06-01-02-01-12", "01-02-06-01-02-01-12", "01-01-09-01-02-01-12", "01-01-06-01-02-01-25", "01-01-06-01-02-01"):
        assert ravdess.labels_of(PurePosixPath(f"{other}.mp4")) is None


def test_all_emotions_have_one_name():
    words = {*mead._EMOTIONS.values(), *ravdess._EMOTIONS}
    assert words <= set(EMOTIONS) and len(mead._EMOTIONS) == 8


def test_clips_of_folders(tmp_path):
    for view in ("front", "top"):
        file_at(tmp_path, f"mead/M003/video/{view}/happy/level_2/001.mp4")
    voice_at(tmp_path, "mead/M003/audio/happy/level_2/001.m4a")
    file_at(tmp_path, "mead/M003/video/front/.hidden/angry/level_1/001.mp4")
    (clip,) = MEAD.clips(tmp_path / "mead")
    assert clip.name == "M003__video__front__happy__level_2__001.mp4" and clip.motion is None
    assert clip.audio == tmp_path / "mead/M003/audio/happy/level_2/001.m4a"
    assert [clip.labels.view for clip in replace(MEAD, views=VIEWS).clips(tmp_path / "mead")] == ["front", "top"]
    file_at(tmp_path, "ravdess/Actor_01/01-01-03-02-01-01-01.MP4")
    file_at(tmp_path, "ravdess/Actor_01/02-01-03-02-01-01-01.MP4")
    (clip,) = RAVDESS.clips(tmp_path / "ravdess")
    assert clip.audio == clip.video and clip.labels.emotion == "happy"
    with pytest.raises(InputError, match="track its folder first: emohead track FOLDER -o CORPUS"):
        RAVDESS.read(clip)
    with pytest.raises(InputError, match="holds videos; track them: emohead track"):
        import_corpus(RAVDESS, tmp_path / "ravdess", tmp_path / "out")
    file_at(tmp_path, "tfhp/TH_00002/001.mp4")
    assert [clip.labels.speaker for clip in TFHP_VIDEOS.clips(tmp_path / "tfhp")] == ["tfhp/TH_00002"]


def test_labels_of_tracked_clips(tmp_path):
    source = "M003/video/front/sad/level_3/001.mp4"
    folder = tmp_path / "mead"
    file_at(folder, source)
    voice_at(folder, "M003/audio/sad/level_3/001.m4a")
    write_clip(tmp_path / "corpus" / source.replace("/", "__"), tracked(source))
    (silent,) = labelled_corpus(tmp_path / "corpus", "mead")
    assert silent.meta["speaker"] == "mead/M003" and silent.meta["emotion"] == "sad" and silent.meta["intensity"] == 1.0
    assert silent.meta["corpus"] == "mead" and silent.meta["fps"] == 25.0 and silent.audio is None
    (voiced,) = labelled_corpus(tmp_path / "corpus", "mead", folder=folder)
    assert voiced.audio is not None and voiced.audio.duration == pytest.approx(0.6, abs=0.01)
    with pytest.raises(InputError, match="not named like a clip of HDTF"):
        list(labelled_corpus(tmp_path / "corpus", "hdtf"))
    with pytest.raises(InputError, match="beat holds motion, not videos"):
        list(labelled_corpus(tmp_path / "corpus", "beat"))
    with pytest.raises(InputError, match="not named like a clip"):
        HDTF.labelled(tracked("../WDA_BarackObama_000.mp4"), folder=folder)
