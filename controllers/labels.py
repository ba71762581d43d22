"""An emotion by its name or its coordinates: `happy`, `fearfully surprised:0.8`, `smug:left`, `va:0.6,-0.2`."""

import math
from dataclasses import dataclass
from difflib import get_close_matches

from controllers.coordinates import Place, expression_at
from controllers.expression import Expression, mirrored, on_side, scaled
from controllers.gestures import Gesture
from controllers.lexicon import load_lexicon
from controllers.plan import Event, TextPlan, plan_to_track
from controllers.states import Concept, states
from emohead.errors import InputError
from emohead.types import AUTrack

MAX_INTENSITY = 1.3
"""Strongest gain of a label."""
AXES = {"va": ("valence", "arousal"), "vad": ("valence", "arousal", "dominance")}
"""What stands in front of coordinates, and what they are."""
_SIDES = {"left": "L", "right": "R"}


@dataclass(frozen=True)
class Label:
    """A label taken apart."""

    name: str
    """The name of a state; empty for coordinates."""
    place: Place = ()
    """Valence, arousal and, if given, dominance, each -1..1; empty for a name."""
    intensity: float = 1.0
    """Gain, 0..1.3."""
    side: str = ""
    """`L` or `R` when only one half of the face shows it."""


@dataclass(frozen=True)
class LabelController:
    """Holds one emotion over the whole clip, as a mood that swells now and then."""

    label: str
    """A name of tables/emotions.json, one of its words, or coordinates (`va:V,A`, `vad:V,A,D`); then `:0.8` and `:left` or `:right`."""
    intensity: float = 1.0
    """Gain 0..1.3; multiplies the label's own."""
    seed: int = 0
    """Seed of the small variations of a sustained mood."""

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """The track of the label."""
        return plan_to_track(self.plan(n_frames / fps), n_frames, fps, seed=self.seed)

    def plan(self, duration: float | None) -> TextPlan:
        """The label as a plan of one event over `duration` seconds, or over the whole of a clip of unknown length.

        Raises:
            InputError: unknown label (with the nearest names), an intensity outside 0..1.3, or coordinates outside -1..1.
        """
        label = parse_label(self.label)
        concept = Concept("", expression_at(label.place), True) if label.place else find_state(label.name)
        expression = _on_side(scaled(concept.expression, min(label.intensity * self.intensity, MAX_INTENSITY)), label.side)
        gesture = Gesture(concept.gesture, label.side) if concept.gesture else None
        end, pose = 1.0 if duration is None else duration, (expression.gaze, expression.head)
        event = Event(0.0, end, expression.au, *pose, gesture, self.label, concept.onset, sustained=True)
        return TextPlan((event,), duration)


def parse_label(label: str) -> Label:
    """The parts of `name`, `name:0.8`, `name:left`, `va:0.6,-0.2`, `vad:0.6,-0.2,0.1:0.8:left`.

    Raises:
        InputError: an intensity that is no number between 0 and 1.3, or coordinates that are not numbers between -1 and 1.
    """
    name, *rest = label.split(":")
    axes = AXES.get(name.strip().lower())
    if axes is None:
        found = Label(name)
    else:
        found, rest = Label("", place=_place(label, rest[0] if rest else "", axes)), rest[1:]
    intensity, side = 1.0, ""
    example = f"{name}:{rest[0]}" if axes and rest else name
    if len(rest) > 2 or len({part.strip().lower() in _SIDES for part in rest}) < len(rest):
        raise InputError(f"label {label!r}: after the name come an intensity and a side, each once; write for example {name}:0.8:left")
    for part in rest:
        if part.strip().lower() in _SIDES:
            side = _SIDES[part.strip().lower()]
        else:
            intensity = _intensity(label, part, example)
    return Label(found.name, found.place, intensity, side)


def find_state(name: str) -> Concept:
    """The state with a name, or with a word that means it.

    Raises:
        InputError: there is none; the message lists the nearest names.
    """
    wanted = " ".join(name.lower().replace("-", " ").replace("_", " ").split())
    if wanted in states():
        return states()[wanted]
    words = wanted.split()
    found = load_lexicon().match(words, 0) if words else None
    if found and found.stop == len(words) and not found.inside and found.meaning.kind == "state" and found.meaning.concept:
        return found.meaning.concept
    near = get_close_matches(wanted[:100], states(), n=3, cutoff=0.4) or ["neutral", "happy", "sad"]
    raise InputError(f"unknown label {name[:100]!r}; did you mean {' or '.join(repr(other) for other in near)}?")


def _on_side(expression: Expression, side: str) -> Expression:
    """One half of the expression; what is one-sided by nature (contempt) moves to that side."""
    if not side:
        return expression
    own, other = (sum(value for name, value in expression.au.items() if name.endswith(half)) for half in (side, "LR".replace(side, "")))
    # A state that is stronger on the other half (a flirt, a raised brow) is turned round before it is cut.
    return on_side(mirrored(expression) if other > own + 1e-6 else expression, side)


def _intensity(label: str, written: str, name: str) -> float:
    try:
        gain = float(written)
    except ValueError:
        gain = math.nan
    if not 0.0 <= gain <= MAX_INTENSITY:
        raise InputError(f"label {label!r}: the intensity must be a number between 0 and {MAX_INTENSITY}; write for example {name}:0.8")
    return gain


def _place(label: str, written: str, axes: tuple[str, ...]) -> Place:
    example = ",".join(("0.6", "-0.2", "0.1")[: len(axes)])
    try:
        values = tuple(float(part) for part in written.split(","))
    except ValueError:
        values = ()
    if len(values) != len(axes):
        kind = "va" if len(axes) == 2 else "vad"
        raise InputError(f"label {label[:100]!r}: give {' and '.join(axes)} as {len(axes)} numbers; write for example {kind}:{example}")
    for axis, value in zip(axes, values, strict=True):
        if not -1.0 <= value <= 1.0:
            raise InputError(f"label {label[:100]!r}: {axis} must be between -1 and 1, got {value:g}")
    return values
