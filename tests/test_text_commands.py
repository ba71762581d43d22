"""`emohead train text-to-au` and `emohead evaluate text`: what they refuse, and runs of seconds."""

import json
from pathlib import Path

import pytest

from controllers import described, meaning_corpus
from controllers.described import described_sentences
from emohead.cli import main

FOLDER = Path(__file__).parents[1] / "benchmarks" / "text"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--steps", "0"], "--steps 0: give 1 or more"), (["--width", "30"], "multiple of 4"), (["--batch", "-1"], "--batch -1")],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str):
    assert main(["train", "text-to-au", "-o", str(tmp_path / "a.safetensors"), *arguments]) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_dry_run_shows_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "text-to-au", "-o", str(tmp_path / "a.safetensors"), "--dry-run", "--hold-out"]) == 0
    settings = json.loads(capsys.readouterr().out)
    assert settings["hold_out"] is True and settings["front_end"] == "small" and not list(tmp_path.iterdir())


def test_a_short_run_is_written_goes_on_and_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("accelerate")
    few = described_sentences()[::40]  # MiniLM would read all of them for minutes.
    for module in (described, meaning_corpus):
        monkeypatch.setattr(module, "described_sentences", lambda: few)
    weights, work = tmp_path / "net.safetensors", tmp_path / "work"
    command = ["train", "text-to-au", "-o", str(weights), "--work", str(work), "--batch", "8", "--width", "16", "--hold-out"]
    assert main([*command, "--steps", "2"]) == 0
    assert main([*command, "--steps", "3"]) == 0 and sorted(path.name for path in work.glob("step*")) == [
        "step0000002.safetensors",
        "step0000003.safetensors",
    ]
    found = tmp_path / "scores.json"
    arguments = ["evaluate", "text", "--cases", str(FOLDER), "--part", "s4", "--hold-out", str(weights), "--json", str(found)]
    capsys.readouterr()
    assert main(arguments) == 0
    assert "S4, 300 sentences" in capsys.readouterr().out
    figures = json.loads(found.read_text())
    assert figures["s4_ours_whole"] > 0.6 > figures["s4_keywords_whole"] and figures["front_end"] == "small"


def test_missing_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "text", "--cases", str(tmp_path)]) == 2
    assert "s1.jsonl" in capsys.readouterr().err
    assert main(["evaluate", "text", "--cases", str(FOLDER), "--hold-out", str(tmp_path / "none")]) == 2
    assert "not a text-to-AU network" in capsys.readouterr().err
