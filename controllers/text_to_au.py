"""A sentence to a plan of expressions over time, through a lexicon and a few rules of grammar."""

import math
from dataclasses import replace
from itertools import pairwise
from operator import attrgetter

from controllers.envelopes import ONSET
from controllers.expression import Expression, at_rest, in_region, is_one_sided, made_of, merged, mirrored, on_side, scaled
from controllers.gestures import Gesture
from controllers.mentions import Clause, Mention, Parsed
from controllers.plan import Event, TextPlan
from controllers.states import states
from controllers.text_parse import parse
from controllers.understanding import DEFAULT_READING, Reading, Understanding, load_understanding
from emohead.errors import InputError

MAX_CHARACTERS = 2000
"""A longer sentence is refused."""
NOMINAL_DURATION = 6.0
"""Seconds that a clip of unknown length is taken for where a sentence speaks of seconds."""
OPPOSITE_GAIN = 0.25
"""How much of its opposite a denied state suggests (`not happy` is a little sad)."""
REPEAT_PERIOD, REPEAT_LENGTH = 2.5, 0.8
"""Seconds between and for each of the things done now and then."""
MAX_GAIN = 1.3
"""Strongest gain of an expression."""
_OPENS = ("AU25", "AU26", "AU27")
HELD_BACK = 0.6
"""How much is seen of what somebody keeps from showing,"""
_CLOSED_LIPS = {**dict.fromkeys(_OPENS, 0.0), "AU24": 0.5, "AU17": 0.2}
"""behind lips like these."""
_PUFFED = 0.5
"""Intensity from which cheeks are puffed."""
_SHORTEST = 0.1
"""Seconds below which nothing is left of a step that makes way for a mood."""
_LONGEST_SHOWN = 40
"""Characters of an unknown word that are repeated."""
_PACES = {"slow": 0.55, "fast": 1.5}
"""Paces of gestures that are asked for with a speed."""
_ONSETS = {"fast": 0.15, "turn": 1.6 * ONSET, "slow": 2.5 * ONSET}


def text_to_plan(
    sentence: str,
    *,
    duration: float | None = None,
    intensity: float = 1.0,
    strict: bool = False,
    reading: Reading = DEFAULT_READING,
    understanding: Understanding | None = None,
) -> TextPlan:
    """What a sentence asks a face to do, in order of time.

    Args:
        sentence: English, at most 2,000 characters; empty asks for nothing.
        duration: seconds of the clip; without it the events are in fractions of the clip.
        intensity: multiplier of every expression, 0..1.3.
        strict: refuse words that are not known, and guesses of what they mean, instead of listing them.
        reading: what understands words that no table lists: the network that ships, MiniLM, or nothing (`lexicon`).
        understanding: a lexicon and network of one's own; then `reading` says nothing.

    Raises:
        InputError: the sentence is too long, or has unknown words and `strict` is set, or the duration is no number.
        ResourceError: `reading` needs an extra that is not installed.
    """
    if len(sentence) > MAX_CHARACTERS:
        raise InputError(f"the sentence has {len(sentence)} characters; shorten it to at most {MAX_CHARACTERS}")
    if duration is not None and not (math.isfinite(duration) and duration >= 0.0):
        raise InputError(f"the duration must be a number of seconds from 0, got {duration}")
    parsed = parse(sentence, understanding or load_understanding(reading))
    warnings = (
        *(_warning(word, known, near) for word, known, near in parsed.unknown),
        *(f"{text!r} is in no table; by what was learned it means {known!r}" for text, known in parsed.guessed),
    )
    if strict and warnings:
        raise InputError(f"{warnings[0]}; rephrase it or leave --strict out")
    length = NOMINAL_DURATION if duration is None else duration
    events = _events(parsed, length, intensity)
    scale = 1.0 / length if duration is None and length > 0 else 1.0
    timed = sorted((replace(e, start=e.start * scale, end=e.end * scale) for e in events), key=lambda event: (event.start, event.overlay))
    not_understood = tuple(dict.fromkeys(word for word, known, _ in parsed.unknown if not known))
    guessed = tuple(f"{text}: {known}" for text, known in parsed.guessed)
    if not timed and not warnings and any(letter.isalpha() for letter in sentence):
        warnings = ("nothing in these words says how a face should look; it stays as it is",)
    return TextPlan(tuple(timed), duration, not_understood, warnings, guessed)


def _warning(word: str, known: str, near: str) -> str:
    word = word if len(word) <= _LONGEST_SHOWN else f"{word[:_LONGEST_SHOWN]}\u2026"
    if known:
        return f"{word!r} is not known, taken for {known!r}"
    return f"{word!r} is not known and changes nothing" + (f"; the nearest meaning is {near!r}" if near else "")


def _events(parsed: Parsed, length: float, intensity: float) -> list[Event]:
    """Events in seconds: one step per clause, gestures and pinned stretches laid over them."""
    steps: list[Event] = []
    overlays: list[Event] = []
    moods: list[Event] = []
    layout = _layout(parsed.clauses, length)
    # A glance or a gesture leaves the face before it as it is.
    held_after = [any(not _is_transient(mention) for mention in clause.mentions) for clause in parsed.clauses[1:]]
    following = [start if held else length for (start, _), held in zip(layout[1:], held_after, strict=True)] + [length] * bool(layout)
    for clause, (start, end), next_start in zip(parsed.clauses, layout, following, strict=True):
        for segment in sorted({mention.segment for mention in clause.mentions if _is_pinned(clause, mention)}):
            pinned = _pinned(clause, segment, parsed, intensity, (start, end, length))
            if segment in clause.windows and math.isinf(clause.windows[segment].last) and pinned.start < next_start < pinned.end:
                pinned = replace(pinned, end=next_start)
            if pinned.end <= pinned.start and length > 0.0:
                continue  # It would begin after the clip's end.
            if segment in clause.repeated or (segment in clause.counts and pinned.gesture is None):
                overlays += _now_and_then(pinned, clause.counts.get(segment, 0))
            elif pinned.sustained and pinned.au and pinned.gesture is None:
                moods.append(replace(pinned, overlay=False))
            else:
                overlays.append(pinned)
        plain = [mention for mention in clause.mentions if not _is_pinned(clause, mention)]
        held = [mention for mention in plain if not _is_transient(mention)]
        if held:
            event = _event(held, parsed, intensity, start, end, clause.speed)
            if event.au or not steps or not steps[-1].au:
                steps.append(event)
            else:
                overlays.append(replace(event, overlay=True))
        if steps and steps[-1].au and not (held and steps[-1].start == start):
            # Only a glance or a gesture: the face before it stays.
            steps[-1] = replace(steps[-1], end=end)
        overlays += _gestures(clause, parsed, intensity, start, end)
    return _making_way(steps, moods) + overlays


def _making_way(steps: list[Event], moods: list[Event]) -> list[Event]:
    """Steps and the moods that have a time of their own: nobody is in two moods that were not asked for together."""
    for mood in moods:
        steps = [piece for step in steps for piece in _outside(step, mood)]
    if not steps:
        moods = sorted(moods, key=attrgetter("start"))
        moods = [*(replace(one, end=max(one.end, other.start)) for one, other in pairwise(moods)), *moods[-1:]]
    return steps + moods


def _outside(step: Event, mood: Event) -> list[Event]:
    """What is left of a step before and after a mood."""
    before, after = replace(step, end=min(step.end, mood.start)), replace(step, start=max(step.start, mood.end))
    return [piece for piece in (before, after) if piece.end - piece.start > _SHORTEST]


def _layout(clauses: list[Clause], length: float) -> list[tuple[float, float]]:
    """Start and end of each clause in seconds: those with a length get it, the others share the rest alike."""
    fixed = [_own_length(clause) for clause in clauses]
    pinned = [all(mention.segment in clause.windows for mention in clause.mentions) for clause in clauses]
    free = sum(value is None and not skip for value, skip in zip(fixed, pinned, strict=True))
    taken = sum(value for value in fixed if value is not None)
    # Stated lengths shrink when they leave too little for the other clauses, or exceed the clip.
    shrink = min(1.0, (0.8 if free else 1.0) * length / taken) if taken else 1.0
    share = (length - taken * shrink) / free if free else 0.0
    windows, now = [], 0.0
    for clause, value, skip in zip(clauses, fixed, pinned, strict=True):
        begun = _begun(clause, length) if skip else 0.0
        if begun > now:
            # What follows `at three seconds` comes after it, in the time that is left.
            share, shrink, now = share * (length - begun) / length, shrink * (length - begun) / length, begun
        width = value * shrink if value is not None else (0.0 if skip else share)
        windows.append((now, now + width))
        now += width
    return windows


def _begun(clause: Clause, length: float) -> float:
    """When the clause's last stretch that was given in seconds is over, or half over where nobody said how long it is."""
    stretches = [window for window in clause.windows.values() if window.in_seconds]
    if not stretches:
        return 0.0
    last = max(stretches, key=attrgetter("first"))
    first, stop = last.within(length)
    return 0.5 * (first + stop) if math.isinf(last.last) else stop


def _own_length(clause: Clause) -> float | None:
    """Seconds given to the clause as a whole: to its only segment."""
    segments = {mention.segment for mention in clause.mentions}
    return clause.lengths.get(next(iter(segments))) if len(segments) == 1 and not clause.windows else None


def _is_pinned(clause: Clause, mention: Mention) -> bool:
    segment = mention.segment
    counted = segment in clause.counts and not _is_transient(mention)
    timed = segment in clause.windows or (segment in clause.lengths and _own_length(clause) is None)
    return counted or timed or segment in clause.repeated


def _is_transient(mention: Mention) -> bool:
    return bool(mention.concept.gesture) and not mention.concept.is_state and not mention.negated


def _pinned(clause: Clause, segment: int, parsed: Parsed, intensity: float, times: tuple[float, float, float]) -> Event:
    """The event of a segment with its own stretch of the clip, or its own length from the clause's start."""
    start, end, length = times
    mentions = [mention for mention in clause.mentions if mention.segment == segment]
    if segment in clause.windows:
        start, end = clause.windows[segment].within(length)
        if segment in clause.lengths:
            start = max(0.0, end - clause.lengths[segment]) if end == length else start
            end = min(length, start + clause.lengths[segment])
    elif segment in clause.lengths:
        end = min(end, start + clause.lengths[segment])
    event = replace(_event(mentions, parsed, intensity, start, end, clause.speed), overlay=True)
    transient = next((mention for mention in mentions if _is_transient(mention)), None)
    return replace(event, gesture=_gesture(transient, parsed, clause)) if transient else event


def _now_and_then(event: Event, count: int) -> list[Event]:
    """An event repeated over its stretch: so many times, or (0) once in `REPEAT_PERIOD` seconds."""
    count = count or max(1, round((event.end - event.start) / REPEAT_PERIOD))
    slot = (event.end - event.start) / count
    length = min(REPEAT_LENGTH, 0.6 * slot)
    starts = [event.start + (index + 0.5) * slot - 0.5 * length for index in range(count)]
    return [replace(event, start=start, end=start + length, onset=min(event.onset, 0.25)) for start in starts]


def _event(mentions: list[Mention], parsed: Parsed, intensity: float, start: float, end: float, speed: str) -> Event:
    expression, halves = Expression(), {"L", "R"} <= {mention.side for mention in mentions}
    for mention in mentions:
        if not mention.negated:
            expression = merged(expression, _performed(mention, parsed, intensity, halves=halves))
    for mention in mentions:
        if mention.negated:
            denied = _performed(mention, parsed, intensity, halves=halves)
            # Denying says what must not be seen; what another wish in the same breath needs stays, unless it makes the movement itself.
            resting = at_rest(denied).au
            itself = {} if mention.concept.is_state else at_rest(made_of(denied)).au
            expression = replace(expression, au={**resting, **expression.au, **itself})
            opposite = mention.concept.opposite
            if opposite and len(mentions) == 1:  # Neither pleased nor displeased: nothing is left to suggest.
                expression = merged(expression, scaled(states()[opposite].expression, OPPOSITE_GAIN * intensity))
                expression = replace(expression, au={**expression.au, **at_rest(denied).au})
    expression = _looking_ahead(replace(expression, au={**expression.au, **_closed(mentions)}), mentions)
    if expression.au.get("AU34", 0.0) >= _PUFFED:  # Air stays in cheeks only behind closed lips.
        expression = replace(expression, au={name: 0.0 if name in _OPENS else value for name, value in expression.au.items()})
    moods = [mention for mention in mentions if mention.concept.is_state and not mention.negated]
    onset = _ONSETS.get(speed, min((mention.concept.onset for mention in mentions), default=ONSET))
    if speed in ("slow", "turn"):
        onset = max(onset, (0.6 if speed == "slow" else 0.3) * (end - start))
    gesture = next((_gesture(mention, parsed) for mention in moods if mention.concept.gesture and not mention.held_back), None)
    text = parsed.words(mentions)
    return Event(start, end, expression.au, expression.gaze, expression.head, gesture, text, onset, sustained=bool(moods))


def _closed(mentions: list[Mention]) -> dict[str, float]:
    """Channels that a movement asks to rest (`mouth closed`) and no other movement needs: a mood gives way."""
    asked = [mention.concept.expression.au for mention in mentions if not mention.concept.is_state and not mention.negated]
    return {name: 0.0 for au in asked for name, value in au.items() if value == 0.0 and not any(other.get(name) for other in asked)}


def _looking_ahead(expression: Expression, mentions: list[Mention]) -> Expression:
    """Eyes that stay on the camera while the head turns counter its turn."""
    ahead = any(mention.concept.name == "look ahead" and not mention.negated for mention in mentions)
    if not ahead or expression.head is None or not any(expression.head):
        return expression
    pitch, yaw, _ = expression.head
    return merged(replace(expression, gaze=None), Expression(gaze=(-yaw, -pitch)))


def _performed(mention: Mention, parsed: Parsed, intensity: float, *, halves: bool = False) -> Expression:
    """The mention's expression at its strength and on its side; a mood has the whole face unless its `halves` are in two moods."""
    gain = 1.0 if mention.negated else min(mention.gain * intensity, MAX_GAIN)
    expression = scaled(mention.concept.expression, gain * (HELD_BACK if mention.held_back else 1.0))
    if mention.held_back:
        expression = replace(expression, au={**expression.au, **_CLOSED_LIPS})
    if mention.region:
        expression = in_region(expression, upper=mention.region == "upper")
    if mention.concept.side:
        return expression
    if mention.side in ("L", "R") and (halves or not mention.concept.is_state or is_one_sided(expression)):
        return on_side(_glancing(expression, mention.side), mention.side)
    if mention.side == "one":
        expression = on_side(expression, "R")
    # What has a usual side takes the side that the sentence names first, so that exchanging left and right mirrors everything.
    return mirrored(expression) if parsed.first_side == "L" else expression


def _glancing(expression: Expression, side: str) -> Expression:
    """`Looks up and to the left`: gaze that goes up or down goes to a side too."""
    if expression.gaze is None or expression.gaze[0] != 0.0 or expression.gaze[1] == 0.0:
        return expression
    return replace(expression, gaze=((1.0 if side == "L" else -1.0) * abs(expression.gaze[1]), expression.gaze[1]))


def _gesture(mention: Mention, parsed: Parsed, clause: Clause | None = None) -> Gesture:
    side = mention.side if mention.side in ("L", "R") else parsed.first_side
    if clause is None:
        return Gesture(mention.concept.gesture, side)
    return Gesture(mention.concept.gesture, side, clause.counts.get(mention.segment, 0), _PACES.get(clause.speed, 1.0))


def _gestures(clause: Clause, parsed: Parsed, intensity: float, start: float, end: float) -> list[Event]:
    """Short movements one after the other within a clause, evenly spread."""
    events = []
    mentions = [mention for mention in clause.mentions if _is_transient(mention) and not _is_pinned(clause, mention)]
    for index, mention in enumerate(mentions):
        gesture = _gesture(mention, parsed, clause)
        slot = (end - start) / len(mentions)
        begin = start + index * slot + min(0.2, 0.1 * slot)
        expression = _performed(mention, parsed, intensity)
        stop = min(begin + gesture.seconds, end)
        pose = (expression.gaze, expression.head)
        events.append(Event(begin, stop, expression.au, *pose, gesture, parsed.words([mention]), 0.15, overlay=True))
    return events
