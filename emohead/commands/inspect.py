"""`emohead inspect`: what a file is."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from emohead.commands.options import Command, Outcome, to_json


@dataclass(frozen=True, kw_only=True)
class Inspect(Command):
    """Show what a file is: an avatar (.emo), a recording, a video, or a motion file (.npz, .csv, .au.csv)."""

    file: tyro.conf.Positional[Path]
    """The file."""
    json: bool = False
    """Print JSON."""

    def run(self) -> Outcome:
        """Print a table or JSON."""
        from emohead.inspection import inspect_file

        facts = inspect_file(self.file)
        return Outcome(to_json(facts) if self.json else "\n".join(f"{key:<28}{value}" for key, value in facts.items()))
