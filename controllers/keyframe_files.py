"""Files of keyframes: JSON, CSV, OpenFace's table, Live Link Face recordings, motions; everything wrong in them is named with its line."""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controllers.expression import GAZE_LIMITS, HEAD_LIMITS
from controllers.keyframes import POSE_CURVES, Curve, KeyframeController, Keyframes, Recording
from emohead.channels import AU_INDEX
from emohead.errors import InputError
from emohead.export.arkit_csv import read_arkit_csv
from emohead.export.motion_npz import read_motion_npz
from emohead.export.openface_csv import read_openface_csv
from emohead.export.table import read_rows
from emohead.head.action_units import channel_names, rig_to_au
from emohead.text_file import read_text_file
from emohead.types import AUTrack, HeadMotion

FREE = "free"
"""Written instead of a value where a channel is let go."""
MAX_JSON_BYTES = 32 << 20
_LIMITS: dict[str, float] = dict(zip(POSE_CURVES, (*GAZE_LIMITS, *HEAD_LIMITS), strict=True))
_POSES = {"gaze": POSE_CURVES[:2], "head": POSE_CURVES[2:]}
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def read_keyframes(path: str | Path) -> KeyframeController:
    """Read keyframes; `:upper` behind the name takes brows, eyes, cheeks, gaze and head alone, `:all` (as without) everything.

    Formats by suffix and header (docs/control.md): .json; .csv with a column time, OpenFace's with timestamp and AU01_r and so on,
    Live Link Face's with JawOpen and so on; .npz of `emohead animate` or `track`.

    Raises:
        InputError: no such file, another format, or a line that cannot be used (it is named).
    """
    name, colon, part = str(path).rpartition(":")
    if not colon or part.lower() not in ("upper", "all"):
        name, part = str(path), "all"
    file, upper = Path(name), part.lower() == "upper"
    suffix = file.suffix.lower()
    if suffix not in (".json", ".csv", ".npz"):
        raise InputError(f"{name[:200]}: keyframes are read from .json, .csv and .npz; give a file with one of these endings")
    if suffix == ".npz":
        return KeyframeController(_recorded(read_motion_npz(file)), upper)
    return KeyframeController(_read_json(file) if suffix == ".json" else _read_csv(file), upper)


@dataclass
class _Keys:
    """Collects keys and refuses what cannot be one; a place is a line, or what `line` makes one of."""

    path: Path
    line: Callable[[int], int]
    keys: dict[str, list[tuple[float, float | None]]] = field(default_factory=dict)
    last: tuple[float, int] | None = None

    def fail(self, place: int, text: str) -> InputError:
        return InputError(f"{self.path}, line {self.line(place)}: {text}")

    def time(self, place: int, value: Any) -> float:
        """A time that follows the one before it."""
        number = self.number(place, "time", value)
        if number < 0.0:
            raise self.fail(place, f"time {number:g} is before the clip; times are seconds from 0")
        if self.last is not None and number <= self.last[0]:
            said = "is given twice" if number == self.last[0] else f"comes after {self.last[0]:g} (line {self.line(self.last[1])})"
            raise self.fail(place, f"time {number:g} {said}; sort the keys by time and keep one of each")
        self.last = (number, place)
        return number

    def number(self, place: int, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.fail(place, f"{name} is {_short(value)}, not a finite number; correct it")
        return float(value)

    def names(self, place: int, code: str) -> tuple[str, ...]:
        """The curves that a column or member is for."""
        lower = code.strip().lower()
        if lower in _POSES or lower in POSE_CURVES:
            return _POSES.get(lower, (lower,))
        if not lower.startswith("au"):
            raise self.fail(place, f"unknown channel {_short(code)}; use action units such as AU12 or AU12L, gaze and head")
        try:
            return channel_names(lower)
        except InputError as error:
            raise self.fail(place, str(error)) from error

    def add(self, place: int, code: str, time: float, value: Any) -> None:
        """A key of a channel: a number, one for each axis of gaze or head, or `free`; None is no key."""
        if value is None:
            return
        names = self.names(place, code)
        values = [value] * len(names)
        if len(names) > 1 and code.strip().lower() in _POSES and value != FREE:
            if not isinstance(value, list) or len(value) != len(names):
                angles = ", ".join(name.split("_")[1] for name in names)
                raise self.fail(place, f"{code} is {_short(value)}; give [{angles}] in radians")
            values = value
        for name, part in zip(names, values, strict=True):
            curve = self.keys.setdefault(name, [])
            if curve and curve[-1][0] == time:
                raise self.fail(place, f"{name} has two values at {time:g} s; AU12 sets both AU12L and AU12R")
            curve.append((time, None if part == FREE else self.in_range(place, name, part)))

    def in_range(self, place: int, name: str, value: Any) -> float:
        number = self.number(place, name, value)
        low, high = (0.0, 1.0) if name in AU_INDEX else (-_LIMITS[name], _LIMITS[name])
        if not low <= number <= high:
            unit = "" if name in AU_INDEX else " radians"
            raise self.fail(place, f"{name} is {number:g}; it goes from {low:g} to {high:g}{unit}")
        return number

    def curves(self) -> Keyframes:
        if not self.keys:
            raise InputError(f"{self.path}: no keys of any channel; give values of action units, gaze or head over time")
        return Keyframes(tuple(Curve(name, *map(tuple, zip(*keys, strict=True))) for name, keys in self.keys.items()))


def _read_json(path: Path) -> Keyframes:
    text = read_text_file(path, what="keyframe file", limit=MAX_JSON_BYTES, remedy="check the path", contents="the keys that matter")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg}); correct it there") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not keyframes (numbers or brackets without end); write it again") from error
    keys = _Keys(path, lambda place: text.count("\n", 0, place) + 1)
    start = _skip(text, 0)
    if text[start] == "[":
        _read_moments(keys, text, start)
    elif text[start] == "{":
        _read_curves(keys, text, start)
    else:
        raise keys.fail(start, f"{_short(_at(text, start))} is neither a list of moments nor an object of curves; see docs/control.md")
    return keys.curves()


def _read_moments(keys: _Keys, text: str, start: int) -> None:
    """`[{"time": 0.5, "AU12": 0.6}, ...]`."""
    for place in _elements(text, start):
        if text[place] != "{":
            raise keys.fail(place, f'{_short(_at(text, place))} is not a moment; write for example {{"time": 0.5, "AU12": 0.6}}')
        members = list(_members(text, place))
        times = [where for name, where in members if name == "time"]
        if len(times) != 1:
            raise keys.fail(place, f"a moment needs one time in seconds, this has {len(times)}")
        time = keys.time(times[0], _at(text, times[0]))
        for name, where in members:
            if name != "time":
                keys.names(where, name)
                keys.add(where, name, time, _at(text, where))


def _read_curves(keys: _Keys, text: str, start: int) -> None:
    """`{"times": [0, 1], "AU12": [0, 0.6]}`, or `"fps": 25` in place of the times."""
    members = list(_members(text, start))
    clocks = [(name, where) for name, where in members if name in ("fps", "times")]
    if len(clocks) != 1:
        hint = "; did you mean times by time?" if not clocks and any(name == "time" for name, _ in members) else ""
        raise keys.fail(start, f"curves need either fps or times, once; this has {len(clocks)} of them{hint}")
    clock, where = clocks[0]
    times: list[float] = []
    if clock == "times":
        if text[where] != "[":
            raise keys.fail(where, f"times is {_short(_at(text, where))}; give a list of seconds")
        times = [keys.time(place, _at(text, place)) for place in _elements(text, where)]
    fps = keys.number(where, "fps", _at(text, where)) if clock == "fps" else 1.0
    if not 0.1 <= fps <= 1000.0:
        raise keys.fail(where, f"fps is {fps:g}; give 0.1 to 1000")
    for name, where in members:
        if name == clock:
            continue
        keys.names(where, name)
        if text[where] != "[":
            raise keys.fail(where, f"{name} is {_short(_at(text, where))}; give a list of values, one for each time")
        places = list(_elements(text, where))
        if clock == "times" and len(places) != len(times):
            raise keys.fail(where, f"{name} has {len(places)} values for {len(times)} times")
        for index, place in enumerate(places):
            keys.add(place, name, times[index] if times else index / fps, _at(text, place))


def _read_csv(path: Path) -> Keyframes | Recording:
    rows = read_rows(path)
    header = [name.lower() for name in rows[0]]
    if "jawopen" in header:
        return _recorded(read_arkit_csv(path))
    if "timestamp" in header and any(re.fullmatch(r"au\d+_r", name) for name in header):
        return Recording(read_openface_csv(path))
    if header.count("time") != 1:
        raise InputError(
            f"{path}, line 1: no column called time; give time and AU columns, or a table as OpenFace or Live Link Face write it"
        )
    keys = _Keys(path, int)
    clock = header.index("time")
    for name in rows[0]:
        if name.lower() in _POSES:
            raise keys.fail(1, f"a column holds one number: write {', '.join(_POSES[name.lower()])} instead of {name}")
        if name.lower() != "time":
            keys.names(1, name)
    for line, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if len(row) != len(header):
            raise keys.fail(line, f"{len(row)} cells under {len(header)} columns; correct the line")
        time = keys.time(line, _cell(row[clock]))
        for name, cell in zip(rows[0], row, strict=True):
            if name.lower() != "time" and cell:
                keys.add(line, name, time, _cell(cell))
    return keys.curves()


def _recorded(motion: HeadMotion) -> Recording:
    """What a recorded face shows: all action units, where it looks and how its head turns."""
    intensity, both = rig_to_au(motion.rig).float(), motion.rig.new_ones(motion.n_frames, 2)
    limits = [[-limit for limit in GAZE_LIMITS], GAZE_LIMITS], [[-limit for limit in HEAD_LIMITS], HEAD_LIMITS]
    (gaze_low, gaze_high), (head_low, head_high) = ([motion.rig.new_tensor(limit) for limit in pair] for pair in limits)
    gaze, head = motion.gaze.mean(1).clamp(gaze_low, gaze_high), motion.head_rotation.clamp(head_low, head_high)
    return Recording(AUTrack(motion.fps, intensity, intensity.new_ones(intensity.shape), gaze, head, both))


def _cell(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return FREE if cell.lower() == FREE else cell


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Names of the object at `at` (valid JSON) and where their values begin."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        yield name, at
        at = _next(text, at)


def _elements(text: str, at: int) -> Iterator[int]:
    """Where the elements of the list at `at` (valid JSON) begin."""
    at = _skip(text, at + 1)
    while text[at] != "]":
        yield at
        at = _next(text, at)


def _next(text: str, at: int) -> int:
    """Past the value at `at` and the comma behind it."""
    at = _skip(text, _DECODER.raw_decode(text, at)[1])
    return _skip(text, at + 1) if text[at] == "," else at


def _at(text: str, at: int) -> Any:
    return _DECODER.raw_decode(text, at)[0]


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _short(value: Any) -> str:
    written = repr(value)
    return written if len(written) <= 40 else f"{written[:37]}..."
