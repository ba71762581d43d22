"""`emohead inspect`: what a file is, and what a reconstruction from it would be like."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from emohead.commands.options import Command, Outcome, to_json


@dataclass(frozen=True, kw_only=True)
class Inspect(Command):
    """Show what a file is: an avatar (.emo), a recording, a video, a picture, or a motion file (.npz, .csv, .au.csv).

    Of a video or picture it also says what an avatar made from it would be like, and how to film better.
    """

    file: tyro.conf.Positional[Path]
    """The file."""
    json: bool = False
    """Print JSON."""

    def run(self) -> Outcome:
        """Print a table or JSON."""
        from emohead.inspection import inspect_file

        facts = inspect_file(self.file)
        more, warnings = _preflight(self.file) if facts["kind"] in ("video", "picture") else ({}, ())
        facts |= more
        return Outcome(to_json(facts) if self.json else _table(facts), warnings)


def _preflight(file: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a quick look adds; a warning instead where it cannot be taken."""
    from emohead.errors import EmoheadError

    try:
        from recon.preflight import preflight

        seen = preflight(file)
    except EmoheadError as error:
        return {}, (f"no look at the faces in it: {error}",)
    return {**seen.facts, "advice": list(seen.advice)}, ()


def _table(facts: dict[str, Any]) -> str:
    rows = [(key, value) for key, value in facts.items() if key != "advice"]
    rows += [("advice", line) for line in facts.get("advice", ())]
    return "\n".join(f"{key:<28}{value}" for key, value in rows)
