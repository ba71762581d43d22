"""Readers of measuring speech: spread, cached, with a clear word where something is not there."""

import shutil
from pathlib import Path

import pytest
import torch

from emohead.assets import find
from emohead.data.measuring_speech import aligned, emodb_utterances, evenly, filmed_clip, grid_clips, human_utterances, textgrid_utterances
from emohead.errors import InputError
from emohead.media import read_audio
from tests.shared import shared_data
from tests.tiny import write_clip

SAID = "Hello, and welcome! I am so happy to meet you. Pick a mood, maybe a big warm smile, and watch my face."


def _points(path: Path) -> torch.Tensor:
    points = torch.zeros(15, 478, 2)
    points[:, 33, 0], points[:, 263, 0], points[:, 14, 1] = 0.0, 50.0, torch.linspace(0, 5, 15)
    return points


def test_items_are_evenly_spread():
    assert evenly(list(range(10)), 5) == [0, 2, 4, 6, 8] and evenly([1, 2], 5) == [1, 2]


def test_alignments_are_kept(tmp_path: Path):
    audio = read_audio(find("sample_speech.wav"))
    first = aligned(audio, SAID, cache=tmp_path / "cache")
    assert first and {phone.phone for phone in first} >= {"hh", "m", "b"}
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 1 and aligned(audio, SAID, cache=tmp_path / "cache") == first
    # What is kept is what is returned: nothing is aligned again.
    kept[0].write_text("null")
    assert aligned(audio, SAID, cache=tmp_path / "cache") is None


def test_human_recordings_of_the_test_split(tmp_path: Path):
    shutil.copy(find("sample_speech.wav"), tmp_path / "a.wav")
    rows = ["file\tsplit\ttext", f"a.wav\ttest\t{SAID}", "missing.wav\ttrain\thello"]
    (tmp_path / "transcripts.tsv").write_text("\n".join(rows))
    found = human_utterances(tmp_path, limit=5, cache=tmp_path / "cache")
    assert [item.name for item in found] == ["a.wav"] and found[0].phones == found[0].labels
    (tmp_path / "transcripts.tsv").write_text("\n".join(rows[:1]))
    with pytest.raises(InputError, match="no utterance of the test split"):
        human_utterances(tmp_path, limit=5)


@pytest.mark.parametrize(
    "read",
    [
        lambda folder: human_utterances(folder, limit=3),
        lambda folder: emodb_utterances(folder, limit=3),
        lambda folder: textgrid_utterances(folder, limit=3),
        lambda folder: grid_clips(folder, _points, limit=3),
    ],
)
def test_empty_folders_say_what_they_lack(tmp_path: Path, read):
    with pytest.raises(InputError, match=r"transcripts\.tsv|\.lablaut|\.mpg|\.TextGrid"):
        read(tmp_path)


def test_a_film_keeps_its_landmarks(tmp_path: Path):
    film = write_clip(tmp_path / "talk.mp4")
    clip = filmed_clip(film, _points, cache=tmp_path / "cache")
    assert clip.opening.tolist() == pytest.approx(torch.linspace(0, 0.1, 15).tolist()) and clip.phones is None and not clip.timed
    assert torch.equal(filmed_clip(film, lambda path: torch.zeros(0, 478, 2), cache=tmp_path / "cache").points, clip.points)


def test_grid_has_sentences_with_and_without_word_times(tmp_path: Path):
    folder = shared_data("speech/grid")
    timed = next(path for path in sorted(folder.glob("*.mpg")) if (folder / f"{path.stem.split('_')[-1]}.align").exists())
    plain = next(path for path in sorted(folder.glob("*.mpg")) if not (folder / f"{path.stem.split('_')[-1]}.align").exists())
    for path in (timed, folder / f"{timed.stem.split('_')[-1]}.align", plain):
        shutil.copy(path, tmp_path)
    by_name = {clip.name: clip for clip in grid_clips(tmp_path, _points, limit=9, cache=tmp_path / "cache")}
    known, spelt = by_name[timed.stem], by_name[plain.stem]
    assert known.timed and len(known.words) == 6 and all(0 <= word.start < word.end <= 3 for word in known.words)
    assert not spelt.timed and spelt.phones and spelt.words == spelt.phones
    (tmp_path / f"{timed.stem.split('_')[-1]}.align").write_text("0 x bin")
    with pytest.raises(InputError, match="not word times of GRID"):
        grid_clips(tmp_path, _points, limit=9)


def test_hand_labels_are_scored_from_start_to_release():
    found = emodb_utterances(shared_data("speech/emodb"), limit=3)
    assert len(found) == 3
    for item in found:
        assert not {"p", "b", "m"} & {phone.phone for phone in item.labels[: len(item.phones)]}
        assert all(phone.end > phone.start for phone in item.labels)


def test_textgrids_need_phones_and_a_recording(tmp_path: Path):
    tier = 'class = "IntervalTier"\nname = "{}"\nxmin = 0\nxmax = 1\nintervals: size = 1\nintervals [1]:\nxmin = 0\nxmax = 1\ntext = "m"\n'
    start = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 1\ntiers? <exists>\nsize = 1\nitem []:\nitem [1]:\n'
    for name, tier_name, recorded in (("a", "phones", True), ("b", "words", True), ("c", "phones", False)):
        (tmp_path / f"{name}.TextGrid").write_text(start + tier.format(tier_name))
        if recorded:
            shutil.copy(find("sample_speech.wav"), tmp_path / f"{name}.wav")
    with pytest.warns(UserWarning, match="2 of 3 TextGrids"):
        found = textgrid_utterances(tmp_path, limit=5)
    assert [item.name for item in found] == ["a"] and found[0].phones[0].phone == "m"
