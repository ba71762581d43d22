"""A folder of videos becomes a corpus; what cannot be used is a row, and a second run does nothing twice."""

import itertools
import json
import shutil
from pathlib import Path

import av
import pytest

from emohead import cli
from emohead.data.clip_folder import read_clip, read_meta
from emohead.errors import InputError
from emohead.head.generic import load_generic
from emohead.media import read_video
from recon.corpus import FAILURES_FILE, build_corpus, clip_name, find_videos
from tests.shared import shared_data


def test_videos_are_found_by_name(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.mp4", "deep/a.MOV", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [clip_name(path, tmp_path) for path in find_videos(tmp_path)] == ["b.mp4", "deep__a.MOV"]
    with pytest.raises(InputError, match="no video"):
        find_videos(shutil.copytree(tmp_path / "deep", tmp_path / "empty", ignore=lambda *_: ["a.MOV"]))


def test_a_video_that_cannot_be_read_is_a_row(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "broken.mp4").write_bytes(b"this is no video")
    report = build_corpus(videos, tmp_path / "corpus", load_generic())
    row = json.loads((tmp_path / "corpus" / FAILURES_FILE).read_text())
    assert row["file"] == "broken.mp4" and len(row["sha256"]) == 64 and "\n" not in row["error"]
    assert report.made == () and len(report.failed) == 1


def _first_frames(source: Path, target: Path, count: int = 12) -> None:
    """The beginning of a video, coded again."""
    with av.open(str(target), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        for frame in itertools.islice(read_video(source, fps=25.0), count):
            if not container.streams.video[0].codec_context.is_open:
                stream.height, stream.width = frame.rgb.shape[:2]
                stream.bit_rate = 4_000_000
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.rgb.numpy(), "rgb24")))
        container.mux(stream.encode())


def test_a_clip_is_tracked_once(tmp_path, networks):
    videos, corpus = tmp_path / "videos", tmp_path / "corpus"
    videos.mkdir()
    _first_frames(shared_data("videos/single_face.mp4"), videos / "one.mp4")
    _first_frames(shared_data("videos/no_face.mp4"), videos / "none.mp4")
    first = build_corpus(videos, corpus, load_generic())
    assert first.made == ("one.mp4",) and len(first.failed) == 1 and "face" in first.failed[0]
    clip = read_clip(corpus / "one.mp4")
    assert clip.motion.n_frames == clip.au.n_frames == clip.meta["n_frames"] and clip.meta["confidence"] > 0.3
    (videos / "none.mp4").unlink()
    second = build_corpus(videos, corpus, load_generic())
    assert second.kept == ("one.mp4",) and second.made == () and (corpus / FAILURES_FILE).read_text() == ""
    assert read_meta(corpus / "one.mp4") == clip.meta


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.mp4", "-o", "x.csv"], "missing.mp4"),
        (["clip.mp4", "-o", "x.bvh"], ".flame.npz"),
        (["clip.mp4", "-o", "x.flame.npz"], "clip.mp4"),
        ([".", "-o", "corpus", "--face", "2"], "--face"),
        ([".", "-o", "no/such/corpus"], "does not exist"),
    ],
)
def test_bad_arguments_are_one_line(tmp_path, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"this is no video")
    assert cli.main(["track", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert complaint in error.splitlines()[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4"}
