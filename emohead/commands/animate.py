"""`emohead animate`: the motion alone, for other tools."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from emohead.commands.options import Outcome, SpeechCommand, to_json

MAX_TAKES = 100


@dataclass(frozen=True, kw_only=True)
class Animate(SpeechCommand):
    """Write the motion alone: our .npz, a Live Link Face .csv, or an OpenFace-style .au.csv, by the name's ending."""

    takes: int = 1
    """How many performances to make, with seeds from --seed on; several are written as NAME.seed0.npz, NAME.seed1.npz and so on."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("motion.npz")
    """The motion file; its settings are written beside it as NAME.json."""

    def run(self) -> Outcome:
        """Make the motion and say what was written."""
        from emohead.commands.progress import progress_bar
        from emohead.errors import InputError
        from emohead.export.base import motion_format
        from emohead.output import check_target, write_text

        chosen = motion_format(self.out)
        if not 1 <= self.takes <= MAX_TAKES:
            raise InputError(f"--takes {self.takes}: give 1 to {MAX_TAKES}")
        for target in self._targets().values():
            check_target(target)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from emohead.pipeline import animate, plan

            planned = plan(self.recording(), self.request(), progress=tell)
            if self.dry_run:
                return Outcome(to_json({**planned.settings, "takes": self.takes}), planned.warnings)
            targets = self._targets()
            for index, (seed, target) in enumerate(targets.items()):
                tell(0.1 + 0.9 * index / self.takes, "listening" if self.takes == 1 else f"take {index + 1} of {self.takes}")
                take = replace(planned, request=replace(planned.request, seed=seed))
                motion = animate(take)
                chosen.write(target, motion)
                write_text(f"{target}.json", to_json({**take.settings, "warnings": planned.warnings}) + "\n")
        names = ", ".join(map(str, targets.values()))
        frames = planned.prompt.n_frames
        return Outcome(f"wrote {names}: {chosen.title}, {frames} frames at {self.fps:g} per second", planned.warnings)

    def _targets(self) -> dict[int, Path]:
        """The file of each seed."""
        from emohead.export.base import MOTION_FORMATS

        if self.takes == 1:
            return {self.seed: self.out}
        suffix = next(suffix for suffix in MOTION_FORMATS if self.out.name.lower().endswith(suffix))
        name = self.out.name[: -len(suffix)]
        return {seed: self.out.with_name(f"{name}.seed{seed}{suffix}") for seed in range(self.seed, self.seed + self.takes)}
