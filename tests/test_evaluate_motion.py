"""`emohead evaluate motion` from the command line: a table and a file, and one line for what cannot be measured."""

import json
from pathlib import Path

import pytest

from emohead.cli import main
from emohead.data.clip_folder import CorpusClip, write_clip
from emohead.types import AUTrack, HeadMotion
from tests.tiny import voice


def test_a_corpus_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name, length in (("one", 2.0), ("two", 1.6)):
        frames = round(25 * length)
        write_clip(
            tmp_path / "corpus" / name, CorpusClip(HeadMotion.neutral(frames, 25.0), AUTrack.neutral(frames, 25.0), voice(length), {})
        )
    write_clip(tmp_path / "corpus" / "mute", CorpusClip(HeadMotion.neutral(9, 25.0), AUTrack.neutral(9, 25.0), None, {}))
    out = tmp_path / "motion.json"
    arguments = ["evaluate", "motion", "--generator", "energy", "--corpus", str(tmp_path / "corpus"), "--takes", "2", "--json", str(out)]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "corpus, 2 clips" in text and text.count("| energy ") == 6
    figures = json.loads(out.read_text())
    assert figures["corpus_energy_lve_mm"] > 0 and figures["manner_energy_silence_mouth_std"] == 0.0
    assert figures["prompt_energy_slope_greatest"] == 0.0 and figures["limit"] == 24


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--generator", "magic"], "unknown generator 'magic'"),
        (["--takes", "1"], "--takes at least 2"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--corpus", "empty"], "no clip with a voice"),
        (["--speech", "empty"], "none of human/, aligned/, emodb/ and grid/"),
        (["--film", "no.mp4"], "no.mp4"),
        (["--json", "no/such.json"], "output folder no does not exist"),
    ],
)
def test_what_cannot_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", "motion", *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("emohead: error:")]
    assert len(lines) == 1 and complaint in lines[0]
