"""Numbers in a sentence: times in seconds (`after 1.5 s`, `in the last second`), counts (`twice`) and shares (`70 percent`)."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from controllers.mentions import Window

Kind: TypeAlias = Literal["length", "window", "later"]
_NUMBERS: dict[str, float] = {
    "half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0, "eight": 8.0, "nine": 9.0,
    "ten": 10.0, "a": 1.0,
}  # fmt: skip
_NUMBER = rf"(?:about |around |roughly |just |only )?(\d+(?:\.\d+)?|half(?= a )|{'|'.join(_NUMBERS)})(?: a)?"
_UNIT = r"(?:seconds?|secs?|s)\b"
_MOST = 20
"""Times that something may be asked for."""
_FOREVER = 86_400.0
"""Seconds that stand for any greater number."""
_LONGEST = 10
"""Tokens that one of them may have."""


@dataclass(frozen=True)
class ClockTime:
    """A time said in seconds."""

    kind: Kind
    """How long something lasts, when it does, or that what follows comes next."""
    window: Window
    """The stretch; a length is one from 0."""
    n_tokens: int
    """Tokens that say so."""


_FORMS: tuple[tuple[Kind, str, bool], ...] = (
    ("window", rf"(?:in|for|during|over|within) the first (?:{_NUMBER} )?{_UNIT}", False),
    ("window", rf"(?:in|for|during|over|within) the (?:last|final) (?:{_NUMBER} )?{_UNIT}", True),
    ("length", rf"for {_NUMBER} {_UNIT}", False),
    ("length", rf"\( {_NUMBER} {_UNIT} \)", False),
    (
        "window",
        rf"(?:from |between )?(?:second )?{_NUMBER} (?:{_UNIT} )?(?:to |and |till |until )?(?:second )?{_NUMBER} {_UNIT}",
        False,
    ),
    ("window", rf"from second {_NUMBER} to (?:second )?{_NUMBER}\b", False),
    ("later", rf"{_NUMBER} {_UNIT} (?:later|afterwards?)\b", False),
    ("window", rf"(?:after|from) {_NUMBER} {_UNIT}(?: on(?:wards?)?\b)?", False),
    ("window", rf"at (?:second )?{_NUMBER} {_UNIT}", False),
    ("window", rf"at second {_NUMBER}\b", False),
    ("window", rf"{_NUMBER} {_UNIT} in\b", False),
)
"""What is said, how, and whether it counts from the clip's end; the first that fits counts."""


def clock_time(tokens: Sequence[str], index: int) -> ClockTime | None:
    """The time that is said from a token on, if one is."""
    text = " ".join(tokens[index : index + _LONGEST])
    for kind, form, from_end in _FORMS:
        found = re.match(form, text)
        if found is not None:
            return ClockTime(kind, _window(kind, found, from_end), found[0].count(" ") + 1)
    return None


@dataclass(frozen=True)
class CountOrShare:
    """How many times, or how strongly."""

    times: int
    """0 for a share."""
    share: float
    """0..1.3; 1 for a count."""
    n_tokens: int
    """Tokens that say so."""


def count_or_share(tokens: Sequence[str], index: int) -> CountOrShare | None:
    """The count or the share that is said from a token on, if one is."""
    word, following = tokens[index], tokens[index + 1] if index + 1 < len(tokens) else ""
    if word in ("twice", "thrice"):
        return CountOrShare(2 if word == "twice" else 3, 1.0, 1)
    number = _NUMBERS.get(word) or (float(word) if word.replace(".", "", 1).isdigit() else None)
    if number is not None and following == "times" and 1.0 <= number <= _MOST:
        return CountOrShare(round(number), 1.0, 2)
    if number is not None and following == "percent":
        return CountOrShare(0, min(number / 100.0, 1.3), 2)
    return None


def closed(windows: Sequence[Window]) -> list[Window]:
    """The windows; one that says only when it begins ends where the next one begins."""
    firsts = sorted(window.first for window in windows if window.in_seconds and window.first >= 0.0)
    ends = [next((first for first in firsts if first > window.first), math.inf) for window in windows]
    return [
        Window(window.first, end, in_seconds=True) if window.in_seconds and window.first >= 0.0 and math.isinf(window.last) else window
        for window, end in zip(windows, ends, strict=True)
    ]


def _window(kind: Kind, found: re.Match[str], from_end: bool) -> Window:
    given = [_value(group) for group in found.groups() if group is not None]
    if from_end:
        return Window(-(given[0] if given else 1.0), math.inf, in_seconds=True)
    if len(given) == 2:
        return Window(min(given), max(given), in_seconds=True)
    if kind == "length" or " first " in found[0]:
        return Window(0.0, given[0] if given else 1.0, in_seconds=True)
    return Window(given[0], math.inf, in_seconds=True)


def _value(text: str) -> float:
    return _NUMBERS[text] if text in _NUMBERS else min(float(text), _FOREVER)
