"""Options that several commands share. Nothing heavy is imported here, so that `--help` answers at once."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from emohead.pipeline import Request

SAMPLE_SPEECH = "sample_speech.wav"
"""The spoken sample that ships, used when no recording is given."""
ReadingName = Literal["small", "minilm", "clip", "lexicon"]
"""The names of `controllers.understanding.READINGS`, here without loading anything."""


@dataclass(frozen=True)
class Outcome:
    """What a command has to say when it is done."""

    text: str
    """For the standard output."""
    warnings: tuple[str, ...] = ()
    """For the error stream, one line each."""
    exit_code: int = 0
    """Of the process."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What every command has."""

    debug: bool = False
    """Show the traceback of an error instead of one line."""


@dataclass(frozen=True, kw_only=True)
class TrainingCommand(Command):
    """Options of the commands that train a network."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")]
    """The weights to write (.safetensors)."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    """Mixed precision."""
    threads: int = 1
    """CPU threads; more than there are free cores makes it slower."""
    seed: int = 0
    """Of the corpus, the first weights and every batch."""
    dry_run: bool = False
    """Check everything, print the resolved settings and stop."""

    def settings(self) -> dict[str, Any]:
        """The options as JSON has them."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in vars(self).items() if name != "debug"}


@dataclass(frozen=True, kw_only=True)
class SpeechCommand(Command):
    """Options of the commands that make a voice move a face."""

    audio: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The voice: any common audio file, or a video with sound. Without it a spoken sample is used."""
    emotion: Annotated[str | None, tyro.conf.arg(metavar="SENTENCE")] = None
    """A sentence: "starts calm, then delighted surprise"."""
    label: Annotated[str | None, tyro.conf.arg(metavar="NAME[:STRENGTH][:SIDE]")] = None
    """One emotion throughout: happy, happy:0.8, smug:0.8:left; or valence and arousal (and dominance), -1 to 1: va:0.6,-0.2."""
    au: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="AU=VALUE")] = ()
    """An action unit throughout: AU12=0.6, or AU12L=0.6 for the left side only."""
    keyframes: Annotated[str | None, tyro.conf.arg(metavar="FILE[:upper]")] = None
    """Curves over time: .json, .csv (also OpenFace's and Live Link Face's) or .npz; with :upper the mouth is left to the speech."""
    reference: Annotated[str | None, tyro.conf.arg(metavar="FILE[:voice]")] = None
    """An expression like this clip's: a motion or a video (its face, or with :voice its voice), or a recording (its voice). Read only when
    asked for, and guessed."""
    reference_course: bool = False
    """With --reference: its course over time, stretched to the recording, instead of its mean expression."""
    from_voice: float = 0.0
    """How much of the expression that the voice itself suggests is shown, 0 to 1; a guess, read from the recording only when asked for."""
    transcript: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """The spoken words (words.txt) or timed phones (phones.TextGrid); then every p, b and m closes the lips."""
    script: Annotated[str | None, tyro.conf.arg(metavar="FILE|TEXT")] = None
    """The spoken words with tags, or a .txt file: "[delighted 0.8] We won. [then worried] But how?"; a --transcript may have tags too."""
    strict: bool = False
    """Refuse words that are not understood instead of taking the nearest meaning."""
    reading: ReadingName = "small"
    """What guesses the meaning of words that no table lists: small, minilm (extra `text`), clip (a model of yours), or lexicon
    (nothing)."""
    style: str = "default"
    """Manner of moving: default, calm, lively or presenter."""
    engine: Annotated[str, tyro.conf.arg(metavar="rules|diffusion|FILE")] = "rules"
    """What makes the motion: rules; diffusion, which draws another performance for every seed; or the file of a diffusion of your own."""
    intensity: float = 1.0
    """Strength of --emotion, --label, --reference and tags, 0 to 1.3; 1 is as described."""
    seed: int = 0
    """One seed gives one result."""
    fps: float = 25.0
    """Frames per second, 1 to 120."""
    dry_run: bool = False
    """Check everything, print the resolved settings and stop."""

    def recording(self) -> Path:
        """The voice that is used."""
        from emohead.assets import find

        return find(SAMPLE_SPEECH) if self.audio is None else self.audio

    def request(self) -> "Request":
        """The options as the pipeline takes them; a transcript must be a file here."""
        from emohead.errors import InputError
        from emohead.pipeline import Request

        if self.transcript is not None and not self.transcript.lower().endswith((".txt", ".textgrid")):
            raise InputError(f"--transcript {self.transcript}: give a .txt file with the words or a .TextGrid file with timed phones")
        return Request(
            emotion=self.emotion,
            label=self.label,
            au=self.au,
            keyframes=self.keyframes,
            transcript=self.transcript,
            script=self.script,
            intensity=self.intensity,
            seed=self.seed,
            style=self.style,
            fps=self.fps,
            strict=self.strict,
            reading=self.reading,
            engine=self.engine,
            reference=self.reference,
            reference_course=self.reference_course,
            from_voice=self.from_voice,
        )


def to_json(settings: dict[str, Any]) -> str:
    """Settings or results as readable JSON. Bytes of the command line that are no text become question marks."""
    return json.dumps(settings, indent=1, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
