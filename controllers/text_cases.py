"""Test sentences with known meanings: the splits S1 to S4 of the text benchmark, written by seed and kept as files."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from controllers.expression import Expression, at_rest, made_of, merged, mirrored, on_side, scaled
from controllers.phrases import HeldOut, Phrase, has_kin, lexicon_phrases
from controllers.states import Concept, actions, shaded, states
from controllers.tables import read_table
from controllers.text_to_au import OPPOSITE_GAIN
from emohead.channels import AU_INDEX, N_AU
from emohead.errors import InputError
from emohead.metrics.text_scores import Phases

Split: TypeAlias = Literal["s1", "s2", "s3", "s4"]
SPLITS: tuple[Split, ...] = ("s1", "s2", "s3", "s4")
_BARE = 0.7
"""Intensity of a state without an intensity word."""
_MIXED = 0.75
"""What a mixture leaves of each of its parts."""
_SINGLE = {"a bit": 0.4, "": _BARE, "very": 0.9, "extremely": 1.0}
_SIZE = {"s1": 200, "s3": 300, "s4": 300}


@dataclass(frozen=True)
class Wish:
    """One thing that a sentence asks for."""

    concept: str
    """State or action."""
    gain: float = 1.0
    """Strength as the tables have it: of a state its word's gain times its intensity."""
    side: str = ""
    """`L`, `R` or empty."""
    denied: bool = False
    """It must not be seen."""
    phrase: str = ""
    """How a state is worded."""


@dataclass(frozen=True)
class TextCase:
    """A sentence and what it means."""

    id: str
    """`S2-017`."""
    sentence: str
    """English."""
    steps: tuple[tuple[Wish, ...], ...]
    """What is asked for, one step after the other."""
    kind: str
    """S2: `kin` when a known phrase of the meaning shares a stem, `new` when none does, `situation` for what has happened to a person."""

    def phases(self) -> Phases:
        """The action units that the tables give the sentence; a step that moves none (a glance, a blank face) is no phase."""
        # What has a usual side (a smirk) takes the side that the sentence names first: docs/text.md.
        side = next((wish.side for step in self.steps for wish in step if wish.side), "")
        begun = _concept(self.steps[0][0]).after if self.steps and self.steps[0] and not self.steps[0][0].denied else ""
        steps = [(Wish(begun),), *self.steps] if begun else self.steps
        rows = [row for row in (_row(step, side) for step in steps) if float(row.max()) > 0.0]
        return Phases(torch.stack(rows) if rows else torch.zeros(0, N_AU))


def _row(step: Sequence[Wish], first_side: str) -> torch.Tensor:
    """Action units of one step: the wishes together; what makes a denied movement rests, the rest of it unless another wish needs it."""
    expression = Expression()
    for wish in step:
        if not wish.denied:
            expression = merged(expression, _performed(wish, first_side))
    for wish in step:
        denied = _concept(wish).expression
        if wish.denied:
            if wish.concept not in states():
                expression = replace(expression, au={**expression.au, **at_rest(made_of(denied)).au})
            opposite = _concept(wish).opposite
            if opposite and len(step) == 1:
                expression = scaled(states()[opposite].expression, OPPOSITE_GAIN)
                expression = replace(expression, au={**expression.au, **at_rest(denied).au})
    row = torch.zeros(N_AU)
    for name, value in expression.au.items():
        row[AU_INDEX[name]] = value
    for wish in step:
        for name, value in gesture_units(_concept(wish).gesture, wish.side or first_side).items():
            row[AU_INDEX[name]] = max(float(row[AU_INDEX[name]]), 0.0 if wish.denied else value)
    return row


def gesture_units(name: str, side: str) -> dict[str, float]:
    """The units that a gesture moves: the lids of a wink or a blink."""
    shape = read_table("gestures")["gestures"].get(name, {})
    closed = max((row[3] for row in shape.get("path", ())), default=0.0)
    moved = (side or shape["side"]) if shape.get("side") else "LR"
    return {f"AU43{letter}": float(closed) for letter in moved} if closed else {}


def _performed(wish: Wish, first_side: str) -> Expression:
    expression = scaled(_concept(wish).expression, wish.gain)
    if wish.side:
        return on_side(expression, wish.side)
    return mirrored(expression) if first_side == "L" else expression


def _concept(wish: Wish) -> Concept:
    return shaded(states()[wish.concept], wish.phrase) if wish.concept in states() else actions()[wish.concept]


def make_cases(split: Split, hidden: HeldOut, seed: int = 0) -> list[TextCase]:
    """The sentences of a split: S1 known phrases in known frames, S2 phrases that are held out, S3 held-out frames, S4 combinations."""
    rng = random.Random(f"{seed} {split}")
    hidden_texts = hidden.texts
    known = tuple(phrase for phrase in lexicon_phrases() if phrase.text not in hidden_texts and _is_plain(phrase))
    frames = read_table("frames")
    if split == "s2":
        drawn = [phrase for phrase in hidden.phrases if phrase.kind not in ("state", "action") or _is_plain(phrase)]
        made = [(_framed(phrase, frames["frames"], rng), _meaning(phrase), _kind(phrase, known)) for phrase in drawn]
    elif split == "s4":
        made = [(*_combination(known, rng), "") for _ in range(_SIZE[split])]
    else:
        pool = [rng.choice(known) for _ in range(_SIZE[split])]
        source = frames["frames"] if split == "s1" else frames["held_out"]
        made = [(_framed(phrase, source, rng), _meaning(phrase), "") for phrase in pool]
    return [TextCase(f"{split.upper()}-{index:03d}", sentence, steps, kind) for index, (sentence, steps, kind) in enumerate(made, 1)]


def _is_plain(phrase: Phrase) -> bool:
    """Whether a phrase means one thing and says nothing of time, sides or denial."""
    same = [other for other in lexicon_phrases() if other.text == phrase.text]
    words = read_table("words")
    shaping = {part.strip() for text in (*words["time"].values(), *words["sides"].values(), words["negators"]) for part in text.split(",")}
    return len(same) == 1 and shaping.isdisjoint(phrase.text.split())


def _meaning(phrase: Phrase, intensity: float = _BARE) -> tuple[tuple[Wish, ...], ...]:
    return ((_wish(phrase, intensity),),)


def _wish(phrase: Phrase, intensity: float = _BARE) -> Wish:
    if phrase.concept not in states():
        return Wish(phrase.concept)
    return Wish(phrase.concept, round(phrase.gain * intensity, 3), phrase=phrase.text)


def _kind(phrase: Phrase, known: tuple[Phrase, ...]) -> str:
    if phrase.kind not in ("state", "action"):
        return "situation"
    return "kin" if has_kin(phrase, known) else "new"


def _framed(phrase: Phrase, frames: dict[str, list[str]], rng: random.Random) -> str:
    return rng.choice(frames[phrase.kind]).format(phrase.text)


def _combination(known: Sequence[Phrase], rng: random.Random) -> tuple[str, tuple[tuple[Wish, ...], ...]]:
    """A sentence of several wishes: pairs, three clauses, denial, sides, intensities."""
    first, second, third = _three([phrase for phrase in known if phrase.kind == "state"], rng)
    side, (adverb, intensity) = rng.choice(("left", "right")), rng.choice(list(_SINGLE.items()))
    one, two, three, strong = _wish(first), _wish(second), _wish(third), _wish(second, intensity)
    brow, wink, smirk = (Wish(name, side=side[0].upper()) for name in ("raise brows", "wink", "smirk"))
    mixed = [replace(wish, gain=round(wish.gain * _MIXED, 4)) for wish in (one, two)]
    no_smile, neither, nor = Wish("smile", denied=True), replace(one, denied=True), replace(two, denied=True)
    templates = (
        (f"{first.text} and {second.text}", ((one, two),)),
        (f"at first {first.text}, then {second.text}, finally {third.text}", ((one,), (two,), (three,))),
        (f"she looks {first.text}, with the {side} eyebrow raised", ((one, brow),)),
        (f"he raises his {side} eyebrow, then looks {adverb} {second.text}", ((brow,), (strong,))),
        (f"{adverb} {second.text}, suddenly {first.text}", ((strong,), (one,))),
        (f"from {first.text} to {second.text}", ((one,), (two,))),
        (f"{first.text}, not smiling, the {side} eyebrow raised", ((one, no_smile, brow),)),
        (f"after being {first.text} she is {adverb} {second.text}", ((one,), (strong,))),
        (f"before looking {first.text}, he looks {adverb} {second.text}", ((strong,), (one,))),
        (f"neither {first.text} nor {second.text}, but {third.text}", ((neither, nor, three),)),
        (f"a mix of {first.text} and {second.text}", (tuple(mixed),)),
        (f"{first.text}, then {adverb} {second.text} with a smirk on the {side} side", ((one,), (strong, smirk))),
        (f"first {first.text}, then {second.text}, winking with the {side} eye", ((one,), (two, wink))),
        (f"{adverb} {second.text} at the beginning and {first.text} at the end", ((strong,), (one,))),
    )
    text, steps = rng.choice(templates)
    return " ".join(text.split()), steps


def _three(moods: Sequence[Phrase], rng: random.Random) -> list[Phrase]:
    """Three phrases of three different moods."""
    drawn: list[Phrase] = []
    while len(drawn) < 3:
        phrase = rng.choice(moods)
        if phrase.concept not in [other.concept for other in drawn] and "and" not in phrase.text.split():
            drawn.append(phrase)
    return drawn


def write_cases(cases: Sequence[TextCase], path: Path) -> None:
    """Write cases, one JSON object per line."""
    path.write_text("".join(json.dumps(_plain(case)) + "\n" for case in cases), encoding="utf-8")


def _plain(case: TextCase) -> dict[str, object]:
    """The case without what is as usual."""
    steps = [[{key: value for key, value in asdict(wish).items() if value != _USUAL[key]} for wish in step] for step in case.steps]
    plain: dict[str, object] = {"id": case.id, "sentence": case.sentence, "steps": steps}
    return {**plain, "kind": case.kind} if case.kind else plain


_USUAL = {"concept": None, "gain": 1.0, "side": "", "denied": False, "phrase": ""}


def read_cases(path: Path) -> list[TextCase]:
    """Cases from a file.

    Raises:
        InputError: no such file, or a line that is no case; the message has its number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a folder with s1.jsonl to s4.jsonl") from error
    cases = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            steps = tuple(tuple(Wish(**wish) for wish in step) for step in row["steps"])
            cases.append(TextCase(row["id"], row["sentence"], steps, row.get("kind", "")))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}, line {number}: not a test sentence ({type(error).__name__}); write it again") from error
    return cases
