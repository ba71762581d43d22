"""An emotion by its name, with an intensity: `happy`, `fearfully surprised`, `happy:0.8`."""

import math
from dataclasses import dataclass
from difflib import get_close_matches

from controllers.expression import scaled
from controllers.gestures import Gesture
from controllers.lexicon import load_lexicon
from controllers.plan import Event, TextPlan, plan_to_track
from controllers.states import Concept, states
from emohead.errors import InputError
from emohead.types import AUTrack

MAX_INTENSITY = 1.3
"""Strongest gain of a label."""


@dataclass(frozen=True)
class LabelController:
    """Holds one emotion over the whole clip, as a mood that swells now and then."""

    label: str
    """A name of tables/emotions.json or one of its words; `name:0.8` sets the intensity as well."""
    intensity: float = 1.0
    """Gain 0..1.3; multiplies the label's own."""
    seed: int = 0
    """Seed of the small variations of a sustained mood."""

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """The track of the label."""
        return plan_to_track(self.plan(n_frames / fps), n_frames, fps, seed=self.seed)

    def plan(self, duration: float) -> TextPlan:
        """The label as a plan of one event.

        Raises:
            InputError: unknown label (with the nearest names), or an intensity outside 0..1.3.
        """
        name, gain = parse_label(self.label)
        concept = find_state(name)
        expression = scaled(concept.expression, min(gain * self.intensity, MAX_INTENSITY))
        gesture = Gesture(concept.gesture) if concept.gesture else None
        event = Event(0.0, duration, expression.au, expression.gaze, expression.head, gesture, self.label, concept.onset, sustained=True)
        return TextPlan((event,), duration)


def parse_label(label: str) -> tuple[str, float]:
    """Name and intensity of `name` or `name:intensity`.

    Raises:
        InputError: the intensity is no number between 0 and 1.3.
    """
    name, separator, written = label.partition(":")
    if not separator:
        return label, 1.0
    try:
        gain = float(written)
    except ValueError:
        gain = math.nan
    if not 0.0 <= gain <= MAX_INTENSITY:
        raise InputError(f"label {label!r}: the intensity must be a number between 0 and {MAX_INTENSITY}; write for example {name}:0.8")
    return name, gain


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
    near = get_close_matches(wanted, states(), n=3, cutoff=0.4) or ["neutral", "happy", "sad"]
    raise InputError(f"unknown label {name!r}; did you mean {' or '.join(repr(other) for other in near)}?")
