"""`emohead animate --takes`, `edit` and `render --motion`: several performances, a better one of them, and its video."""

import json
from pathlib import Path

import pytest
import torch

from emohead.cli import main
from emohead.export.motion_npz import read_motion_npz
from emohead.media import probe
from emohead.types import HeadMotion
from tests.tiny import write_tiny_emo, write_voice

pytest.importorskip("diffusers")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    write_voice(tmp_path / "voice.wav", seconds=2.4)
    return tmp_path


def made(name: str) -> HeadMotion:
    return read_motion_npz(Path(name))


def test_takes_are_those_of_their_seeds(desk: Path):
    animate = ["animate", "--audio", "voice.wav", "--engine", "diffusion"]
    assert main([*animate, "--seed", "4", "--takes", "2", "-o", "take.npz"]) == 0
    assert main([*animate, "--seed", "5", "-o", "five.npz"]) == 0
    assert torch.equal(made("take.seed5.npz").rig, made("five.npz").rig)
    assert not torch.equal(made("take.seed4.npz").rig, made("five.npz").rig)
    assert json.loads((desk / "take.seed4.npz.json").read_text())["seed"] == 4
    assert main([*animate, "--takes", "2", "-o", "a.au.csv"]) == 0 and (desk / "a.seed1.au.csv").is_file()


def test_an_edit_leaves_the_rest_and_its_video_is_drawn(desk: Path):
    write_tiny_emo(desk / "me.emo")
    assert main(["animate", "--audio", "voice.wav", "--engine", "diffusion", "-o", "a.npz"]) == 0
    edit = ["edit", "a.npz", "--audio", "voice.wav", "--span", "1.0", "1.6", "--key", "1.3:browInnerUp=0.9,headYaw=0.1", "--lock", "mouth"]
    assert main([*edit, "--label", "happy", "--seed", "3", "-o", "b.npz"]) == 0
    before, after = made("a.npz"), made("b.npz")
    outside = (torch.arange(60) / 25 < 0.79) | (torch.arange(60) / 25 > 1.81)
    assert torch.equal(before.rig[outside], after.rig[outside]) and not torch.equal(before.rig, after.rig)
    assert float(after.head_rotation[32, 1]) == pytest.approx(0.1, abs=0.02)
    assert json.loads((desk / "b.npz.json").read_text())["span"] == [1.0, 1.6]
    assert main(["render", "--motion", "b.npz", "--audio", "voice.wav", "--avatar", "me.emo", "--size", "64", "-o", "b.mp4"]) == 0
    assert probe(desk / "b.mp4").n_frames == 60 and probe(desk / "b.mp4").audio_codec
    assert main(["render", "--motion", "b.npz", "--avatar", "me.emo", "--size", "64", "-o", "silent.mp4"]) == 0
    assert probe(desk / "silent.mp4").audio_codec is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["edit", "a.npz", "--span", "5", "6"], "the span 5 to 6 s is not within the clip's 2.40 s"),
        (["edit", "a.npz", "--key", "browInnerUp"], "give SECONDS:CHANNEL=VALUE"),
        (["edit", "a.npz", "--key", "1:nose=1"], "unknown channel 'nose'"),
        (["edit", "a.npz", "--lock", "ear"], "cannot lock 'ear'"),
        (["edit", "a.npz", "--engine", "rules"], "cannot draw a part of a performance"),
        (["edit", "a.npz", "--audio", "short.wav"], "2.40 s of motion, but the recording lasts 1.00 s"),
        (["edit", "missing.npz"], "no such file"),
        (["edit", "a.au.csv"], "not a whole motion"),
        (["render", "--motion", "a.npz", "--label", "happy"], "--label cannot change the motion of --motion a.npz; emohead edit can"),
        (["animate", "--takes", "0"], "--takes 0: give 1 to 100"),
    ],
)
def test_what_cannot_be_done_is_said(desk: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str):
    write_voice(desk / "short.wav", seconds=1.0)
    for name in ("a.npz", "a.au.csv"):
        assert main(["animate", "--audio", "voice.wav", "-o", name]) == 0
    capsys.readouterr()
    recording = [] if "--audio" in arguments or arguments[0] == "render" else ["--audio", "voice.wav"]
    assert main([*arguments, *recording]) == 2
    assert said in capsys.readouterr().err
    assert not (desk / "edited.npz").exists()
