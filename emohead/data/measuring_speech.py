"""Readers of recordings to measure motion against: transcribed speech, hand-labelled speech, filmed talkers.

The layout is that of public corpora side by side: `human/` (speechocean762: transcripts.tsv with columns file, split, text), `aligned/`
(recordings beside .TextGrid), `emodb/` (Emo-DB: .flac beside .lablaut) and `grid/` (GRID: .mpg, with .align where there are word times).
None of them ships.
"""

import csv
import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emohead.data.alignments import read_lablaut, read_lablaut_closures, read_textgrid
from emohead.errors import InputError
from emohead.media import read_audio
from emohead.motion.align import align_transcript
from emohead.output import whole_file, write_text
from emohead.types import PhoneSegment, Waveform

UPPER_LIP, LOWER_LIP, EYE_CORNERS = 13, 14, (33, 263)
"""MediaPipe's landmarks."""
FindPoints = Callable[[Path], Float[Tensor, "T 478 2"]]
"""Landmarks of a video read at `FILM_FPS`, pixels, NaN without a face."""
FILM_FPS = 25.0
"""Frames per second at which films are read."""
GRID_WORDS = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    None,
    dict(zip("z123456789", ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
"""What the letters of a GRID clip's name stand for; the fourth is a letter as it is."""


@dataclass(frozen=True)
class Utterance:
    """A recording with known phones."""

    name: str
    audio: Waveform
    phones: list[PhoneSegment]
    """What a generator is told when it is told the phones."""
    labels: list[PhoneSegment]
    """What its closures are scored against."""


@dataclass(frozen=True)
class FilmedClip:
    """A filmed talker."""

    name: str
    audio: Waveform
    points: Float[Tensor, "T 478 2"]
    """Face landmarks at `FILM_FPS`, pixels; NaN without a face."""
    words: list[PhoneSegment]
    """Where speech is: word or phone times; anything but `pau` counts. Empty where nobody wrote it down."""
    phones: list[PhoneSegment] | None
    """Aligned phones of the sentence, if there is one and it could be aligned."""
    timed: bool
    """Whether the corpus has word times for it."""

    @property
    def opening(self) -> Float[Tensor, " T"]:
        """Gap between the inner lips over the distance of the outer eye corners; NaN without a face."""
        eyes = (self.points[:, EYE_CORNERS[0]] - self.points[:, EYE_CORNERS[1]]).norm(dim=1)
        return (self.points[:, UPPER_LIP] - self.points[:, LOWER_LIP]).norm(dim=1) / eyes


def human_utterances(folder: Path, *, limit: int, cache: Path | None = None) -> list[Utterance]:
    """Evenly spread utterances of the test speakers of `human/`, aligned with what they read; those that cannot be aligned are left out.

    Args:
        folder: has transcripts.tsv.
        limit: utterances tried.
        cache: keeps the alignments.

    Raises:
        InputError: no such file, or it has no test speakers.
    """
    try:
        with open(folder / "transcripts.tsv", encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == "test"]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{folder}: no transcripts.tsv with columns file, split and text ({type(error).__name__})") from error
    if not rows:
        raise InputError(f"{folder / 'transcripts.tsv'} has no utterance of the test split")
    found, tried = [], evenly(rows, limit)
    for row in tried:
        audio = read_audio(folder / row["file"])
        phones = aligned(audio, row["text"].lower(), cache=cache)
        if phones:
            found.append(Utterance(row["file"], audio, phones, phones))
    if len(found) < len(tried):
        text = f"{len(tried) - len(found)} of {len(tried)} utterances of {folder} could not be aligned with their text and are left out"
        warnings.warn(text, UserWarning, stacklevel=2)
    return found


def emodb_utterances(folder: Path, *, limit: int) -> list[Utterance]:
    """Evenly spread acted German utterances with hand labels; closures are scored from their start to their release.

    Raises:
        InputError: the folder has none.
    """
    paths = sorted(folder.glob("*.lablaut"))
    if not paths:
        raise InputError(f"{folder}: no .lablaut files beside .flac files there")
    found = []
    for path in evenly(paths, limit):
        phones = read_lablaut(path)
        spoken = [replace(segment, phone="ax") if segment.phone in ("p", "b", "m") else segment for segment in phones]
        closures = [PhoneSegment(closure.phone, closure.start, closure.release) for closure in read_lablaut_closures(path)]
        found.append(Utterance(path.stem, read_audio(path.with_suffix(".flac")), phones, spoken + closures))
    return found


def textgrid_utterances(folder: Path, *, limit: int) -> list[Utterance]:
    """Evenly spread recordings with a TextGrid beside them that has a tier of phones; those without one are left out with a warning.

    Raises:
        InputError: the folder has none.
    """
    found, paths = [], sorted(folder.glob("*.TextGrid"))
    for path in paths:
        audio = next((path.with_suffix(ending) for ending in (".wav", ".flac") if path.with_suffix(ending).is_file()), None)
        try:
            phones = read_textgrid(path) if audio else []
        except InputError:
            phones = []
        if audio and phones:
            found.append((path.stem, audio, phones))
    if not found:
        raise InputError(f"{folder}: no .TextGrid with a tier of phones and a .wav or .flac beside it")
    if len(found) < len(paths):
        text = f"{len(paths) - len(found)} of {len(paths)} TextGrids of {folder} have no phones or no recording and are left out"
        warnings.warn(text, UserWarning, stacklevel=2)
    return [Utterance(name, read_audio(audio), phones, phones) for name, audio, phones in evenly(found, limit)]


def grid_clips(folder: Path, find_points: FindPoints, *, limit: int, cache: Path | None = None) -> list[FilmedClip]:
    """GRID's clips with their mouths, evenly spread.

    Args:
        folder: has .mpg files, with .align files where there are word times.
        find_points: the landmarker.
        limit: clips read.
        cache: keeps landmarks and alignments.

    Raises:
        InputError: the folder has none.
    """
    paths = sorted(folder.glob("*.mpg"))
    if not paths:
        raise InputError(f"{folder}: no .mpg files there")
    found = []
    for path in evenly(paths, limit):
        times = folder / (path.stem.split("_")[-1] + ".align")
        sentence, words = _grid_words(times) if times.exists() else (_grid_sentence(path.stem), [])
        clip = filmed_clip(path, find_points, cache=cache)
        phones = aligned(clip.audio, sentence, cache=cache) if sentence else None
        found.append(replace(clip, words=words or phones or [], phones=phones, timed=bool(words)))
    return found


def filmed_clip(path: Path, find_points: FindPoints, *, cache: Path | None = None) -> FilmedClip:
    """Any filmed talker with sound, of whom nothing is written down.

    Raises:
        InputError: no video with sound, or no face in it.
    """
    audio = read_audio(path)
    return FilmedClip(path.stem, audio, _points(path, find_points, cache), [], None, timed=False)


def aligned(audio: Waveform, text: str, *, cache: Path | None = None) -> list[PhoneSegment] | None:
    """The phones of what is read in a recording; None if they cannot be aligned. `cache` is a folder that keeps them."""
    digest = hashlib.sha256(audio.samples.numpy().tobytes() + text.encode()).hexdigest()[:24]
    kept = cache / f"align_{digest}.json" if cache else None
    if kept and kept.is_file():
        rows = json.loads(kept.read_text(encoding="utf-8"))
        return None if rows is None else [PhoneSegment(**row) for row in rows]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            phones = align_transcript(audio, text)
    except InputError:
        phones = None
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, json.dumps(None if phones is None else [asdict(phone) for phone in phones]))
    return phones


def evenly(items: list[Any], limit: int) -> list[Any]:
    """At most `limit` (1 or more) of the items, evenly spread."""
    return [items[index * len(items) // limit] for index in range(limit)] if len(items) > limit else items


def _points(path: Path, find_points: FindPoints, cache: Path | None) -> Float[Tensor, "T 478 2"]:
    stamp = path.stat()
    digest = hashlib.sha256(f"{path.resolve()} {stamp.st_size} {stamp.st_mtime_ns} {FILM_FPS}".encode()).hexdigest()[:24]
    kept = cache / f"points_{digest}.npy" if cache else None
    if kept and kept.is_file():
        return torch.from_numpy(np.load(kept, allow_pickle=False))
    points = find_points(path).float()
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(kept) as partial:
            np.save(partial, points.numpy())
    return points


def _grid_words(path: Path) -> tuple[str, list[PhoneSegment]]:
    """A clip's sentence and where each word is (as segments; `ah` stands for any speech)."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        words = [(word, int(start) / 25_000, int(end) / 25_000) for start, end, word in rows if word not in ("sil", "sp")]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not word times of GRID (start, end, word in each line): {error}") from error
    return " ".join(word for word, _, _ in words), [PhoneSegment("ah", start, end) for _, start, end in words]


def _grid_sentence(name: str) -> str:
    """The sentence that a clip's name spells, such as `lbax4n`; empty for any other name."""
    if len(name) != len(GRID_WORDS) or any(table and letter not in table for letter, table in zip(name, GRID_WORDS, strict=True)):
        return ""
    return " ".join(letter if table is None else table[letter] for letter, table in zip(name, GRID_WORDS, strict=True))
