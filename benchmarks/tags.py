"""How far from its word an inline tag lands, on recordings of people: one table, or --json.

    python benchmarks/tags.py --speech ../shared/data/speech [--json tags.json]

Every recording gets two tags at random words, `[smiles]` and then `[raises the eyebrows]`. Two things are measured against the onset of the
tag's word: where the event begins in the plan, and where the prompt is first seen (5 % of the event's strength, at 100 frames per second).
Sets: (1) the held-out speakers of `human/`, whose true times are those of the same aligner with the plain text, so that it measures how
tags are placed and not the aligner; (2) `aligned/`, word times of the Montreal Forced Aligner; (3) `grid/`, word times of the GRID corpus.
Then the same without an aligner, when tags are placed by the number of letters before them.
"""

import argparse
import csv
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from controllers.plan import TextPlan, plan_to_track
from controllers.tags import Script, parse_script, script_to_plan
from controllers.word_times import letter_times, word_times
from emohead.channels import AU_INDEX
from emohead.data.alignments import TimedWord, read_textgrid_words
from emohead.data.measuring_speech import evenly
from emohead.errors import InputError
from emohead.media import read_audio
from emohead.motion.align import align_text
from emohead.types import Waveform

TAGS = (("smiles", "AU12L"), ("raises the eyebrows", "AU2L"))
FPS = 100.0
SEEN = 0.05
LIMIT = 0.08


@dataclass(frozen=True)
class Recording:
    """Words whose onsets are known."""

    audio: Waveform
    words: list[TimedWord]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, default=Path("../shared/data/speech"), help="the shared data's speech folder")
    parser.add_argument("--limit", type=int, default=20, help="recordings of each set")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    makers = {"human, same aligner": human, "aligned, MFA": textgrids, "grid": grid}
    figures: dict[str, dict[str, float]] = {}
    print(f"{'set':<32}{'tags':>5}  {'event - word, ms: median':>24}{'|.| 95 %':>9}{'|.| max':>9}{'within 80':>10}  {'seen, median':>12}")
    for name, maker in makers.items():
        draw = np.random.default_rng(0)
        rows = {"": [], ", by letters": []}
        for recording in maker(arguments.speech, arguments.limit):
            try:
                for way, errors in _placed(recording, draw).items():
                    rows[way] += errors
            except InputError as error:
                print(f"left out: {error}")
        for way, errors in rows.items():
            figures[name + way] = _report(name + way, np.array(errors))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _placed(recording: Recording, draw: np.random.Generator) -> dict[str, list[tuple[float, float]]]:
    """(event, first seen) against the word for each tag, with the aligner and without."""
    places = np.sort(draw.choice(len(recording.words), 2, replace=False))
    texts = [word.text for word in recording.words]
    for (tag, _), place in zip(reversed(TAGS), reversed(places), strict=True):
        texts.insert(place, f"[{tag}]")
    script = parse_script(" ".join(texts))
    onsets = [recording.words[place].start for place in places]
    found = word_times(script, recording.audio, strict=True).words
    letters = letter_times(script, recording.audio)
    return {"": _errors(script, found, recording, onsets), ", by letters": _errors(script, letters, recording, onsets)}


def _errors(script: Script, words: list[TimedWord], recording: Recording, onsets: list[float]) -> list[tuple[float, float]]:
    plan = script_to_plan(script, words, recording.audio.duration)
    return [
        (event.start - onset, _seen(plan, channel, recording.audio.duration) - onset)
        for (_, channel), event, onset in zip(TAGS, plan.events, onsets, strict=True)
    ]


def _seen(plan: TextPlan, channel: str, duration: float) -> float:
    track = plan_to_track(plan, max(1, round(duration * FPS)), FPS)
    values = (track.intensity * track.weight)[:, AU_INDEX[channel]]
    target = max(event.au.get(channel, 0.0) for event in plan.events)
    return int((values >= min(SEEN * target, float(values.max()))).nonzero()[0]) / FPS


def _report(name: str, errors: np.ndarray) -> dict[str, float]:
    starts, seen = errors[:, 0] * 1000, errors[:, 1] * 1000
    figures = {
        "tags": float(len(errors)), "median_ms": float(np.median(starts)), "p95_abs_ms": float(np.quantile(abs(starts), 0.95)),
        "max_abs_ms": float(abs(starts).max()), "within_80_ms": float((abs(starts) <= LIMIT * 1000).mean()),
        "seen_median_ms": float(np.median(seen)), "seen_within_80_ms": float((abs(seen) <= LIMIT * 1000).mean()),
    }  # fmt: skip
    print(
        f"{name:<32}{len(errors):>5}  {figures['median_ms']:>24.0f}{figures['p95_abs_ms']:>9.0f}{figures['max_abs_ms']:>9.0f}"
        f"{figures['within_80_ms']:>10.0%}  {figures['seen_median_ms']:>12.0f}  (seen within 80 ms: {figures['seen_within_80_ms']:.0%})"
    )
    return figures


def human(speech: Path, limit: int) -> Iterator[Recording]:
    with open(speech / "human" / "transcripts.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == "test" and len(row["text"].split()) >= 4]
    for row in evenly(rows, limit):
        audio = read_audio(speech / "human" / row["file"])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                yield Recording(audio, align_text(audio, row["text"].lower()).words)
        except InputError as error:
            print(f"left out: {row['file']}: {error}")


def textgrids(speech: Path, limit: int) -> Iterator[Recording]:
    for path in sorted((speech / "aligned").glob("*.TextGrid"))[:limit]:
        sound = next((path.with_suffix(end) for end in (".wav", ".flac") if path.with_suffix(end).is_file()), None)
        words = read_textgrid_words(path)
        # Without a tier of words, or in another language, there is nothing to measure.
        if sound is not None and len(words) >= 3 and "multilingual" not in path.name:
            yield Recording(read_audio(sound), words)


def grid(speech: Path, limit: int) -> Iterator[Recording]:
    for path in sorted((speech / "grid").glob("*.mpg"))[:limit]:
        times = path.with_name(path.stem.split("_")[-1] + ".align")
        if times.is_file():
            rows = [line.split() for line in times.read_text(encoding="utf-8").splitlines() if line.strip()]
            words = [TimedWord(word, int(start) / 25_000, int(end) / 25_000) for start, end, word in rows if word not in ("sil", "sp")]
            yield Recording(read_audio(path), words)


if __name__ == "__main__":
    main()
