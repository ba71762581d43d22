"""The whole way from a voice to pictures, with a tiny avatar on the real head model."""

import json
import threading
from pathlib import Path
from typing import get_args

import pytest
import torch

from controllers.understanding import DEFAULT_READING, READINGS
from emohead import Pipeline
from emohead.avatar import resolve_avatar
from emohead.channels import AU_INDEX, RIG_INDEX
from emohead.commands.options import ReadingName
from emohead.errors import CancelledError, InputError
from emohead.export.base import motion_format
from emohead.media import probe, read_video
from emohead.performance import Performance
from emohead.pipeline import Request, animate, plan, read_transcript, understand
from emohead.types import HeadMotion, PhoneSegment
from tests.tiny import voice, write_tiny_emo, write_voice


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline.from_pretrained(write_tiny_emo(tmp_path_factory.mktemp("avatar") / "tiny.emo"), device="cpu", n_threads=1)


@pytest.fixture(autouse=True)
def own_config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def perform(pipeline: Pipeline, **options) -> Performance:
    return pipeline(voice(), **{"size": 64, **options})


def test_a_video_with_sound_comes_out_and_its_settings_beside_it(pipeline: Pipeline, tmp_path: Path):
    path = write_voice(tmp_path / "voice.wav")
    performance = pipeline(path, emotion="very happy", size=96, seed=3)
    assert performance.n_frames == 15 and performance.fps == 25.0
    performance.save(tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height, info.n_frames, info.fps) == (96, 96, 15, 25.0)
    assert info.audio_duration is not None and abs(info.audio_duration - 0.6) < 0.04
    settings = json.loads((tmp_path / "out.mp4.json").read_text())
    assert settings["emotion"] == "very happy" and settings["seed"] == 3 and settings["audio"] == str(path) and settings["size"] == 96
    written = torch.stack([frame.rgb for frame in read_video(tmp_path / "out.mp4")]).float()
    drawn = torch.stack(list(performance.frames())).float()
    assert (written - drawn).abs().mean() < 4


def test_pictures_show_a_face_over_the_background(pipeline: Pipeline):
    picture = next(perform(pipeline).frames()).float() / 255
    assert picture.shape == (64, 64, 3)
    assert torch.allclose(picture[0, 0], torch.tensor([0.2, 0.3, 0.4]), atol=0.01)
    assert picture[32, 32, 0] > 0.5 > picture[32, 32, 2] - 0.2


def test_one_seed_gives_one_performance(pipeline: Pipeline):
    one, same, other = (perform(pipeline, emotion="sad", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.motion.rig, same.motion.rig) and not torch.equal(one.motion.rig, other.motion.rig)
    assert all(torch.equal(a, b) for a, b in zip(one.frames(), same.frames(), strict=True))


def test_what_is_asked_for_is_shown(pipeline: Pipeline):
    neutral, asked = perform(pipeline), perform(pipeline, au=["AU2L=0.9"])
    assert float(asked.prompt.intensity[:, AU_INDEX["AU2L"]].max()) == pytest.approx(0.9)
    channel = RIG_INDEX["browOuterUpLeft"]
    assert float(asked.motion.rig[:, channel].mean()) > float(neutral.motion.rig[:, channel].mean()) + 0.4
    assert float(asked.au.intensity[:, AU_INDEX["AU2L"]].mean()) > 0.4


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".au.csv"])
def test_saving_the_motion_alone(pipeline: Pipeline, tmp_path: Path, suffix: str):
    performance = pipeline(voice(2.2), size=64)
    performance.save(tmp_path / f"motion{suffix}")
    read = motion_format(suffix).read(tmp_path / f"motion{suffix}")
    assert read.n_frames == performance.n_frames
    if isinstance(read, HeadMotion):
        assert torch.allclose(read.rig, performance.motion.rig, atol=1e-6)


def test_fps_and_length_agree():
    for fps in (1.0, 24.0, 30000 / 1001, 60.0):
        planned = plan(voice(), Request(fps=fps))
        assert planned.prompt.n_frames == animate(planned).n_frames == max(1, round(0.6 * fps))


def test_progress_grows_and_can_cancel(pipeline: Pipeline, tmp_path: Path):
    shares = []
    perform(pipeline, progress=lambda share, text: shares.append(share)).save(tmp_path / "a.mp4")
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == pytest.approx(1.0)

    def stop(share: float, text: str) -> None:
        if share > 0.5:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        perform(pipeline, progress=stop).save(tmp_path / "b.mp4")
    event = threading.Event()
    event.set()
    with pytest.raises(CancelledError, match="cancelled"):
        perform(pipeline).save(tmp_path / "c.mp4", cancel=event)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.mp4", "a.mp4.json"]


def test_transcripts(tmp_path: Path):
    words, phones = tmp_path / "words.txt", [PhoneSegment("m", 0.0, 0.2), PhoneSegment("aa", 0.2, 0.6)]
    words.write_text("\ufeffhello there", encoding="utf-8")
    assert read_transcript(words) == read_transcript(str(words)) == read_transcript("hello there") == "hello there"
    assert read_transcript(phones) is phones and read_transcript(None) is None
    for bad, message in (("missing.txt", "no such"), ("empty.txt", "is empty"), ("latin.txt", "UTF-8")):
        (tmp_path / "empty.txt").write_text(" \n")
        (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
        with pytest.raises(InputError, match=message):
            read_transcript(tmp_path / bad)
    motion = animate(plan(voice(), Request(transcript=phones)))
    assert motion.n_frames == 15 and torch.isfinite(motion.rig).all()


def test_a_folder_with_one_avatar_is_an_avatar(tmp_path: Path):
    with pytest.raises(InputError, match=r"holds 0 \.emo files"):
        Pipeline.from_pretrained(tmp_path)
    write_tiny_emo(tmp_path / "me.emo")
    assert Pipeline.from_pretrained(tmp_path, device="cpu").avatar_path == tmp_path / "me.emo"


def test_a_folder_does_not_hide_a_shipped_avatar_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In the repository's root `demo` is also a folder of source code."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "somebody").mkdir()
    write_tiny_emo(tmp_path / "assets" / "somebody.emo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOHEAD_ASSETS", str(tmp_path / "assets"))
    assert Pipeline.from_pretrained("somebody", device="cpu").renderer.avatar.name == "tiny"
    assert resolve_avatar("somebody") == tmp_path / "assets" / "somebody.emo"


def test_what_prints_is_one_line(pipeline: Pipeline):
    made = perform(pipeline)
    assert repr(made) == f"Performance({made.audio.duration:.2f} s, {made.n_frames} frames at 25 per second)"
    assert repr(made.motion).startswith(f"HeadMotion(fps=25.0, rig=[{made.n_frames}, 52], head_rotation=[{made.n_frames}, 3], ")


def test_reading_a_voice_is_said(pipeline: Pipeline):
    assert any("guessed from the voice, as asked for" in warning for warning in perform(pipeline, from_voice=0.5).warnings)
    assert not any("guessed from the voice" in warning for warning in perform(pipeline).warnings)


def test_silence_is_said(pipeline: Pipeline):
    silent = voice()
    silent.samples.zero_()
    assert any("silent" in warning for warning in pipeline(silent, size=64).warnings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 63}, "size 63"),
        ({"size": 8192}, "size 8192"),
        ({"fps": 0.0}, "fps 0"),
        ({"reading": "tea leaves"}, "unknown reading 'tea leaves'; use one of lexicon"),
        ({"fps": float("nan")}, "fps nan"),
    ],
)
def test_settings_out_of_range(pipeline: Pipeline, options: dict, message: str):
    with pytest.raises(InputError, match=message):
        perform(pipeline, **options)


def test_understanding_a_sentence_needs_no_avatar():
    plan = understand("a shy smile with the left eyebrow raised")
    assert plan.peak()["AU12L"] > 0.1 and plan.peak()["AU2L"] > 0.3 and "AU2R" not in plan.peak()


def test_what_reads_the_words_goes_all_the_way():
    lemon = "looks like he swallowed a lemon"
    guessed, listed = (plan(voice(), Request(emotion=lemon, reading=reading)) for reading in ("small", "lexicon"))
    assert guessed.prompt.weight.max() == 1.0 and listed.prompt.weight.max() == 0.0
    assert any("by what was learned" in warning for warning in guessed.warnings) and guessed.settings["reading"] == "small"
    guessed, listed = (plan(voice(), Request(script=f"[{lemon}] oh no", reading=reading)) for reading in ("small", "lexicon"))
    assert guessed.prompt.weight.max() > 0.2 and listed.prompt.weight.max() == 0.0
    assert any("by what was learned" in warning for warning in guessed.warnings)


def test_the_command_line_names_the_readings_there_are():
    assert set(get_args(ReadingName)) == set(READINGS) and Request().reading == DEFAULT_READING == get_args(ReadingName)[0]
