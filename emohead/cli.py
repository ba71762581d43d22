"""The command line: `emohead COMMAND`. Failures are one line on the error stream; exit codes are those of `emohead.errors`."""

import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from types import TracebackType
from typing import Annotated, Any

import tyro

from emohead.commands.animate import Animate
from emohead.commands.assets import Assets
from emohead.commands.describe_au import Au
from emohead.commands.doctor import Doctor
from emohead.commands.edit import EditMotion
from emohead.commands.evaluate import EvaluateRecon
from emohead.commands.evaluate_binding import EvaluateBinding
from emohead.commands.evaluate_motion import EvaluateMotion
from emohead.commands.evaluate_text import EvaluateText
from emohead.commands.inspect import Inspect
from emohead.commands.interruption import Interruption
from emohead.commands.nearest import Nearest
from emohead.commands.options import Command, Outcome
from emohead.commands.reconstruct import Reconstruct
from emohead.commands.render import Render
from emohead.commands.track import Track
from emohead.commands.train import TrainMotion
from emohead.commands.train_binding import TrainBinding
from emohead.commands.train_speech_to_au import TrainSpeechToAU
from emohead.commands.train_text_to_au import TrainTextToAU
from emohead.commands.verify import Verify
from emohead.errors import EmoheadError, InputError, ResourceError

DESCRIPTION = "From a voice and a sentence to a talking-head video, with 3D Gaussian avatars, on a bare machine."


@dataclass(frozen=True, kw_only=True)
class Demo(Command):
    """Serve the browser demo: avatar, voice and sentence in, video out. Nothing leaves this machine."""

    host: str = "127.0.0.1"
    """Address to listen at; one that others can reach needs --auth."""
    port: int = 7860
    """Port to listen at."""
    device: str = "auto"
    """Where to draw: cpu, cuda, or auto for the fastest there is."""
    auth: str | None = None
    """NAME:PASSWORD that visitors must give."""

    def run(self) -> Outcome:
        """Serve until interrupted."""
        try:
            from demo.app import launch
        except ModuleNotFoundError as error:
            raise ResourceError(f"the demo needs {error.name}; pip install 'emohead[demo]'") from error
        name, colon, password = (self.auth or "").partition(":")
        if self.auth is not None and not (name and colon and password):
            raise InputError("--auth needs the form NAME:PASSWORD")
        print(f"http://{self.host}:{self.port} (stop with Ctrl-C)", flush=True)
        launch(host=self.host, port=self.port, device=self.device, auth=(name, password) if self.auth else None)
        return Outcome("")


Evaluate = (
    Annotated[EvaluateRecon, tyro.conf.subcommand("recon")]
    | Annotated[EvaluateMotion, tyro.conf.subcommand("motion")]
    | Annotated[EvaluateText, tyro.conf.subcommand("text")]
    | Annotated[EvaluateBinding, tyro.conf.subcommand("binding")]
)
Train = (
    Annotated[TrainMotion, tyro.conf.subcommand("motion")]
    | Annotated[TrainSpeechToAU, tyro.conf.subcommand("speech-to-au")]
    | Annotated[TrainTextToAU, tyro.conf.subcommand("text-to-au")]
    | Annotated[TrainBinding, tyro.conf.subcommand("binding")]
)
Commands = (
    Annotated[Doctor, tyro.conf.subcommand("doctor")]
    | Annotated[Render, tyro.conf.subcommand("render")]
    | Annotated[Animate, tyro.conf.subcommand("animate")]
    | Annotated[EditMotion, tyro.conf.subcommand("edit")]
    | Annotated[Au, tyro.conf.subcommand("au")]
    | Annotated[Nearest, tyro.conf.subcommand("nearest")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Reconstruct, tyro.conf.subcommand("reconstruct")]
    | Annotated[Track, tyro.conf.subcommand("track")]
    | Annotated[Inspect, tyro.conf.subcommand("inspect")]
    | Annotated[Assets, tyro.conf.subcommand("assets")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Train, tyro.conf.subcommand("train", description="Make the networks that ship, or your own.")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate", description="Measure avatars, how faces are moved, how words are understood.")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal cannot show (emoji on some, bytes that are no text on all) is no reason to fail.
            stream.reconfigure(errors="replace")
    try:
        command = parse(sys.argv[1:] if arguments is None else arguments)
    except InputError as error:
        return _report(error)
    if not command.debug:
        sys.excepthook = _report_own_fault
    try:
        with _short_warnings(), Interruption():
            outcome = command.run()
    except EmoheadError as error:
        return _report(error, debug=command.debug)
    except (MemoryError, RuntimeError) as error:
        # Torch reports memory that it cannot get as a plain RuntimeError.
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        return _report(ResourceError("out of memory; give a smaller --size or a shorter recording"), debug=command.debug, cause=error)
    for warning in outcome.warnings:
        print(f"emohead: warning: {warning}", file=sys.stderr)
    if outcome.text:
        _say(outcome.text)
    return outcome.exit_code


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # `emohead au .. | head`: the reader has seen enough, and nothing more must be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(arguments: Sequence[str]) -> Any:
    """The command that the arguments name; `--help` prints and exits.

    Raises:
        InputError: unknown or missing options, values of another type.
    """
    complaint = io.StringIO()
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff)
    try:
        with redirect_stderr(complaint):
            return tyro.cli(Commands, prog="emohead", description=DESCRIPTION, args=list(arguments), config=config)  # type: ignore[arg-type]
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise InputError(_one_line(complaint.getvalue())) from None


def _one_line(box: str) -> str:
    """Tyro's framed complaint as one line: what stands between its title and the next rule, and the way to the help."""
    lines = [line for line in (line.strip("│╭╮╰╯ ") for line in box.splitlines()) if line]
    body = list(dropwhile(_is_rule, lines[1:]))
    said = " ".join(" ".join(takewhile(lambda line: not _is_rule(line), body)).split())
    return f"{said.rstrip('.')}; see emohead --help"


def _is_rule(line: str) -> bool:
    return set(line) <= set("─-")


def _report(error: EmoheadError, *, debug: bool = False, cause: BaseException | None = None) -> int:
    if debug:
        traceback.print_exception(cause or error)
    print(f"emohead: error: {' '.join(str(error).split())}", file=sys.stderr)
    return error.exit_code


def _report_own_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    print(
        f"emohead: error: our own fault, please report it: {kind.__name__}: {' '.join(str(error).split())} (see --debug)", file=sys.stderr
    )


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Warnings raised on the way are one line as well."""

    def show(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
        print(f"emohead: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


if __name__ == "__main__":
    sys.exit(main())
