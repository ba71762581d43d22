"""`emohead au`: what a sentence means as action units."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

from emohead.commands.options import Command, Outcome, to_json

if TYPE_CHECKING:
    from controllers.plan import TextPlan


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

        plan = understand(self.sentence, duration=self.duration, strict=self.strict)
        return Outcome(to_json(plan.to_json()) if self.json else _table(plan), plan.warnings)


def _table(plan: "TextPlan") -> str:
    from emohead.head.action_units import CHANNELS

    sides = {"L": ", left", "R": ", right", "": ""}
    unit = "s" if plan.unit == "seconds" else "of the clip"
    lines = []
    for event in plan.events:
        lines.append(f"{event.start:.2f} - {event.end:.2f} {unit}: {event.text}")
        values = {channel: event.au.get(channel.name, 0.0) for channel in CHANNELS}
        for channel, value in sorted(values.items(), key=lambda item: -item[1]):
            if value > 0.0:
                lines.append(f"  {channel.name:<6} {value:4.2f} {'#' * round(20 * value):<20} {channel.unit.name}{sides[channel.side]}")
        if event.gaze:
            lines.append(f"  gaze   yaw {event.gaze[0]:+.2f}, pitch {event.gaze[1]:+.2f} rad (left and down are positive)")
        if event.head:
            lines.append(f"  head   pitch {event.head[0]:+.2f}, yaw {event.head[1]:+.2f}, roll {event.head[2]:+.2f} rad")
        if event.gesture is not None:
            lines.append(f"  gesture {event.gesture.name}")
    if not plan.events:
        lines.append("a neutral face")
    if plan.not_understood:
        lines.append(f"not understood: {', '.join(plan.not_understood)}")
    return "\n".join(lines)
