"""Time-aligned phones: readers of Praat TextGrids (long and short text format) and Emo-DB's `.lablaut` files, and frame labels."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emohead.data.phone_symbols import arpabet_phone, ipa_phone
from emohead.errors import InputError
from emohead.motion.phones import PHONE_INDEX
from emohead.types import PhoneSegment

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(<[^>\n]*>)|\[[^\]\n]*\]|([^\s"\[\]<]+)')
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_PHONE_TIER = re.compile(r"phone|phon\b|segment|sampa|mau\b", re.IGNORECASE)
_WORD_TIER = re.compile(r"words?|ort(-mau)?|orth.*|transcription", re.IGNORECASE)
_SILENT_LABELS = frozenset({"", "sil", "sp", "spn", "<eps>", "<p:>", "<sil>", "#", "pau"})
_MAX_TEXTGRID_BYTES = 50_000_000

LABEL_RATE = 100
"""Frame labels per second."""
UNKNOWN_LABEL = 255
"""Label of frames that say nothing, to be left out of losses and scores."""


@dataclass(frozen=True)
class TextGridInterval:
    """One labelled interval of a TextGrid tier."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    label: str
    """The text as written."""
    line: int
    """Line of the label in the file, from 1."""


@dataclass(frozen=True)
class TimedWord:
    """One spoken word."""

    text: str
    """As written."""
    start: float
    """Seconds."""
    end: float
    """Seconds."""


@dataclass(frozen=True)
class LabelledClosure:
    """A hand-labelled stop or nasal of Emo-DB: `phone` is b, p or m; the lips are shut from `start` to `release`."""

    phone: str
    start: float
    release: float


def frame_labels(segments: Sequence[PhoneSegment], n_frames: int) -> np.ndarray:
    """The phone class at the middle of each 10 ms frame, uint8; `UNKNOWN_LABEL` where no segment is."""
    labels = np.full(n_frames, UNKNOWN_LABEL, np.uint8)
    for segment in segments:
        first, last = (int(np.ceil(time * LABEL_RATE - 0.5)) for time in (segment.start, segment.end))
        labels[max(first, 0) : max(last, 0)] = PHONE_INDEX[segment.phone]
    return labels


def read_textgrid(path: str | Path) -> list[PhoneSegment]:
    """The phones of a TextGrid: of its tier called phones (or the like), ARPAbet or IPA, silences as `pau`.

    Raises:
        InputError: not a TextGrid, cut short, times that run backwards, no phone tier, or an unknown symbol (the line is named).
    """
    tiers = read_textgrid_tiers(path)
    named = [name for name in tiers if _PHONE_TIER.search(name)]
    if not named:
        raise InputError(f"{path}: no phone tier among {sorted(tiers)}; name the tier that holds the phones 'phones'")
    intervals = tiers[named[0]]
    symbols = [interval.label for interval in intervals]
    # A tier is in one alphabet. Lower-case letters such as `f` are in both, so ARPAbet is taken only if every symbol belongs to it.
    to_phone = arpabet_phone if all(arpabet_phone(symbol) for symbol in symbols) else ipa_phone
    segments = []
    for interval in intervals:
        phone = to_phone(interval.label)
        if phone is None:
            raise InputError(f"{path}, line {interval.line}: {interval.label!r} is neither ARPAbet nor IPA; correct the symbol")
        if interval.end > interval.start:
            segments.append(PhoneSegment(phone, interval.start, interval.end))
    if not segments:
        raise InputError(f"{path}: the tier {named[0]!r} is empty; give a TextGrid with timed phones")
    return segments


def read_textgrid_words(path: str | Path) -> list[TimedWord]:
    """The words of a TextGrid's tier called words (or the like), without silences; empty when it has no such tier.

    Raises:
        InputError: not a TextGrid, cut short, or times that run backwards (the line is named).
    """
    tiers = read_textgrid_tiers(path)
    named = next((intervals for name, intervals in tiers.items() if _WORD_TIER.fullmatch(name.strip())), [])
    return [TimedWord(i.label.strip(), i.start, i.end) for i in named if i.label.strip().lower() not in _SILENT_LABELS]


def read_textgrid_tiers(path: str | Path) -> dict[str, list[TextGridInterval]]:
    """Every interval tier of a TextGrid by name, labels as written.

    Raises:
        InputError: the file is absent, not a TextGrid, cut short, or its times run backwards (the line is named).
    """
    reader = _TokenReader(path, _read_text(path))
    if (reader.take(), reader.take()) != ("ooTextFile", "TextGrid"):
        raise InputError(f"{path}, line 1: not a Praat TextGrid in text format; save it as a (short) text file in Praat")
    reader.skip(3)  # Start, end and the flag <exists>.
    tiers: dict[str, list[TextGridInterval]] = {}
    for _ in range(reader.count()):
        kind, name = reader.take(), reader.take()
        reader.skip(2)  # Its start and end.
        intervals: list[TextGridInterval] = []
        for _ in range(reader.count()):
            if kind == "IntervalTier":
                intervals.append(reader.interval(intervals[-1].end if intervals else 0.0))
            else:
                reader.skip(2)  # A point's time and mark.
        tiers[name] = intervals
    return tiers


def read_lablaut(path: str | Path) -> list[PhoneSegment]:
    """The phones of an Emo-DB `.lablaut` file (SAMPA-like German labels at segment starts); release marks belong to their stop.

    Raises:
        InputError: the file is absent or has a line that is not `time -1 label`.
    """
    marks = _lablaut_marks(path)
    segments: list[PhoneSegment] = []
    for (start, label), (end, _) in zip(marks, [*marks[1:], (marks[-1][0], "")], strict=True):
        if label.startswith("!") and segments:
            segments[-1] = PhoneSegment(segments[-1].phone, segments[-1].start, end)
        elif end > start:
            segments.append(PhoneSegment(_lablaut_phone(label), start, end))
    return segments


def read_lablaut_closures(path: str | Path) -> list[LabelledClosure]:
    """The bilabial closures of an Emo-DB `.lablaut` file, from closure to release (`!b`, `!p`) or to the end of the nasal."""
    marks = _lablaut_marks(path)
    closures: list[LabelledClosure] = []
    for (start, label), (end, _) in itertools.pairwise(marks):
        if label.lstrip("_") in ("b", "p", "m") and end > start:
            closures.append(LabelledClosure(label.lstrip("_"), start, end))
    return closures


_SAMPA = {
    "b": "b", "p": "p", "m": "m", "d": "d", "t": "t", "n": "n", "g": "g", "k": "k", "N": "ng", "f": "f", "v": "v", "B": "v",
    "V": "v", "s": "s", "z": "z", "S": "sh", "Z": "zh", "C": "hh", "x": "k", "X": "k", "h": "hh", "H": "hh", "D": "dh", "4": "d",
    "l": "l", "L": "l", "r": "r", "R": "r", "j": "y", "J": "y", "a": "aa", "A": "aa", "e": "ey", "E": "eh", "i": "iy", "I": "ih",
    "o": "ow", "O": "ao", "u": "uw", "U": "uh", "y": "uw", "Y": "uh", "2": "er", "9": "er", "6": "ax", "@": "ax",
    "?": "pau", "Q": "pau", ".": "pau", "(": "pau",
}  # fmt: skip
_SAMPA_DIPHTHONGS = {"aI": "ay", "aU": "aw", "OY": "oy"}


def _lablaut_phone(label: str) -> str:
    # Emo-DB writes phones in a dialect of SAMPA: `_t` is a stop whose start cannot be heard, `tasp` the breath after a release.
    bare = label.lstrip("_")
    if bare.endswith("asp"):
        return "hh"
    return _SAMPA_DIPHTHONGS.get(bare[:2]) or _SAMPA.get(bare[:1], "ax" if bare else "pau")


def _lablaut_marks(path: str | Path) -> list[tuple[float, str]]:
    lines = _read_text(path).splitlines()
    if "#" not in lines:
        raise InputError(f"{path}: not a .lablaut file (no line '#'); give an Emo-DB label file")
    start = lines.index("#") + 1
    marks: list[tuple[float, str]] = []
    label = ""
    for number, line in enumerate(lines[start:], start + 1):
        match = re.match(r"\s*([\d.]+)\s+-?\d+\s*(.*)$", line)
        if not match:
            if line.strip():
                raise InputError(f"{path}, line {number}: expected 'time -1 label', got {line!r}")
            continue
        # A mark without a phone (`+lar`, a voice-quality change) goes on with the phone before it.
        name = match[2].split("\t")[0].strip() if not match[2].startswith(("+", "-")) else ""
        bare = name.split()[0] if name.split() else ""
        if bare and not bare.startswith(("+", "-")):
            label = bare
            marks.append((float(match[1]), label))
    if not marks:
        raise InputError(f"{path}: no labels after the line '#'")
    return marks


def _read_text(path: str | Path) -> str:
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: no such file")
    if file.stat().st_size > _MAX_TEXTGRID_BYTES:
        raise InputError(f"{path}: {file.stat().st_size} bytes is too large for a label file (limit {_MAX_TEXTGRID_BYTES})")
    raw = file.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    # Praat reads a text file as a row of free-standing numbers, quoted strings and <flags>; every other word is commentary, which
    # is why one tokenizer reads the long and the short format.
    line, position = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        if match[1] is not None:
            yield match[1].replace('""', '"'), line
        elif match[2] is not None:
            yield match[2], line
        elif match[3] and _NUMBER.fullmatch(match[3]):
            yield match[3], line


class _TokenReader:
    """Takes typed values off a TextGrid's tokens and says where the file stopped making sense."""

    def __init__(self, path: str | Path, text: str):
        self._path, self._tokens, self._line = path, _tokens(text), 1

    def take(self) -> str:
        token, line = next(self._tokens, (None, self._line))
        if token is None:
            raise InputError(f"{self._path}, line {line}: the TextGrid ends too early; save or copy it again")
        self._line = line
        return token

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.take()

    def number(self) -> float:
        token = self.take()
        if not _NUMBER.fullmatch(token):
            raise InputError(f"{self._path}, line {self._line}: expected a number, got {token!r}; is this a TextGrid in text format?")
        return float(token)

    def count(self) -> int:
        number = self.number()
        if number != int(number) or number < 0:
            raise InputError(f"{self._path}, line {self._line}: expected a count, got {number}")
        return int(number)

    def interval(self, after: float) -> TextGridInterval:
        start, end, label = self.number(), self.number(), self.take()
        if end < start or start < after - 1e-6:
            raise InputError(f"{self._path}, line {self._line}: interval {start}..{end} s runs backwards; times must rise")
        return TextGridInterval(start, end, label, self._line)
