"""`emohead evaluate recon`: how good a reconstruction is, in one table."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from emohead.commands.options import Command, Outcome, to_json

if TYPE_CHECKING:
    from emohead.performance import Progress
    from recon.evaluation import Evaluation
    from recon.scores import Figures
    from recon.subject import Subject
    from recon.types import Footage, TrackedSequence

Split = Literal["tail10", "insta350", "flashavatar500", "ernerf", "instag", "none"]


@dataclass(frozen=True, kw_only=True)
class EvaluateRecon(Command):
    """Measure an avatar: drive it by a clip's landmarks and compare it with frames that were held out of its making.

    The table has PSNR and SSIM (11x11 window, sigma 1.5) over the full frame and the face (landmark box and 12 %), against the avatar's
    flat background; the nearest training frame as an oracle; training frames and the gap to them; landmark distances, jitter, speed.
    Frames count as held out only if the avatar was made with the same split.
    """

    avatar: tyro.conf.Positional[str]
    """The avatar: demo, or an .emo file."""
    video: tyro.conf.Positional[Path]
    """The clip it was made from; or a capture folder with capture.json, the video and its true matte."""
    split: Split = "tail10"
    """Frames held out at the clip's end: the last tenth, 350 (INSTA), 500 (FlashAvatar), an eleventh (ER-NeRF), 12 s (InsTaG), or none."""
    driver: Literal["landmarks", "photometric"] = "landmarks"
    """photometric adds a row in which each test frame's motion is refined on its own pixels; such a row peeks."""
    gaze: Literal["pictures", "landmarks"] = "pictures"
    """Where the meaning of the eye landmarks comes from: learned from the eyes in training pictures, or taken as they are."""
    face: int | None = None
    """Which person of the clip, 1 for the one seen most and largest; as when the avatar was made."""
    novel: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Capture folder with novel.json: also score what other cameras see."""
    cross: Annotated[Path | None, tyro.conf.arg(metavar="VIDEO")] = None
    """Another person's clip: also drive the avatar by it."""
    sheets: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Write contact sheets (PNG) into this folder; it is made if it is not there."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write all figures as JSON, flat, with units in the keys."""
    device: str = "auto"
    """Where to draw: cpu, cuda, or auto for the fastest there is."""

    def run(self) -> Outcome:
        """Measure and print the table."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.output import check_target, write_text

        if self.json:
            check_target(self.json)
        if self.sheets:
            _make_folder(self.sheets)
        torch.set_num_threads(1)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from recon.evaluation import EvaluationConfig, evaluate, follow
            from recon.evaluation_sheets import write_evaluation_sheets
            from recon.evaluation_table import table
            from recon.splits import read_clip
            from recon.subject import Subject

            subject = Subject.load(self.avatar, device=self.device)
            camera = subject.renderer.avatar.camera
            size = max(camera.width, camera.height)
            footage = read_clip(self.video, split=self.split, size=size, face=self.face, progress=_within(tell, 0.0, 0.3))
            tell(0.3, "following the head")
            tracked = follow(subject, footage, eyes=self.gaze == "pictures")
            evaluation = evaluate(subject, footage, tracked, config=EvaluationConfig(driver=self.driver), progress=_within(tell, 0.35, 0.8))
            if self.sheets:
                write_evaluation_sheets(evaluation, footage.landmarks, self.sheets)
            figures = evaluation.figures | self._others(subject, footage, tracked, tell)
        about = {"avatar": self.avatar, "video": str(self.video), "split": self.split, "gaze": self.gaze}
        if self.json:
            write_text(self.json, to_json({**about, **figures, "notes": evaluation.notes}) + "\n")
        return Outcome(_with_notes(table(figures), evaluation), seen_in_training(self.avatar, footage))

    def _others(self, subject: "Subject", footage: "Footage", tracked: "TrackedSequence", tell: "Progress") -> "Figures":
        """Other cameras and other people, where asked for."""
        from recon.cross_reenactment import score_cross
        from recon.evaluation_sheets import write_cross_sheet, write_novel_sheet
        from recon.novel_views import score_novel_views
        from recon.splits import read_clip

        figures: Figures = {}
        if self.novel:
            novel = score_novel_views(subject, tracked, self.novel, progress=_within(tell, 0.8, 0.9))
            figures |= novel.figures
            if self.sheets:
                write_novel_sheet(novel, self.sheets)
        if self.cross:
            size = max(footage.frames.images.shape[1:3])
            other = read_clip(self.cross, split="none", size=size, progress=_within(tell, 0.9, 0.94))
            cross = score_cross(subject, other, progress=_within(tell, 0.94, 1.0))
            figures |= cross.figures
            if self.sheets:
                write_cross_sheet(cross, self.sheets)
        return figures


def _within(tell: "Progress", start: float, stop: float) -> "Progress":
    return lambda share, text: tell(start + (stop - start) * share, text)


def _with_notes(text: str, evaluation: "Evaluation") -> str:
    return "\n".join([text, "", *evaluation.notes])


def seen_in_training(avatar: str, footage: "Footage") -> tuple[str, ...]:
    """A warning if the settings beside the avatar say that fewer frames were held out when it was made."""
    import json

    beside = Path(f"{avatar}.json")
    if not beside.is_file() or beside.stat().st_size > 1 << 20:
        return ()
    try:
        made = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError:
        return ()
    kept = made.get("hold_out") if isinstance(made, dict) else None
    asked = float(footage.held_out.float().mean())
    if not isinstance(kept, (int, float)) or kept > asked - 0.5 / len(footage.held_out):
        return ()
    return (
        f"{avatar} was made with --hold-out {kept:g}, so some of the held-out {asked:.0%} of the frames trained it: scores are too good",
    )


def _make_folder(folder: Path) -> None:
    from emohead.errors import InputError
    from emohead.output import output_error

    if folder.exists() and not folder.is_dir():
        raise InputError(f"--sheets {folder} is a file; give a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
