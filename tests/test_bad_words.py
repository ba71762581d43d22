"""Words, tags and keyframes that make no sense, through the command line: one line each, never a traceback (docs/text.md)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emohead.cli import main
from tests.tiny import write_voice

MEGABYTES = "happy " * 1_700_000
NOTHING = {
    "": "", "   ": "", "!!! ...": "", "12345": "", "\x00\x07\x1b": "", "🤖": "'🤖' is not known", "flurbish": "'flurbish' is not known",
}  # fmt: skip
"""And what is said about it."""


def said(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and complaints of a command."""
    code = main(list(arguments))
    out, err = capsys.readouterr()
    assert "Traceback" not in err and all(line.startswith("emohead: ") for line in err.splitlines()), err
    return code, out, err


@pytest.mark.parametrize("sentence", NOTHING)
def test_what_says_nothing_is_a_neutral_face(capsys: pytest.CaptureFixture, sentence: str):
    code, out, err = said(capsys, "au", sentence)
    assert code == 0 and out.startswith("a neutral face") and NOTHING[sentence] in err


def test_ten_megabytes_are_refused_at_once(capsys: pytest.CaptureFixture, tmp_path: Path):
    (tmp_path / "words.txt").write_text(MEGABYTES)
    for arguments, limit in (
        (["au", MEGABYTES], "has 10200000 characters; shorten it to at most 2000"),
        (["au", "--script", f"[{MEGABYTES}] we won"], "shorten it to at most"),
        (["au", "--script", str(tmp_path / "words.txt")], "larger than 1 MB"),
        (["au", "--label", MEGABYTES], "unknown label"),
    ):
        code, _, err = said(capsys, *arguments)
        assert code == 2 and limit in err and len(err) < 1000


@pytest.mark.parametrize(
    ("sentence", "unit", "warning"),
    [
        ("happy\x00\x07\x1b[31m, then sad", "AU12L", ""),
        ("\u202ehappy\u200b", "AU12L", ""),
        ("<b>happy</b>", "AU12L", ""),
        ("😀 🤖", "AU12L", "'🤖' is not known"),
        ("happy and not happy", "AU12L", ""),
        ("eyes wide open and eyes closed", "AU43L", "oppose each other: AU5 gives way"),
        ("très content mais un peu triste", "AU12L", "seems to be French; only English is understood"),
        ("hapy", "AU12L", "'hapy' is not known, taken for 'happy'"),
        ("happy \udcff and smiling", "AU12L", ""),
    ],
)
def test_what_is_understood_of_odd_sentences(capsys: pytest.CaptureFixture, sentence: str, unit: str, warning: str):
    code, out, err = said(capsys, "au", sentence, "--json")
    assert code == 0 and json.loads(out)["peak"][unit] > 0.2 and warning in err


@pytest.mark.parametrize("sentence", ["flurbish", "happy flurbish", "hapy", "sehr traurig", "happy 🤖", "she swallowed a lemon"])
def test_strict_refuses_what_is_not_known(capsys: pytest.CaptureFixture, sentence: str):
    for arguments in (["au", sentence], ["au", "--script", f"[{sentence}] We won."]):
        code, out, err = said(capsys, *arguments, "--strict")
        assert code == 2 and not out and "rephrase it or leave --strict out" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"Hello\n[happy world", "line 2: a tag that is not closed"),
        (b"[happy\x07] Hello\n\n] there", "line 3: a ] without its ["),
        (bytes(range(256)), "not UTF-8 text"),
        (b" \n", "is empty"),
        (b"[happy 9] hi", "line 1: the intensity of tag [happy 9]"),
        (b"[] hi", "says nothing"),
        (b"<p>[happy]</p>\n[<b>] hi [", "line 2: a tag that is not closed"),
    ],
)
def test_scripts_that_cannot_be_read(capsys: pytest.CaptureFixture, tmp_path: Path, content: bytes, line: str):
    (tmp_path / "words.txt").write_bytes(content)
    code, _, err = said(capsys, "au", "--script", str(tmp_path / "words.txt"))
    assert code == 2 and line in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("k.json", '[{"time": 0, "AU12": 0},\n {"time": 1, "AU12": 7}]', "line 2: AU12L is 7; it goes from 0 to 1"),
        ("k.json", "<html>", "line 1: not JSON"),
        ("k.json", "", "is empty"),
        ("k.json", '[{"time": 0, "😀": 1}]', "line 1: unknown channel '😀'"),
        ("k.json", '[{"time": 0, "AU12": 0.5, "AU12L": 0.2}]', "AU12L has two values at 0 s"),
        ("k.csv", "time,AU12\n0,0\n1,\x07\n", "line 3: AU12L is '\\x07', not a finite number"),
        ("k.txt", "happy", "keyframes are read from .json, .csv and .npz"),
    ],
)
def test_keyframes_that_cannot_be_read(capsys: pytest.CaptureFixture, tmp_path: Path, name: str, content: str, line: str):
    (tmp_path / name).write_text(content, encoding="utf-8")
    code, _, err = said(capsys, "au", "--keyframes", str(tmp_path / name))
    assert code == 2 and line in err and err.count("\n") == 1


def test_words_that_are_no_text_can_be_written_down(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Bytes that are not UTF-8 reach Python as lone surrogates, which no file and no terminal takes."""
    voice, target = write_voice(tmp_path / "voice.wav"), tmp_path / "motion.npz"
    assert main(["animate", "--audio", str(voice), "--emotion", "happy \udcff", "-o", str(target)]) == 0
    assert json.loads(Path(f"{target}.json").read_text(encoding="utf-8"))["emotion"].startswith("happy")
    command = [sys.executable, "-m", "emohead.cli", "au", b"happy \xff and smiling"]
    environment = {"PYTHONIOENCODING": "utf-8:strict", "PATH": ""}
    found = subprocess.run(command, capture_output=True, cwd=Path(__file__).parents[1], env=environment)
    assert found.returncode == 0 and b"and smiling" in found.stdout and b"Traceback" not in found.stderr
