"""The text benchmark: every method on every split, and how understanding behaves when a sentence is changed a little."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch

from controllers.plan import TextPlan, plan_to_track
from controllers.states import states
from controllers.text_baselines import Method
from controllers.text_cases import SPLITS, TextCase, gesture_units, read_cases
from controllers.text_to_au import text_to_plan
from controllers.understanding import Understanding
from emohead.channels import AU_INDEX, N_AU
from emohead.errors import InputError
from emohead.head.action_units import channel_names, mirror
from emohead.metrics.text_scores import AnnotatedScores, Phases, TextScores

LADDER = ("barely", "slightly", "mildly", "somewhat", "fairly", "", "quite", "clearly", "really", "very", "deeply", "extremely")
"""Intensity words from weak to strong."""
_FRAGMENTS = (
    "{}, a man in a red coat", "on a rainy evening, she is {}", "the tutor from Spain looks {}", "at the office, {}", "{}, wearing glasses",
    "my neighbour, who drives a bus, looks {}", "a tall woman with a violin looks {}", "{} in front of a brick wall",
)  # fmt: skip
_DENIALS = ("not {}", "she is not {}", "without being {}", "he is never {}", "no longer {}", "she isn't {}", "not at all {}")
_N_DENIALS = _N_DISTRACTED = 200
_LATE = 0.25
"""Share of the clip from which a first event counts as one that comes after a rest."""


@dataclass(frozen=True)
class Behaviour:
    """What must hold whatever the words mean."""

    ladders: float
    """Share of states whose intensity words make a strictly rising ladder of the peaks' sum."""
    denials: float
    """Share of denied states of which no unit stays above half of what the plain state shows."""
    mirrored: float
    """Share of sentences with a side for which exchanging left and right mirrors the track exactly."""
    distraction: float
    """Greatest change of any unit's peak by scenery, names and jobs in the sentence."""


@dataclass(frozen=True)
class Annotated:
    """Free sentences and what two annotators saw in them."""

    sentences: tuple[str, ...]
    """English."""
    kinds: tuple[str, ...]
    """Kind of each sentence."""
    first: tuple[Phases, ...]
    """By the first annotator."""
    second: tuple[Phases, ...]
    """By the second annotator."""


def plan_phases(plan: TextPlan) -> Phases:
    """The phases of a plan: its steps in order of time, each with what is laid over it; without steps, what is done one after the other.

    What begins late (`ends on a grin`) comes after a phase of rest.
    """
    steps = [event for event in plan.events if not event.overlay] or list(plan.events)
    starts = sorted({event.start for event in steps})
    rows = torch.zeros(len(starts), N_AU)
    for event in plan.events:
        # The last phase that has begun; what begins before the first one belongs to it.
        place = max(sum(start <= event.start + 1e-6 for start in starts) - 1, 0)
        gesture = gesture_units(event.gesture.name, event.gesture.side) if event.gesture else {}
        for name, value in {**dict(event.au), **gesture}.items():
            rows[place, AU_INDEX[name]] = max(float(rows[place, AU_INDEX[name]]), value)
    shown = rows[rows.amax(1) > 0.0] if len(rows) else rows
    rests = len(shown) > 0 and plan.duration is None and starts[0] >= _LATE
    return Phases(torch.cat([torch.zeros(1, N_AU), shown]) if rests else shown)


def ours(understanding: Understanding) -> Method:
    """`text_to_plan` with a lexicon and network."""
    return lambda sentences: [plan_phases(text_to_plan(sentence, understanding=understanding)) for sentence in sentences]


def read_splits(folder: Path) -> dict[str, list[TextCase]]:
    """The splits S1 to S4 of a folder."""
    return {split: read_cases(folder / f"{split}.jsonl") for split in SPLITS}


def score_splits(splits: Mapping[str, Sequence[TextCase]], methods: Mapping[str, Method]) -> dict[str, dict[str, TextScores]]:
    """Figures per split and method; S2 also in parts, by the kind of its phrases."""
    parts = dict(splits)
    for kind in ("kin", "new", "situation"):
        chosen = [case for case in splits.get("s2", ()) if case.kind == kind]
        if chosen:
            parts[f"s2 {kind}"] = chosen
    if "s2" in parts:
        parts["s2"] = [case for case in parts["s2"] if case.kind != "situation"]
    return {
        split: {
            name: TextScores.of([case.phases() for case in cases], method([case.sentence for case in cases]))
            for name, method in methods.items()
        }
        for split, cases in parts.items()
    }


def behaviour(understanding: Understanding, splits: Mapping[str, Sequence[TextCase]], *, seed: int = 0) -> Behaviour:
    """The checks of behaviour, on the states of the table and on the sentences of the splits."""
    rng = random.Random(seed)
    names = [name for name, concept in states().items() if any(value > 0.2 for value in concept.expression.au.values())]

    def peaks(sentence: str) -> torch.Tensor:
        return plan_phases(text_to_plan(sentence, understanding=understanding)).peak

    rising = [
        all(low < high for low, high in pairwise([float(peaks(f"She looks {word} {name}.").sum()) for word in LADDER])) for name in names
    ]
    flips, changes = [], []
    for _ in range(_N_DENIALS):
        name = rng.choice(names)
        plain, denied = peaks(name), peaks(rng.choice(_DENIALS).format(name))
        flips.append(bool((denied[plain > 0.1] <= 0.5 * plain[plain > 0.1]).all()))
    for _ in range(_N_DISTRACTED):
        name = rng.choice(names)
        changes.append(float((peaks(rng.choice(_FRAGMENTS).format(name)) - peaks(name)).abs().max()))
    sided = [case.sentence for cases in splits.values() for case in cases if {"left", "right"} & set(case.sentence.split())]
    return Behaviour(_mean(rising), _mean(flips), _mean([_mirrors(sentence, understanding) for sentence in sided]), max(changes))


def _mirrors(sentence: str, understanding: Understanding) -> bool:
    swapped = " ".join({"left": "right", "right": "left"}.get(word, word) for word in sentence.split())
    one, other = (plan_to_track(text_to_plan(text, understanding=understanding), 50, 25.0) for text in (sentence, swapped))
    even = torch.equal(mirror(one.intensity), other.intensity) and torch.equal(mirror(one.weight), other.weight)
    poses = torch.equal(one.gaze * torch.tensor([-1.0, 1.0]), other.gaze)
    return even and poses and torch.equal(one.head_rotation * torch.tensor([1.0, -1.0, -1.0]), other.head_rotation)


def _mean(right: Sequence[bool]) -> float:
    return sum(right) / len(right) if right else float("nan")


def read_annotated(folder: Path) -> Annotated:
    """paraphrases.tsv (id, kind, sentence) with codes_a.jsonl and codes_b.jsonl (id, events: [{au}]; a unit without a side is on both).

    Raises:
        InputError: a file is missing, a line cannot be read, or a sentence has no annotation.
    """
    path = folder / "paraphrases.tsv"
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); give a folder with paraphrases.tsv, codes_a.jsonl and codes_b.jsonl"
        ) from error
    rows = rows[1:] if rows and rows[0][0] == "id" else rows
    if not rows or any(len(row) != 3 for row in rows):
        raise InputError(f"{path}: every line needs three columns (id, kind, sentence) with tabs between them")
    codes = [_read_codes(folder / f"codes_{letter}.jsonl") for letter in "ab"]
    for row in rows:
        if any(row[0] not in found for found in codes):
            raise InputError(f"{path}: sentence {row[0]} has no line in codes_a.jsonl and codes_b.jsonl; annotate it")
    columns = [tuple(found[row[0]] for row in rows) for found in codes]
    return Annotated(tuple(row[2] for row in rows), tuple(row[1] for row in rows), columns[0], columns[1])


def _read_codes(path: Path) -> dict[str, Phases]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line) if line.strip() else None
            if row is not None:
                rows = [_units(event.get("au", {})) for event in row["events"]]
                found[str(row["id"])] = Phases(torch.stack(rows) if rows else torch.zeros(0, N_AU))
        except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
            raise InputError(f"{path}, line {number}: not an annotation ({error}); write id and events with au codes 0..1") from error
    return found


def _units(codes: Mapping[str, float]) -> torch.Tensor:
    row = torch.zeros(N_AU)
    for code, value in codes.items():
        for name in channel_names(code):
            row[AU_INDEX[name]] = min(max(float(value), 0.0), 1.0)
    return row


def score_annotated(data: Annotated, methods: Mapping[str, Method]) -> dict[str, AnnotatedScores]:
    """Figures per method against both annotators."""
    return {name: AnnotatedScores.of(data.first, data.second, method(data.sentences)) for name, method in methods.items()}


def agreement(data: Annotated) -> TextScores:
    """The second annotator measured against the first, as if it were a method."""
    return TextScores.of(data.first, data.second)
