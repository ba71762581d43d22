"""`emohead reconstruct`: a video of a person in, an avatar out."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from emohead.commands.options import Command, Outcome, to_json


@dataclass(frozen=True, kw_only=True)
class Reconstruct(Command):
    """Make an avatar (.emo) of the person in a video, who must have agreed to it.

    draft, standard and high do 1,700, 7,000 and 20,000 training steps: about 3, 10 and 27 minutes of two cores for a clip of 16 seconds.
    The last tenth of the clip trains nothing and tells how good the result is.
    """

    video: tyro.conf.Positional[Path]
    """A clip of one person, 10 s or more: face the camera at rest, turn the head, speak, show expressions. Or one picture (.png, .jpg):
    then the inside of the mouth, the far side and all movement are invented."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("avatar.emo")
    """The avatar; settings and scores are written beside it as NAME.emo.json."""
    consent: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The person's consent: JSON with who, scope, date (YYYY-MM-DD) and, if wanted, expiry, statement, licence. Stored in the avatar."""
    consent_self: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Instead: you are the person, and this is your name."""
    quality: Literal["draft", "standard", "high"] = "standard"
    """How long to fit."""
    steps: int | None = None
    """Training steps instead of the quality's."""
    head: Annotated[str, tyro.conf.arg(metavar="generic|FILE")] = "generic"
    """The head model: generic, or the path of your FLAME file."""
    size: int = 512
    """Largest side of the pictures in pixels, a multiple of 16, 128 to 1024."""
    hold_out: float = 0.1
    """Share of the clip's end that trains nothing and is scored, 0 to 0.5."""
    face: int | None = None
    """Which of several people: 1 is the one seen most and largest."""
    seed: int = 0
    """One seed gives one result."""
    resume: bool = False
    """Go on where a stopped run of the same settings was."""
    checkpoint_seconds: float = 60.0
    """How often the fit is saved, for --resume and --preview."""
    preview: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png")] = None
    """Training pictures above the avatar doing the same, rewritten every minute."""
    views: Annotated[str | None, tyro.conf.arg(metavar="FOLDER|PIPELINE")] = None
    """For one picture: a folder of further pictures of the person, or a diffusers pipeline that you have, which makes them. Views that
    do not look like the person are left out, with the reason."""
    background: tuple[float, float, float] = (0.8, 0.8, 0.79)
    """The flat colour behind the avatar: red, green and blue, 0 to 1."""
    perceptual: float = 0.0
    """Weight of LPIPS on the face while fitting, 0 for none; 0.05 is much. Needs weights that do not come with EmoHead."""
    au_consistency: float = 0.0
    """Weight of a loss that keeps the learned calibration of the tracker from changing action units."""
    adversarial: float = 0.0
    """Weight of a critic of small crops, which makes them a little sharper and costs a sixth of the time; try 0.02."""
    device: str = "auto"
    """Where to draw: cpu, cuda, or auto for the fastest there is."""
    dry_run: bool = False
    """Check everything, print the resolved settings and stop."""

    def run(self) -> Outcome:
        """Reconstruct and say how good it is."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.consent import ask
        from emohead.errors import InputError
        from emohead.output import check_target

        agreed = ask(self.consent, self.consent_self)
        if self.out.suffix.lower() != ".emo":
            raise InputError(f"--out {self.out}: avatars are written as .emo")
        check_target(self.out)
        if self.size % 16 or not 128 <= self.size <= 1024:
            raise InputError(f"--size {self.size}: give a multiple of 16 from 128 to 1024")
        if not 0 <= self.hold_out <= 0.5:
            raise InputError(f"--hold-out {self.hold_out:g}: give a share from 0 to 0.5")
        if not all(0 <= value <= 1 for value in self.background):
            raise InputError(f"--background {' '.join(f'{value:g}' for value in self.background)}: give three numbers from 0 to 1")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"--steps {self.steps}: give at least 1")
        started = time.monotonic()
        torch.set_num_threads(1)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from emohead.raster import build_rasterizer
            from recon.extra_losses import ExtraLosses
            from recon.reconstruct import ReconstructConfig, check_request, reconstruct

            extra = ExtraLosses(self.perceptual, au_consistency=self.au_consistency, adversarial=self.adversarial)
            shared = {name: getattr(self, name) for name in ("quality", "steps", "size", "hold_out", "face", "background", "seed", "views")}
            config = ReconstructConfig(**shared, extra=extra)
            head, rasterizer = _head(self.head), build_rasterizer(self.device)
            if self.dry_run:
                check_request(self.video, config)
                return Outcome(
                    to_json({"video": str(self.video), "steps": config.n_steps, "size_px": self.size, "rasterizer": rasterizer.name})
                )
            made = reconstruct(
                self.video,
                self.out,
                head,
                rasterizer,
                agreed,
                config=config,
                resume=self.resume,
                preview=self.preview,
                checkpoint_seconds=self.checkpoint_seconds,
                progress=tell,
            )
        return Outcome(_summary(self.out, made.figures, time.monotonic() - started, made.avatar.n_gaussians), made.notes)


def _head(name: str):
    if name == "generic":
        from emohead.head.generic import load_generic

        return load_generic()
    from emohead.head.flame import load_flame

    return load_flame(name)


def _summary(out: Path, figures: dict, seconds: float, gaussians: int) -> str:
    text = f"wrote {out}: {gaussians} Gaussians, in {seconds / 60:.1f} minutes"
    if "held_out_full_psnr_db" not in figures:
        return text
    full, face = figures["held_out_full_psnr_db"], figures["held_out_face_psnr_db"]
    return f"{text}; held-out frames: {full:.2f} dB full, {face:.2f} dB face, SSIM {figures['held_out_face_ssim']:.3f} face"
