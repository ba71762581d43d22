"""Consent records: what is asked for, what is kept, what is refused."""

import json
from datetime import date
from pathlib import Path

import pytest

from emohead.consent import MAX_BYTES, Consent, ask
from emohead.errors import InputError

AGREED = {"who": "Nobody", "scope": "a test", "date": "2026-01-01"}


def test_all_that_the_file_says_is_kept(tmp_path: Path):
    file = tmp_path / "consent.json"
    file.write_text(json.dumps({**AGREED, "licence": "CC-BY-4.0", "witness": "Ännie"}), encoding="utf-8")
    read = ask(file, None)
    assert read.record == {**AGREED, "licence": "CC-BY-4.0", "witness": "Ännie"} and read.licence == "CC-BY-4.0"


def test_ones_own_consent_is_dated_today():
    own = ask(None, "Ada")
    assert own.record["who"] == "Ada" and own.record["date"] == date.today().isoformat() and "Ada" in own.record["statement"]
    assert own.licence == "not licensed to others"


def test_today_is_neither_in_the_future_nor_expired():
    today = date.today().isoformat()
    assert Consent.of({**AGREED, "date": today, "expiry": today}, source="a").record["expiry"] == today


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"who": ""}, "lacks who"),
        ({"who": None, "scope": " "}, "lacks who, scope"),
        ({"date": "9999-01-01"}, "in the future"),
        ({"date": "1 January"}, "write YYYY-MM-DD"),
        ({"date": 20260101.5}, "write YYYY-MM-DD"),
        ({"expiry": "2026-01-02"}, "expired on 2026-01-02"),
        ({"expiry": "soon"}, "expiry 'soon' is no date"),
        ({"who": "a\x1b[2Jb"}, "control characters"),
    ],
)
def test_a_record_that_is_not_sound(change: dict[str, object], says: str):
    with pytest.raises(InputError, match=says) as error:
        Consent.of({**AGREED, **change}, source="consent.json")
    assert str(error.value).startswith("consent.json: ") and "\n" not in str(error.value)


def test_files_that_are_no_record(tmp_path: Path):
    file = tmp_path / "consent.json"
    for content, says in (
        (b"", "not a JSON file"),
        (b"\xff\xfe\x00", "not a JSON"),
        (b"[]", "JSON object"),
        (b" " * (MAX_BYTES + 1), "KiB"),
    ):
        file.write_bytes(content)
        with pytest.raises(InputError, match=says):
            Consent.read(file)
    file.write_text("[" * 20_000)
    with pytest.raises(InputError, match="not a JSON file"):
        Consent.read(file)


def test_one_of_both_ways_is_asked_for(tmp_path: Path):
    for file, name in ((None, None), (tmp_path / "consent.json", "Ada"), (None, " ")):
        with pytest.raises(InputError):
            ask(file, name)
