"""`emohead au`: what a sentence means as action units."""

from dataclasses import dataclass
from typing import Any

import tyro

from emohead.commands.options import Command, Outcome, to_json


@dataclass(frozen=True, kw_only=True)
class Au(Command):
    """Show the action units that a sentence means, and what was not understood."""

    sentence: tyro.conf.Positional[str]
    """What the face should do: "a shy smile with the left eyebrow raised"."""
    duration: float | None = None
    """Length of the clip in seconds; times are in seconds then, else fractions of the clip."""
    strict: bool = False
    """Refuse words that are not understood."""
    json: bool = False
    """Print JSON."""

    def run(self) -> Outcome:
        """Print a table or JSON."""
        from emohead.pipeline import understand

        meaning = understand(self.sentence, duration=self.duration, strict=self.strict)
        described = meaning.to_json()
        return Outcome(to_json(described) if self.json else _table(described), meaning.warnings)


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
            lines.append(f"  gesture {event['gesture']}")
    if not described["events"]:
        lines.append("a neutral face")
    if described["not_understood"]:
        lines.append(f"not understood: {', '.join(described['not_understood'])}")
    return "\n".join(lines)
