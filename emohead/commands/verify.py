"""`emohead verify`: whether a video carries its marks unchanged."""

from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from emohead.commands.options import Command, Outcome, to_json
from emohead.errors import VerificationError


@dataclass(frozen=True, kw_only=True)
class Verify(Command):
    """Check that a video says it is generated and was not changed since it was signed."""

    file: tyro.conf.Positional[Path]
    """The video."""
    json: bool = False
    """Print JSON."""

    def run(self) -> Outcome:
        """Say what the marks are; exit code 5 when they are missing or broken."""
        from emohead.provenance import verify_video

        found = verify_video(self.file)
        code = 0 if found.intact else VerificationError.exit_code
        if self.json:
            return Outcome(to_json({"file": str(self.file), **asdict(found)}), exit_code=code)
        maker = f" by {found.generator}" if found.generator else ""
        return Outcome(f"{self.file}: {found.verdict}{maker} ({found.detail})", exit_code=code)
