"""Every example runs, with tiny settings."""

import runpy
import sys
from itertools import islice
from pathlib import Path

import pytest

from emohead.export.motion_npz import read_motion_npz
from emohead.media import probe, read_video
from emohead.video_writer import write_video
from tests.shared import shared_data
from tests.tiny import write_tiny_emo, write_voice

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    write_tiny_emo(tmp_path / "me.emo")
    write_voice(tmp_path / "voice.wav")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, name: str, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *options])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_render(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    run(monkeypatch, "01_render.py", "--audio", "voice.wav", "--avatar", "me.emo", "--size", "64", "--out", "hello.mp4")
    assert probe(desk / "hello.mp4").n_frames == 15 and "15 frames" in capsys.readouterr().out


def test_motion_to_csv(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    run(monkeypatch, "02_motion_to_csv.py", "--audio", "voice.wav", "--fps", "25")
    assert sorted(path.name for path in (desk / "motion").iterdir()) == ["take.au.csv", "take.csv", "take.npz"]
    assert "the jaw opens" in capsys.readouterr().out


def test_sentence_to_aus(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    run(monkeypatch, "03_sentence_to_aus.py")
    printed = capsys.readouterr().out
    assert "AU12L" in printed and "not understood: nothing" in printed


def test_frames_in_python(desk: Path, monkeypatch: pytest.MonkeyPatch):
    from PIL import Image

    options = ["--audio", "voice.wav", "--avatar", "me.emo", "--size", "64", "--columns", "3", "--rows", "2"]
    run(monkeypatch, "04_frames_in_python.py", *options)
    assert Image.open(desk / "sheet.png").size == (192, 128)


def test_reconstruct_without_its_networks(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.delenv("EMOHEAD_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(desk / "cache"))
    run(monkeypatch, "05_reconstruct.py", "me.mp4", "--name", "nobody")
    printed = capsys.readouterr().out
    assert printed.startswith("skipped: ") and "emohead assets fetch" in printed and len(printed.splitlines()) == 1
    assert not (desk / "me.mp4").exists()


def test_reconstruct(networks: None, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    frames = [frame.rgb for frame in islice(read_video(shared_data("videos/single_face.mp4")), 20)]
    with write_video(desk / "short.mp4", fps=25.0, width=frames[0].shape[1], height=frames[0].shape[0]) as writer:
        for frame in frames:
            writer.write(frame)
    options = ["--name", "nobody", "--steps", "4", "--size", "128", "--audio", "voice.wav", "--out", "new.emo"]
    run(monkeypatch, "05_reconstruct.py", "short.mp4", *options)
    assert (desk / "new.emo").is_file() and probe(desk / "new.mp4").n_frames == 15
    assert "dB face" in capsys.readouterr().out


def test_stream(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    run(monkeypatch, "06_stream.py", "--audio", "voice.wav", "--emotion", "a smile", "--steps", "1", "--out", "stream.npz")
    assert "15 frames" in capsys.readouterr().out and read_motion_npz(desk / "stream.npz").n_frames == 15


def test_every_example_is_short_and_tested():
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert names and all(name in Path(__file__).read_text() for name in names)
    assert all(len((EXAMPLES / name).read_text().splitlines()) < 100 for name in names)
