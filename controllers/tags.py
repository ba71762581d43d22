"""Inline tags: `[delighted 0.8] We won. [then worried] But how?` is spoken words, and a sentence about the face at some of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from controllers.doubts import understood
from controllers.envelopes import ONSET
from controllers.plan import Event, TextPlan
from controllers.text_to_au import MAX_GAIN
from controllers.understanding import DEFAULT_READING, Reading
from emohead.data.alignments import TimedWord
from emohead.data.pronunciation import words_of
from emohead.errors import InputError

MAX_TAGS = 500
MAX_SCRIPT = 1 << 20
"""Characters."""
SHORTEST_STRETCH = 0.3
"""Seconds; a tag with less time than this is told."""
LEAD = 0.05
"""Seconds that a tag's expression begins before its word: the first tenth of a second of an onset is too faint to be seen."""
TAG_ONSET = 0.25
"""Seconds that a tag's expression takes to appear unless it says slowly: it answers to a word, so it is as quick as expressions are."""
_BRACKETS = re.compile(r"[\[\]]")
# A number that is no count of seconds or times is the tag's intensity.
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)%?(?![\w.])(?!\s*(?:s|secs?|seconds?|times)\b)")


@dataclass(frozen=True)
class Tag:
    """What stands between two brackets."""

    sentence: str
    """What the face should do."""
    intensity: float
    """Of everything in it, 0..1.3."""
    place: int
    """Spoken words before it."""
    written: str
    """As written, for messages."""


@dataclass(frozen=True)
class Script:
    """Spoken words with tags."""

    text: str
    """The spoken words, without the tags."""
    tags: tuple[Tag, ...]
    """In the order of the script."""

    @property
    def words(self) -> list[str]:
        """The spoken words one by one, as the aligner takes them."""
        return words_of(self.text)


def has_tags(text: str) -> bool:
    """Whether a transcript has brackets."""
    return _BRACKETS.search(text) is not None


def parse_script(text: str) -> Script:
    """Take a script apart.

    Raises:
        InputError: brackets that are nested, unclosed or empty, a tag inside a word, an intensity outside 0..1.3, tags but no words, or too
            many of them; the line is named.
    """
    if len(text) > MAX_SCRIPT:
        raise InputError(f"the script has {len(text)} characters; shorten it to at most {MAX_SCRIPT}")
    spoken: list[str] = []
    tags: list[Tag] = []
    n_words, cursor = 0, 0
    opened: int | None = None
    for bracket in _BRACKETS.finditer(text):
        at = bracket.start()
        if bracket[0] == "[":
            if opened is not None:
                raise _fault(text, opened, "a tag begins inside another; close it with ] first")
            spoken.append(text[cursor:at])
            n_words, opened = n_words + len(words_of(spoken[-1])), at
        elif opened is None:
            raise _fault(text, at, "a ] without its [; write tags as [happy 0.8]")
        else:
            _check_place(text, opened, at)
            tags.append(_tag(text, opened, at, n_words))
            opened, cursor = None, at + 1
        if len(tags) > MAX_TAGS:
            raise InputError(f"the script has more than {MAX_TAGS} tags; cut it into parts")
    if opened is not None:
        raise _fault(text, opened, "a tag that is not closed; end it with ]")
    script = Script(" ".join([*spoken, text[cursor:]]).strip(), tuple(tags))
    if not script.words:
        raise InputError("the script has no words to be spoken" + (", only tags; write the words that are heard" if tags else ""))
    return script


def script_to_plan(
    script: Script,
    words: Sequence[TimedWord],
    duration: float,
    *,
    intensity: float = 1.0,
    strict: bool = False,
    reading: Reading = DEFAULT_READING,
) -> TextPlan:
    """The tags as a plan in seconds: each sentence begins `LEAD` before the word behind its tag and lasts until the next tag or the end.

    A tag that asks for a glance or a gesture alone leaves the face of the tag before it. Tags before the same word are done together.

    Args:
        script: the tags.
        words: when each of its words is spoken.
        duration: seconds of the clip.
        intensity: multiplier of all tags, 0..1.3.
        strict: refuse words in tags that are not known, and guesses of what they mean.
        reading: what guesses the meaning of words that no table lists.

    Raises:
        InputError: a tag that cannot be understood as a sentence (its text is named).
    """
    assert len(words) == len(script.words), "one time for each word"
    places = [words[tag.place].start if tag.place < len(words) else words[-1].end for tag in script.tags]
    starts = [min(max(place - LEAD, 0.0), duration) for place in places]
    steps: list[Event] = []
    overlays: list[Event] = []
    warnings: list[str] = []
    not_understood: list[str] = []
    guessed: list[str] = []
    for tag, start in zip(script.tags, starts, strict=True):
        end = next((later for later in starts if later > start), duration)
        plan = _understood(tag, end - start, intensity * tag.intensity, strict, reading)
        warnings += [f"tag {tag.written}: {warning}" for warning in plan.warnings]
        if end - start < SHORTEST_STRETCH:
            warnings.append(f"tag {tag.written}: there are only {end - start:.2f} s for it")
        not_understood += plan.not_understood
        guessed += plan.guessed
        events = [_placed(event, start) for event in plan.events]
        course = [event for event in events if not event.overlay]
        together = bool(steps) and steps[-1].end > start + 1e-6
        if not any(event.au for event in course) or together:
            course, events = [], [replace(event, overlay=True) for event in events]
        if steps and abs(steps[-1].end - start) < 1e-6:
            steps[-1] = replace(steps[-1], end=course[0].start if course else end)
        steps += course
        overlays += [event for event in events if event.overlay]
    ordered = sorted(steps + overlays, key=lambda event: (event.start, event.overlay))
    unique = [tuple(dict.fromkeys(texts)) for texts in (not_understood, warnings, guessed)]
    return TextPlan(tuple(ordered), duration, *unique)


def _placed(event: Event, start: float) -> Event:
    onset = min(event.onset, TAG_ONSET) if event.onset <= ONSET else event.onset
    return replace(event, start=event.start + start, end=event.end + start, onset=onset)


def _understood(tag: Tag, duration: float, intensity: float, strict: bool, reading: Reading) -> TextPlan:
    try:
        return understood(tag.sentence, duration=duration, intensity=min(intensity, MAX_GAIN), strict=strict, reading=reading)
    except InputError as error:
        raise InputError(f"tag {tag.written}: {error}") from error


def _tag(text: str, opened: int, closed: int, place: int) -> Tag:
    inside = " ".join("".join(letter if letter.isprintable() else " " for letter in text[opened + 1 : closed]).split())
    written = f"[{inside}]" if len(inside) <= 60 else f"[{inside[:57]}...]"
    numbers = list(_NUMBER.finditer(inside))
    if len(numbers) > 1:
        raise _fault(text, opened, f"tag {written} has {len(numbers)} intensities; give one number from 0 to {MAX_GAIN}")
    intensity = 1.0
    if numbers:
        intensity = float(numbers[0][0].rstrip("%")) / (100.0 if numbers[0][0].endswith("%") else 1.0)
        if not 0.0 <= intensity <= MAX_GAIN:
            raise _fault(text, opened, f"the intensity of tag {written} must be 0 to {MAX_GAIN}; write for example [happy 0.8]")
        inside = " ".join(f"{inside[: numbers[0].start()]} {inside[numbers[0].end() :]}".split())
    if not re.search(r"\w", inside) and not any(ord(letter) > 0x2000 for letter in inside):
        raise _fault(text, opened, f"tag {written} says nothing; write for example [happy 0.8]")
    return Tag(inside.replace(" ,", ","), intensity, place, written)


def _check_place(text: str, opened: int, closed: int) -> None:
    """Refuse a tag in the middle of a word."""
    if text[opened - 1 : opened].isalnum() and text[closed + 1 : closed + 2].isalnum():
        raise _fault(text, opened, "a tag inside a word; put it between two words")


def _fault(text: str, at: int, said: str) -> InputError:
    return InputError(f"script, line {text.count(chr(10), 0, at) + 1}: {said}")
