"""Consent: who is shown, for what use, and when they agreed. An avatar of a person is not made without it."""

import json
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from emohead.errors import InputError

MAX_BYTES = 64 << 10
REQUIRED = ("who", "scope", "date")
_HOW = "give --consent FILE.json with who, scope and date, or --consent-self NAME if it is you"


@dataclass(frozen=True)
class Consent:
    """A checked consent record."""

    record: dict[str, Any]
    """At least `who`, `scope` and `date`; what else the file says is kept."""

    @classmethod
    def read(cls, path: str | Path) -> "Consent":
        """A record from a JSON file.

        Raises:
            InputError: missing, not JSON, incomplete, dated in the future or expired.
        """
        file = Path(path)
        if not file.is_file():
            raise InputError(f"{path}: no such consent file; {_HOW}")
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: a consent record is at most {MAX_BYTES >> 10} KiB; attach long texts elsewhere and name them")
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, OSError, RecursionError) as error:
            raise InputError(f"{path}: not a JSON file ({type(error).__name__}); {_HOW}") from None
        if not isinstance(record, dict):
            raise InputError(f"{path}: a consent record is a JSON object; {_HOW}")
        return cls.of(record, source=str(path))

    @classmethod
    def by_oneself(cls, name: str) -> "Consent":
        """The record of someone who films themselves, dated today."""
        statement = f"I, {name}, am the person filmed, and I agree that an editable talking avatar of me is made from this recording."
        scope = "an avatar for the person shown, who may use and withdraw it"
        return cls.of({"who": name, "scope": scope, "date": date.today().isoformat(), "statement": statement}, source="--consent-self")

    @classmethod
    def of(cls, record: dict[str, Any], *, source: str) -> "Consent":
        """A checked record.

        Raises:
            InputError: what is missing or wrong, in one line.
        """
        missing = [key for key in REQUIRED if not str(record.get(key) or "").strip()]
        if missing:
            raise InputError(f"{source}: the consent record lacks {', '.join(missing)}; {_HOW}")
        for key, value in record.items():
            if isinstance(value, str) and any(unicodedata.category(letter) == "Cc" and letter not in "\n\t" for letter in value):
                raise InputError(f"{source}: {key} has control characters; write plain text")
        agreed = _day(source, "date", record["date"])
        if agreed > date.today():
            raise InputError(f"{source}: the consent is dated {agreed}, in the future; correct the date")
        if record.get("expiry") and _day(source, "expiry", record["expiry"]) < date.today():
            raise InputError(f"{source}: the consent expired on {record['expiry']}; ask again")
        return cls(dict(record))

    @property
    def licence(self) -> str:
        """The licence the record names, or that there is none."""
        return str(self.record.get("licence") or "not licensed to others")


def ask(file: str | Path | None, name: str | None) -> Consent:
    """The record the options give.

    Raises:
        InputError: none or both are given, or the record is not sound.
    """
    if (file is None) == (name is None):
        raise InputError(f"an avatar shows a person, who must have agreed: {_HOW}")
    return Consent.read(file) if file is not None else Consent.by_oneself(str(name))


def _day(source: str, key: str, value: object) -> date:
    try:
        # Not fromisoformat: what it takes differs between versions of Python.
        return datetime.strptime(str(value)[:10], "%Y-%m-%d").date()
    except ValueError:
        raise InputError(f"{source}: {key} {value!r} is no date; write YYYY-MM-DD") from None
