"""What stands behind the demo's buttons, without a browser."""

import threading
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="the demo needs: pip install 'emohead[demo]'")

from controllers.understanding import READINGS as ALL_READINGS
from demo.app import MAX_AUDIO_SECONDS, READINGS, Jobs, launch, load_pipeline, portrait, render
from emohead.assets import find
from emohead.errors import CancelledError, EmoheadError, InputError


def _render(
    folder: Path,
    *,
    audio: str | None,
    sentence: str = "",
    label: str = "none",
    reading: str = "small",
    cancelled: threading.Event | None = None,
):
    told: list[tuple[float, str]] = []
    result = render(
        None, audio, sentence, label, 1.0, 0, reading,
        device="cpu", folder=folder, cancelled=cancelled or threading.Event(), report=lambda share, text: told.append((share, text)),
    )  # fmt: skip
    return result, told


def test_no_audio_and_unknown_label_are_said_in_one_line(tmp_path: Path):
    with pytest.raises(InputError, match="no audio"):
        _render(tmp_path, audio=None)
    with pytest.raises(InputError, match="unknown label"):
        _render(tmp_path, audio=str(find("sample_speech.wav")), label="gribble")
    with pytest.raises(InputError, match="unknown reading 'tea leaves'"):
        _render(tmp_path, audio=str(find("sample_speech.wav")), sentence="sad", reading="tea leaves")
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".mp4" and path.stat().st_size]


def test_the_page_knows_every_reading_that_needs_no_weights_of_ones_own():
    assert {*READINGS} == {*ALL_READINGS} - {"clip"}


def test_long_audio_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("demo.app.MAX_AUDIO_SECONDS", 1.0)
    with pytest.raises(InputError, match="takes up to 1 s"):
        _render(tmp_path, audio=str(find("sample_speech.wav")))
    assert MAX_AUDIO_SECONDS > 60


def test_cancel_stops_the_render_of_its_own_session_only(tmp_path: Path):
    jobs = Jobs()
    mine, other = jobs.start("mine"), jobs.start("other")
    jobs.cancel("mine")
    jobs.cancel("nobody")
    assert mine.is_set() and not other.is_set()
    with pytest.raises(CancelledError):
        _render(tmp_path, audio=str(find("sample_speech.wav")), cancelled=mine)
    assert not list(tmp_path.glob("*.mp4"))


def test_portrait_comes_from_the_avatar_file(tmp_path: Path):
    picture = portrait(None, tmp_path)
    assert picture is not None and Path(picture).read_bytes()[8:12] == b"WEBP"
    broken = tmp_path / "broken.emo"
    broken.write_bytes(find("demo.emo").read_bytes()[:5000])
    with pytest.raises(EmoheadError, match="not a whole"):
        portrait(str(broken), tmp_path)


def test_pipelines_stay_warm():
    assert load_pipeline("demo", "cpu") is load_pipeline("demo", "cpu")


def test_strangers_need_a_password():
    with pytest.raises(InputError, match="--auth"):
        launch(host="0.0.0.0")
