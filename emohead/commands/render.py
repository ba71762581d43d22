"""`emohead render`: a voice and a sentence in, a talking-head video out."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from emohead.commands.options import Outcome, SpeechCommand, to_json

if TYPE_CHECKING:
    from emohead.types import HeadMotion


@dataclass(frozen=True, kw_only=True)
class Render(SpeechCommand):
    """Make a talking-head video: an avatar speaks a recording and shows the expression you describe."""

    motion: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Draw this motion (.npz of emohead animate, edit or track, or a Live Link Face .csv) instead of making one from the voice."""
    avatar: str = "demo"
    """The avatar: demo, or an .emo file."""
    size: int = 512
    """Side of the square picture in pixels, even, 64 to 2048."""
    device: str = "auto"
    """Where to draw: cpu, cuda, or auto for the fastest there is."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("emohead.mp4")
    """The video; its settings are written beside it as NAME.mp4.json."""

    def run(self) -> Outcome:
        """Render and say what was written."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.errors import InputError
        from emohead.output import check_target

        if self.out.suffix.lower() != ".mp4":
            raise InputError(f"--out {self.out}: videos are written as .mp4; for the motion alone use emohead animate")
        check_target(self.out)
        started = time.monotonic()
        # The rasterizer has its own threads, and two pools would only get in each other's way.
        torch.set_num_threads(1)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from emohead.pipeline import Pipeline, plan

            pipeline = Pipeline.from_pretrained(self.avatar, device=self.device)
            if self.motion is not None:
                performance = pipeline.play(self._given(self.motion), self.audio, size=self.size, progress=tell)
                if self.dry_run:
                    return Outcome(to_json(performance.request), performance.warnings)
            else:
                planned = plan(self.recording(), self.request(), progress=tell)
                if self.dry_run:
                    return Outcome(to_json({**planned.settings, **pipeline.settings(self.size)}), planned.warnings)
                performance = pipeline.perform(planned, size=self.size, progress=tell)
            notes = performance.save(self.out)
        made = f"{performance.n_frames} frames of {self.size}x{self.size} at {performance.fps:g} per second on {pipeline.device_name}"
        seconds = time.monotonic() - started
        return Outcome(f"wrote {self.out}: {made}, in {seconds:.1f} s", (*performance.warnings, *notes))

    def _given(self, motion: Path) -> "HeadMotion":
        from emohead.errors import InputError
        from emohead.export.base import read_motion

        asked = {
            "--emotion": self.emotion,
            "--label": self.label,
            "--au": self.au,
            "--keyframes": self.keyframes,
            "--reference": self.reference,
            "--transcript": self.transcript,
            "--script": self.script,
        }
        wrong = [name for name, value in asked.items() if value]
        if wrong:
            raise InputError(f"{wrong[0]} cannot change the motion of --motion {motion}; emohead edit can")
        return read_motion(motion)
