"""The command line: what each command prints and writes, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emohead.cli import main
from emohead.export.base import motion_format
from emohead.media import probe
from emohead.types import HeadMotion
from tests.tiny import write_clip, write_tiny_emo, write_voice


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a voice and an avatar in it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "desk"
    folder.mkdir()
    write_tiny_emo(folder / "me.emo")
    write_voice(folder / "voice.wav")
    monkeypatch.chdir(folder)
    return folder


RENDER = ["render", "--audio", "voice.wav", "--avatar", "me.emo", "--size", "64", "--device", "cpu"]


def test_render_writes_the_video_and_its_settings(desk: Path, capsys: pytest.CaptureFixture):
    assert main([*RENDER, "--emotion", "calm, then delighted surprise", "--au", "AU12=0.6", "--au", "AU4L=0.2", "-o", "out.mp4"]) == 0
    printed = capsys.readouterr()
    assert "wrote out.mp4: 15 frames of 64x64" in printed.out and "%" in printed.err
    assert probe("out.mp4").n_frames == 15
    settings = json.loads(Path("out.mp4.json").read_text())
    assert settings["au"] == ["AU12=0.6", "AU4L=0.2"] and settings["device"] == "cpu (cpu)" and settings["avatar"] == "me.emo"
    assert sorted(path.name for path in desk.iterdir()) == ["me.emo", "out.mp4", "out.mp4.json", "voice.wav"]


def test_dry_run_prints_the_settings_and_writes_nothing(desk: Path, capsys: pytest.CaptureFixture):
    assert main([*RENDER, "--label", "happy:0.8", "--fps", "30", "--dry-run"]) == 0
    settings = json.loads(capsys.readouterr().out)
    assert settings["label"] == "happy:0.8" and settings["frames"] == 18 and settings["fps"] == 30.0 and settings["seed"] == 0
    assert main(["animate", "--audio", "voice.wav", "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 15
    assert sorted(path.name for path in desk.iterdir()) == ["me.emo", "voice.wav"]


@pytest.mark.parametrize("name", ["motion.npz", "motion.csv", "motion.au.csv"])
def test_animate_writes_each_format(desk: Path, capsys: pytest.CaptureFixture, name: str):
    write_voice(desk / "long.wav", seconds=2.2)
    assert main(["animate", "--audio", "long.wav", "--emotion", "angry", "-o", name]) == 0
    assert f"wrote {name}" in capsys.readouterr().out
    read = motion_format(name).read(name)
    assert read.n_frames == 55
    if isinstance(read, HeadMotion):
        assert float(read.rig.max()) > 0.1
    assert json.loads(Path(f"{name}.json").read_text())["emotion"] == "angry"


def test_every_style_is_named_in_the_help():
    from emohead.commands.options import SpeechCommand
    from emohead.motion.rules import STYLES

    documented = Path(sys.modules[SpeechCommand.__module__].__file__ or "").read_text()
    assert all(name in documented for name in STYLES)


def test_au_as_table_and_json(capsys: pytest.CaptureFixture):
    assert main(["au", "a shy smile with the left eyebrow raised"]) == 0
    table = capsys.readouterr().out
    assert "AU12L" in table and "lip corner puller, left" in table and "AU2R" not in table
    assert main(["au", "happy, then sad, and a flurbish wink", "--duration", "4", "--json"]) == 0
    printed = capsys.readouterr()
    plan = json.loads(printed.out)
    assert plan["unit"] == "seconds" and plan["duration"] == 4.0 and plan["not_understood"] == ["flurbish"]
    assert plan["events"][0]["au"]["AU12L"] > 0.2 and 0 < plan["events"][0]["end"] <= 4
    assert "emohead: warning: 'flurbish'" in printed.err
    assert main(["au", "", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == []


def test_inspect_knows_every_kind(desk: Path, capsys: pytest.CaptureFixture):
    write_clip(desk / "clip.mp4")
    assert main(["animate", "--audio", "voice.wav", "-o", "motion.npz"]) == 0
    capsys.readouterr()
    expected = {
        "me.emo": {"kind": "avatar", "gaussians": 1500, "head": "generic", "consent_who": "nobody (made of numbers)", "licence": "CC0-1.0"},
        "voice.wav": {"kind": "audio", "sample_rate_hz": 16000, "channels": 1, "audio_duration_s": 0.6},
        "clip.mp4": {"kind": "video", "width_px": 64, "fps_hz": 25.0, "frames": 15, "says_generated": True},
        "motion.npz": {"kind": "motion", "frames": 15, "fps_hz": 25.0},
    }
    for name, facts in expected.items():
        assert main(["inspect", name, "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert {key: printed[key] for key in facts} == facts
    assert main(["inspect", "voice.wav"]) == 0
    assert "speech_share" in capsys.readouterr().out


def test_verify(desk: Path, capsys: pytest.CaptureFixture):
    write_clip(desk / "clip.mp4")
    assert main(["verify", "clip.mp4", "--json"]) == 0
    if json.loads(capsys.readouterr().out)["verdict"] != "signed":
        pytest.skip("the provenance extra is missing")
    data = bytearray(Path("clip.mp4").read_bytes())
    data[data.index(b"mdat") + 60] ^= 4
    Path("clip.mp4").write_bytes(data)
    assert main(["verify", "clip.mp4"]) == 5
    assert "broken" in capsys.readouterr().out
    assert main(["verify", "voice.wav"]) == 5
    assert "nothing found" in capsys.readouterr().out


def test_doctor_tries_everything(capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    needed = ("python_works", "rasterizer_cpu_works", "codecs_works", "asset_head_works")
    assert all(report[name] for name in needed), report
    assert code == (0 if report["works"] else 3)
    for name, value in report.items():
        if name.endswith("_works") and not value:
            assert report[name.removesuffix("_works") + "_fix"]
    assert main(["doctor"]) == code
    assert "rasterizer_cpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected one of"),
        (["fly"], "Unrecognized options: fly"),
        (["render", "--size", "big"], "--size"),
        (["render", "--shine"], "--shine"),
        (["au"], "give a sentence, --label, --script, --keyframes or --au, got none"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture, arguments: list[str], message: str):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("emohead: error: ") and printed.err.count("\n") == 1
    assert message.lower() in printed.err.lower()


def test_debug_shows_where(capsys: pytest.CaptureFixture):
    assert main(["inspect", "nothing.wav", "--debug"]) == 2
    printed = capsys.readouterr().err
    assert "Traceback" in printed and printed.splitlines()[-1].startswith("emohead: error: nothing.wav")


def test_a_fault_of_our_own_is_one_line_and_exit_code_1():
    script = """
import sys
from emohead.cli import main
from emohead.commands.doctor import Doctor
Doctor.run = lambda self: 1 // 0
sys.exit(main(["doctor"]))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1
    assert "our own fault" in ended.stderr and "ZeroDivisionError" in ended.stderr


def test_a_reader_who_has_seen_enough_is_no_fault():
    """`emohead au .. | head -1`, with a head that has gone before the first line comes."""
    command = [sys.executable, "-c", "from emohead.cli import main; raise SystemExit(main(['au', 'happy']))"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait(60) == 0


def test_memory_that_cannot_be_had_is_exit_code_3(desk: Path):
    script = """
import resource, sys
from pathlib import Path
from emohead.cli import main
render = ["render", "--audio", "voice.wav", "--avatar", "me.emo", "--device", "cpu", "-o", "out.mp4", "--size"]
assert main([*render, "64"]) == 0
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + (20 << 20), in_use + (20 << 20)))
Path("out.mp4").write_bytes(b"previous")
sys.exit(main([*render, "2048"]))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 3 and "emohead: error: out of memory" in ended.stderr, ended.stderr
    assert (desk / "out.mp4").read_bytes() == b"previous" and not list(desk.glob("*partial*"))


def test_help_does_not_wait_for_torch():
    code = (
        "import sys; from emohead.cli import main\ntry: main(['render', '--help'])\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--transcript" in shown and shown.splitlines()[-1] == "False"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_of_a_video(desk: Path, number: signal.Signals):
    write_voice(desk / "long.wav", seconds=60.0)
    (desk / "out.mp4").write_bytes(b"previous")
    command = [sys.executable, "-m", "emohead.cli", "render", "--audio", "long.wav", "--avatar", "me.emo", "--size", "512", "-o", "out.mp4"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    deadline = time.monotonic() + 100
    while not any(path.name.endswith(".partial.mp4") for path in desk.iterdir()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 4 and said.splitlines()[-1] == "emohead: error: cancelled; no output was changed"
    assert sorted(path.name for path in desk.iterdir()) == ["long.wav", "me.emo", "out.mp4", "voice.wav"]
    assert (desk / "out.mp4").read_bytes() == b"previous"
