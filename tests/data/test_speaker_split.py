"""Splits keep speakers apart, do not depend on who else is there, and hold their shares over many."""

import pytest

from emohead.data.speaker_split import PARTS, SplitConfig, part_of, split_by_speaker
from emohead.errors import InputError

SPEAKERS = [f"corpus/{number:04d}" for number in range(4000)]


def test_speakers_are_apart():
    clips = [speaker for speaker in SPEAKERS[:200] for _ in range(3)]
    parts = split_by_speaker(clips)
    people = {part: {clips[index] for index in indices} for part, indices in parts.items()}
    assert sorted(index for indices in parts.values() for index in indices) == list(range(600))
    assert not any(people[one] & people[other] for one in PARTS for other in PARTS if one != other)


def test_shares():
    config = SplitConfig(validation=0.2, test=0.05)
    counts = {part: sum(part_of(speaker, config) == part for speaker in SPEAKERS) / len(SPEAKERS) for part in PARTS}
    # Three standard deviations of a share of .2 among 4000 are .019.
    assert counts["test"] == pytest.approx(0.05, abs=0.011) and counts["validation"] == pytest.approx(0.2, abs=0.019)


def test_stable():
    """Fixed once and for all: a change would move test speakers of published models into training."""
    assert [part_of(f"mead/{name}") for name in ("M003", "M005", "W009", "W011", "W016")] == [
        "train",
        "train",
        "validation",
        "train",
        "test",
    ]
    before = {speaker: part_of(speaker) for speaker in SPEAKERS}
    more = split_by_speaker([*SPEAKERS, *(f"other/{number}" for number in range(50))])
    assert all(before[SPEAKERS[index]] == part for part, indices in more.items() for index in indices if index < len(SPEAKERS))
    grown = {part_of(speaker, SplitConfig(validation=0.3)) for speaker in SPEAKERS if before[speaker] == "validation"}
    assert grown == {"validation"}
    assert any(part_of(speaker, SplitConfig(salt="b")) != before[speaker] for speaker in SPEAKERS)


def test_given_parts_and_refusals():
    parts = split_by_speaker(["a", "b", "a"], fixed={"a": "test", "b": "train"})
    assert parts == {"train": (1,), "validation": (), "test": (0, 2)}
    assert split_by_speaker([]) == {"train": (), "validation": (), "test": ()}
    with pytest.raises(InputError, match="of 1 clips none is left to train on"):
        split_by_speaker(["a"], fixed={"a": "test"})
    with pytest.raises(InputError, match="leave something to train on"):
        SplitConfig(validation=0.5, test=0.5)
