"""`emohead train motion`: what it refuses, and a run of seconds that goes on after a stop."""

import json
from pathlib import Path

import pytest

from emohead.cli import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--human", "nowhere"], "no transcripts.tsv there"),
        (["--shards", "0"], "leaves no voice to train on"),
        (["--steps", "0", "--clips", "0"], "--clips 0: give 1 or more"),
        (["--width", "10"], "multiple of 4"),
        (["--features", "nose"], "no speech encoder is called 'nose'; there are mel, phones, hubert"),
        (["--features", "hubert", "--features-from", "nowhere"], "nowhere"),
        (["--adversarial", "2"], "--adversarial 2: give 0..1"),
        (["--personalise", "nowhere"], "no such folder; make one with emohead track"),
        (["--start", "a.safetensors"], "--start a.safetensors: no such file"),
        (["--data", "nowhere"], "nowhere: no such folder; a corpus of tracked clips is to be had from emohead track"),
        (["--data", "nowhere", "--layout", "mead"], "nowhere: no such folder; MEAD is to be had from https://"),
        (["--data", "nowhere", "--layout", "beet"], "no corpus reader is called 'beet'; there are emohead, live-link-face, beat"),
        (["--data", ".", "--human", "nowhere"], "no transcripts.tsv"),
        (["--data", ".", "--personalise", "."], "--data goes without --personalise"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str):
    assert main(["train", "motion", "-o", str(tmp_path / "a.safetensors"), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_dry_run_shows_the_resolved_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "motion", "-o", str(tmp_path / "a.safetensors"), "--dry-run"]) == 0
    settings = json.loads(capsys.readouterr().out)
    assert settings["steps"] == 5000 and settings["clips"] == 5000
    assert not list(tmp_path.iterdir())
