"""`emohead animate`: the motion alone, for other tools."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from emohead.commands.options import Outcome, SpeechCommand, to_json


@dataclass(frozen=True, kw_only=True)
class Animate(SpeechCommand):
    """Write the motion alone: our .npz, a Live Link Face .csv, or an OpenFace-style .au.csv, by the name's ending."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("motion.npz")
    """The motion file; its settings are written beside it as NAME.json."""

    def run(self) -> Outcome:
        """Make the motion and say what was written."""
        from emohead.commands.progress import progress_bar
        from emohead.export.base import motion_format
        from emohead.output import check_target, write_text

        chosen = motion_format(self.out)
        check_target(self.out)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from emohead.pipeline import animate, plan

            planned = plan(self.recording(), self.request(), progress=tell)
            if self.dry_run:
                return Outcome(to_json(planned.settings), planned.warnings)
            tell(0.1, "listening")
            motion = animate(planned)
            chosen.write(self.out, motion)
        write_text(f"{self.out}.json", to_json({**planned.settings, "warnings": planned.warnings}) + "\n")
        return Outcome(f"wrote {self.out}: {chosen.title}, {motion.n_frames} frames at {motion.fps:g} per second", planned.warnings)
