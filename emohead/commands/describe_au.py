"""`emohead au`: what a sentence means as action units."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from emohead.commands.options import Command, Outcome, ReadingName, to_json

if TYPE_CHECKING:
    from controllers.keyframes import KeyframeController
    from controllers.plan import TextPlan
    from emohead.types import AUTrack

DRAWING_FPS = 25.0
"""Frames per second at which plots and pictures are made."""
MAX_DURATION = 3600.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Au(Command):
    """Show the action units that a sentence, a label, a script or keyframes mean, alone or together: a table, JSON, curves, pictures."""

    sentence: tyro.conf.Positional[str | None] = None
    """What the face should do: "a shy smile with the left eyebrow raised"."""
    label: Annotated[str | None, tyro.conf.arg(metavar="NAME[:STRENGTH][:SIDE]")] = None
    """One emotion: happy:0.8, smug:left, va:0.6,-0.2."""
    script: Annotated[str | None, tyro.conf.arg(metavar="FILE|TEXT")] = None
    """Words with tags: "[delighted 0.8] We won. [then worried] But how?"; the words are spread over the duration."""
    audio: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The recording of a script: its words are then where they are spoken."""
    keyframes: Annotated[str | None, tyro.conf.arg(metavar="FILE[:upper]")] = None
    """Curves: .json, .csv or .npz."""
    au: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="AU=VALUE")] = ()
    """An action unit by value, repeatable: AU12=0.6, AU12L=.4."""
    intensity: float = 1.0
    """Multiplier of sentence, label and script, 0..1.3."""
    duration: float | None = None
    """Length of the clip in seconds; times are in seconds then, else fractions of the clip (keyframes: their own length)."""
    strict: bool = False
    """Refuse words that are not understood."""
    reading: ReadingName = "small"
    """What guesses the meaning of words that no table lists: small, minilm (extra `text`), or lexicon, which guesses nothing."""
    json: bool = False
    """Print JSON."""
    plot: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png")] = None
    """Draw what is asked for over time, with its events named."""
    picture: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png")] = None
    """Draw an avatar at the height of each event."""
    avatar: str = "demo"
    """Who is drawn: demo, or an .emo file."""

    def run(self) -> Outcome:
        """Print a table or JSON; draw what is wanted."""
        from controllers.text_to_au import MAX_GAIN
        from emohead.errors import InputError
        from emohead.output import check_target

        if not self._given:
            raise InputError("give a sentence, --label, --script, --keyframes or --au, got none; see emohead au --help")
        if not 0.0 <= self.intensity <= MAX_GAIN:
            raise InputError(f"intensity must be between 0 and {MAX_GAIN}, got {self.intensity:g}")
        if self.audio is not None and self.script is None:
            raise InputError(f"--audio {self.audio} goes with --script, whose words it speaks; leave it out")
        for target in (self.plot, self.picture):
            if target is not None and target.suffix.lower() != ".png":
                raise InputError(f"{target}: pictures are written as .png; give a name that ends in it")
            if target is not None:
                check_target(target)
        together = len(self._given) > 1 or bool(self.au)
        meaning, track = self._together() if together else (self._meaning(), None)
        notes = self._draw(meaning, track)
        described = meaning.to_json()
        return Outcome(to_json(described) if self.json else "\n".join([_table(described), *notes]), meaning.warnings)

    @property
    def _given(self) -> list[str]:
        names = ("sentence", "label", "script", "keyframes")
        return [name for name in names if getattr(self, name) is not None] + ["au"] * bool(self.au)

    def _together(self) -> tuple["TextPlan", "AUTrack"]:
        """Several wishes as a video would show them, from each change of the sentence, the script or the keyframes to the next."""
        from controllers.control import control
        from controllers.keyframe_files import read_keyframes
        from controllers.keyframe_plan import moments, track_to_plan
        from controllers.text_to_au import NOMINAL_DURATION

        tags = None if self.script is None else self._script_in_time(self.script)
        keys = None if self.keyframes is None else read_keyframes(self.keyframes)
        known = self.duration if tags is None else tags.duration
        if known is None and keys is not None and keys.source.end:
            known = min(keys.source.end + 1.0 / DRAWING_FPS, MAX_DURATION)
        length = NOMINAL_DURATION if known is None else _checked(known)
        made = control(
            max(1, round(length * DRAWING_FPS)),
            DRAWING_FPS,
            sentence=self.sentence,
            label=self.label,
            sliders=self.au,
            intensity=self.intensity,
            strict=self.strict,
            reading=self.reading,
            keyframes=keys,
            tags=tags,
        )
        events = [*made.plan.events, *(tags.events if tags else ())]
        times = sorted({0.0, *(round(event.start, 2) for event in events), *(moments(keys) if keys else ())})
        plan = track_to_plan(made.track, times, text="together", late=0.7)
        return replace(plan, not_understood=made.plan.not_understood, warnings=made.warnings), made.track

    def _meaning(self) -> "TextPlan":
        """What is asked for, as a plan."""
        from controllers.doubts import understood

        if self.keyframes is not None:
            from controllers.keyframe_plan import keyframes_to_plan

            keys, track = self._performed_keyframes()
            return keyframes_to_plan(keys, track)
        if self.label is not None:
            from controllers.labels import LabelController

            return LabelController(self.label, self.intensity).plan(None if self.duration is None else _checked(self.duration))
        if self.script is not None:
            return self._script_in_time(self.script)
        return understood(self.sentence or "", duration=self.duration, intensity=self.intensity, strict=self.strict, reading=self.reading)

    def _script_in_time(self, given: str) -> "TextPlan":
        from controllers.tags import parse_script, script_to_plan
        from controllers.text_to_au import NOMINAL_DURATION
        from controllers.word_times import spread, word_times
        from emohead.media import read_audio
        from emohead.pipeline import read_transcript

        script = parse_script(str(read_transcript(given)))
        how: dict[str, Any] = {"intensity": self.intensity, "strict": self.strict, "reading": self.reading}
        if self.audio is not None:
            voice = read_audio(self.audio)
            timed = word_times(script, voice, strict=self.strict)
            plan = script_to_plan(script, timed.words, voice.duration, **how)
            return replace(plan, warnings=(*timed.warnings, *plan.warnings))
        length = NOMINAL_DURATION if self.duration is None else _checked(self.duration)
        words = spread(script.words, [(0.05 * length, 0.9 * length)])
        return script_to_plan(script, words, length, **how)

    def _performed_keyframes(self) -> tuple["KeyframeController", "AUTrack"]:
        from controllers.keyframe_files import read_keyframes

        assert self.keyframes is not None
        keys = read_keyframes(self.keyframes)
        # One frame more: the last key is seen too.
        length = min((keys.source.end or 1.0) + 1.0 / DRAWING_FPS, MAX_DURATION) if self.duration is None else _checked(self.duration)
        return keys, keys(max(1, round(length * DRAWING_FPS)), DRAWING_FPS)

    def _draw(self, meaning: "TextPlan", track: "AUTrack | None") -> list[str]:
        """Make the pictures that are wanted and say so."""
        if self.plot is None and self.picture is None:
            return []
        from controllers.plan import plan_to_track
        from controllers.plot import write_plot
        from controllers.portraits import write_portraits
        from controllers.text_to_au import NOMINAL_DURATION
        from emohead.pipeline import Pipeline

        if track is None and self.keyframes is not None:
            track = self._performed_keyframes()[1]
        elif track is None:
            known = meaning.duration if meaning.duration is not None else self.duration
            length = NOMINAL_DURATION if known is None else _checked(known)
            track = plan_to_track(meaning, max(1, round(length * DRAWING_FPS)), DRAWING_FPS)
        notes = []
        if self.plot is not None:
            write_plot(self.plot, track, meaning)
            notes.append(f"wrote {self.plot}")
        if self.picture is not None:
            write_portraits(self.picture, track, meaning, Pipeline.from_pretrained(self.avatar).renderer)
            notes.append(f"wrote {self.picture}")
        return notes


def _checked(duration: float) -> float:
    from emohead.errors import InputError

    if not 0.0 < duration <= MAX_DURATION:
        raise InputError(f"--duration {duration:g}: give seconds, more than 0 and at most {MAX_DURATION:g}")
    return duration


def _table(described: dict[str, Any]) -> str:
    from emohead.head.action_units import CHANNELS

    sides = {"L": ", left", "R": ", right", "": ""}
    names = {channel.name: channel.unit.name + sides[channel.side] for channel in CHANNELS}
    unit = "s" if described["unit"] == "seconds" else "of the clip"
    lines = []
    for event in described["events"]:
        lines.append(f"{event['start']:.2f} - {event['end']:.2f} {unit}: {event['text']}")
        for name, value in sorted(event["au"].items(), key=lambda item: -item[1]):
            lines.append(f"  {name:<6} {value:4.2f} {'#' * round(20 * value):<20} {names[name]}")
        for part in ("gaze", "head"):
            if event[part]:
                lines.append(f"  {part:<6} {', '.join(f'{angle} {value:+.2f} rad' for angle, value in event[part].items())}")
        if "gesture" in event:
            side, times = sides[event.get("side", "")], event.get("times", 0)
            lines.append(f"  gesture {event['gesture']}{side}{f', {times} times' if times else ''}")
        if event.get("relaxed"):
            lines.append(f"  at rest {', '.join(event['relaxed'])}")
    if not described["events"]:
        lines.append("a neutral face")
    if described["not_understood"]:
        lines.append(f"not understood: {', '.join(described['not_understood'])}")
    return "\n".join(lines)
