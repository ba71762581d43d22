"""TextGrids and Emo-DB label files: both formats read alike, and a broken file is refused with its line."""

import pytest

from emohead.data.alignments import read_lablaut, read_lablaut_closures, read_textgrid, read_textgrid_tiers
from emohead.errors import InputError
from tests.shared import shared_data

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
0.5
<exists>
1
"IntervalTier"
"phones"
0
0.5
3
0
0.1
"sil"
0.1
0.3
"B"
0.3
0.5
"AH0"
"""
LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 0.5
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 0.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.1
            text = "sil"
        intervals [2]:
            xmin = 0.1
            xmax = 0.3
            text = "B"
        intervals [3]:
            xmin = 0.3
            xmax = 0.5
            text = "AH0"
"""


def _write(folder, text, encoding="utf-8"):
    path = folder / "speech.TextGrid"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(("text", "encoding"), [(SHORT, "utf-8"), (LONG, "utf-8"), (LONG, "utf-16"), (LONG, "utf-8-sig")])
def test_long_and_short_format_read_alike(tmp_path, text, encoding):
    segments = read_textgrid(_write(tmp_path, text, encoding))
    assert [(segment.phone, segment.start, segment.end) for segment in segments] == [("pau", 0, 0.1), ("b", 0.1, 0.3), ("ax", 0.3, 0.5)]


def test_ipa_is_recognised_and_quotes_are_unescaped(tmp_path):
    segments = read_textgrid(_write(tmp_path, SHORT.replace('"B"', '"tʃ"').replace('"AH0"', '"oʊ"')))
    assert [segment.phone for segment in segments] == ["pau", "ch", "ow"]
    tiers = read_textgrid_tiers(_write(tmp_path, SHORT.replace('"B"', '"say ""b"""')))
    assert tiers["phones"][1].label == 'say "b"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "ends too early"),
        (SHORT.replace("ooTextFile", "sound"), "not a Praat TextGrid"),
        (SHORT[: len(SHORT) // 2], "ends too early"),
        (SHORT.replace('"B"', '"%%"'), "line 18"),
        (SHORT.replace("0.1\n0.3\n", "0.3\n0.1\n"), "line 18.*backwards"),
        (SHORT.replace('"phones"', '"words"'), "no phone tier"),
        (SHORT.replace("\n3\n", "\n2.5\n"), "line 12: expected a count"),
    ],
)
def test_broken_textgrids_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_textgrid(_write(tmp_path, text))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_textgrid(tmp_path / "absent.TextGrid")


def test_real_textgrids_cover_their_audio():
    segments = read_textgrid(shared_data("speech/aligned/cold_corpus.TextGrid"))
    assert len(segments) > 200
    assert segments[-1].end == pytest.approx(25.7, abs=0.1)
    assert {"m", "ae", "pau"} <= {segment.phone for segment in segments}


def test_lablaut_closures_end_at_the_release():
    path = shared_data("speech/emodb/03a01Nc.lablaut")
    closures = read_lablaut_closures(path)
    assert [closure.phone for closure in closures] == ["p", "m", "m"]
    assert closures[0].release - closures[0].start == pytest.approx(0.0536, abs=1e-3)
    stop = next(segment for segment in read_lablaut(path) if segment.phone == "p")
    assert stop.end > closures[0].release  # The phone goes on through the release; the closure does not.


def test_lablaut_without_labels_is_refused(tmp_path):
    path = tmp_path / "bad.lablaut"
    path.write_text("signal x\n#\n  nonsense here\n")
    with pytest.raises(InputError, match="line 3"):
        read_lablaut(path)
