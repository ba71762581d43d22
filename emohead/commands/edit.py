"""`emohead edit`: change a part of a performance and leave the rest as it is."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from emohead.commands.options import Outcome, SpeechCommand, to_json

if TYPE_CHECKING:
    from emohead.motion.editing import Edit, Keyframe


@dataclass(frozen=True, kw_only=True)
class EditMotion(SpeechCommand):
    """Draw a span of a motion anew, set keyframes, keep parts of the face: by the diffusion, with the rest left to the bit.

    emohead edit motion.npz --audio speech.wav --span 1 2.5 --emotion "amused" --lock mouth -o better.npz
    """

    motion: tyro.conf.Positional[Path]
    """The motion to change: .npz, or a Live Link Face .csv."""
    span: tuple[float, float] | None = None
    """Seconds from and to which it is drawn anew; frames further than .2 s from it stay as they are. By default
    the half seconds around the keyframes, or without any the whole motion."""
    key: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="SECONDS:CHANNEL=VALUE")] = ()
    """What a channel must be at a time: 1.2:browInnerUp=0.9, also headYaw, headPitch, headRoll, gazeYaw, gazePitch (radians)."""
    lock: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="PART")] = ()
    """What stays as it is: mouth, upper, head, gaze, or a channel."""
    engine: Annotated[str, tyro.conf.arg(metavar="diffusion|FILE")] = "diffusion"
    """What draws: the diffusion that ships, or the file of one of your own."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("edited.npz")
    """The motion file; its settings are written beside it as NAME.json."""

    def run(self) -> Outcome:
        """Edit and say what was written."""
        from emohead.commands.progress import progress_bar
        from emohead.export.base import motion_format, read_motion
        from emohead.output import check_target, write_text

        chosen = motion_format(self.out)
        check_target(self.out)
        edit = self._edit()
        with progress_bar() as tell:
            tell(0.0, "loading")
            from emohead.motion.editing import check_edit, edited
            from emohead.motion.speech_to_motion import diffusion_for
            from emohead.pipeline import plan

            original = read_motion(self.motion)
            check_edit(edit, original.n_frames / original.fps)
            planned = plan(self.recording(), replace(self.request(), fps=original.fps), progress=tell)
            self._check_length(planned.prompt.n_frames, original.n_frames, original.fps)
            settings = {**planned.settings, **self._settings()}
            if self.dry_run:
                return Outcome(to_json(settings), planned.warnings)
            tell(0.2, "drawing")
            asked = {"transcript": planned.transcript, "seed": self.seed, "style": self.style, "engine": self.engine}
            engine, speech = diffusion_for(planned.audio, **asked)
            motion = edited(engine, original, edit, planned.audio, speech, prompt=planned.prompt, seed=self.seed)
            chosen.write(self.out, motion)
        write_text(f"{self.out}.json", to_json({**settings, "warnings": planned.warnings}) + "\n")
        span = edit.drawn(original.n_frames / original.fps)
        drawn = "drawn anew" if span is None else f"{span[0]:.2f} to {span[1]:.2f} s drawn anew"
        text = f"wrote {self.out}: {chosen.title}, {motion.n_frames} frames at {motion.fps:g} per second, {drawn}"
        return Outcome(text, planned.warnings)

    def _edit(self) -> "Edit":
        from emohead.motion.editing import Edit

        return Edit(self.span, tuple(keyframe(text) for text in self.key), self.lock)

    def _check_length(self, heard: int, there: int, fps: float) -> None:
        from emohead.errors import InputError

        if heard != there:
            raise InputError(
                f"{self.motion}: {there / fps:.2f} s of motion, but the recording lasts {heard / fps:.2f} s; give the voice it was made for"
            )

    def _settings(self) -> dict[str, Any]:
        return {"motion": str(self.motion), "span": self.span, "key": self.key, "lock": self.lock}


def keyframe(text: str) -> "Keyframe":
    """`1.2:browInnerUp=0.9,jawOpen=0.1` as a keyframe.

    Raises:
        InputError: another form.
    """
    from emohead.errors import InputError
    from emohead.motion.editing import Keyframe

    time, _, pairs = text.partition(":")
    try:
        values = {name.strip(): float(value) for name, value in (pair.split("=") for pair in pairs.split(","))}
        return Keyframe(float(time), values)
    except ValueError as error:
        raise InputError(f"--key {text!r}: give SECONDS:CHANNEL=VALUE, such as 1.2:browInnerUp=0.9") from error
