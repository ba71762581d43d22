"""One call from a voice and a sentence to a talking head: `Pipeline.from_pretrained("demo")("speech.wav", emotion="relieved")`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import UInt8
from torch import Tensor

import emohead
from emohead.assets import search_path
from emohead.avatar import read_emo, resolve_avatar, topology_digest
from emohead.errors import InputError
from emohead.head import load_head
from emohead.head.base import HeadModel
from emohead.media import read_audio
from emohead.motion.align import read_textgrid
from emohead.motion.rules import style_named
from emohead.motion.speech_to_motion import check_engine, speech_to_motion
from emohead.performance import Performance, Progress
from emohead.raster import build_rasterizer
from emohead.rendering import Renderer
from emohead.text_file import read_text_file
from emohead.types import AUTrack, HeadMotion, PhoneSegment, Waveform

if TYPE_CHECKING:
    from controllers.plan import TextPlan
    from controllers.reference import ReferenceController
    from controllers.understanding import Reading
    from controllers.voice import VoiceController

SILENCE_PEAK = 1e-3
"""A recording whose peak stays below this (-60 dB) has no voice in it."""
FPS_RANGE = (1.0, 120.0)
MAX_MISMATCH = 0.2
"""Seconds that a motion and its sound may differ before it is said."""
PLANNING_STARTS, LISTENING_STARTS = 0.02, 0.04
"""Shares of the work that are done by then; `performance.DRAWING_STARTS` follows."""
MAX_TRANSCRIPT_BYTES = 1 << 20


@dataclass(frozen=True)
class Request:
    """How a voice is to be performed."""

    emotion: str | None = None
    """A sentence: "starts calm, then delighted surprise"."""
    label: str | None = None
    """An emotion kept throughout, with a strength if wanted: `happy` or `happy:0.8`."""
    au: Sequence[str] = ()
    """Action units kept throughout: `AU12=0.6`, or `AU12L=0.6` for one side."""
    keyframes: str | Path | None = None
    """Curves over time: .json, .csv (OpenFace and Live Link Face too) or .npz; `FILE:upper` leaves the mouth to the speech."""
    transcript: str | Path | Sequence[PhoneSegment] | None = None
    """The spoken words: a .txt file, a .TextGrid file with timed phones, the words themselves, or timed phones; words may have tags."""
    script: str | Path | None = None
    """The spoken words with tags of expression, or a .txt file of them: `[delighted 0.8] We won. [then worried] But how?`"""
    intensity: float = 1.0
    """Strength of label, sentence and tags, 0..1.3; 1 is as described. Action units are taken as given."""
    seed: int = 0
    """One seed gives one performance."""
    style: str = "default"
    """Manner of moving, a name of `motion.rules.STYLES`."""
    fps: float = 25.0
    """Frames per second, 1..120."""
    strict: bool = False
    """Refuse words that are not understood instead of taking the nearest meaning."""
    reading: str = "small"
    """What guesses the meaning of words that no table lists: `small`, `minilm` (extra `text`), `clip` (a model of yours), or `lexicon`
    (nothing)."""
    reference: str | Path | None = None
    """A clip whose expression is shown: a motion (.npz, .csv), a video (its face; `FILE:voice` its voice) or a recording (its voice). Reads
    emotion from a face or a voice: off unless asked for."""
    reference_course: bool = False
    """Show the reference's course over time, stretched to the recording; else its mean expression throughout."""
    from_voice: float = 0.0
    """How much of the expression that the voice itself suggests is shown, 0..1. Reads emotion from the recording: off unless asked for."""
    engine: str = "rules"
    """What makes the motion: `rules`, `diffusion`, or the file of a diffusion of your own (`emohead train motion`)."""


@dataclass(frozen=True)
class Plan:
    """A request that was checked against its recording: everything is known but the motion."""

    audio: Waveform
    """The voice as it was heard, mono at 16 kHz."""
    sound: Path | Waveform
    """The original recording."""
    transcript: str | Sequence[PhoneSegment] | None
    """Words or timed phones."""
    prompt: AUTrack
    """The action units that were asked for, one row per frame."""
    request: Request
    """What was asked for."""
    warnings: tuple[str, ...]
    """What the user should know, one line each."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that was asked for, ready for JSON."""
        audio = "samples" if isinstance(self.sound, Waveform) else str(self.sound)
        asked = {**asdict(self.request), "transcript": _transcript_name(self.request.transcript)}
        files = {name: getattr(self.request, name) for name in ("keyframes", "script", "reference")}
        asked |= {name: None if value is None else str(value) for name, value in files.items()}
        length = {"audio_duration_s": round(self.audio.duration, 4), "frames": self.prompt.n_frames}
        return {"audio": audio, **length, **asked, "emohead": emohead.__version__}


@dataclass(frozen=True)
class Chunk:
    """A few frames of a stream."""

    motion: HeadMotion
    """What the head does."""
    pictures: Iterator[UInt8[Tensor, "H W 3"]]
    """Drawn when they are asked for."""


@dataclass(frozen=True)
class Pipeline:
    """An avatar, ready to perform."""

    renderer: Renderer
    """Draws the avatar."""
    avatar_path: Path
    """The file it came from."""

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, *, device: str = "auto", n_threads: int | None = None) -> "Pipeline":
        """Load an avatar.

        Args:
            name_or_path: `demo`, an .emo file, or a folder with one .emo file in it.
            device: `cpu`, `cuda`, or `auto`, which picks the fastest there is; `pipeline.device_name` says which.
            n_threads: processor threads of the CPU rasterizer; None takes what is there.

        Raises:
            InputError: no such avatar, a damaged file, or one made for another head model.
            VerificationError: the file was changed after it was written.
            ResourceError: the device is not there.
        """
        path = _avatar_file(name_or_path)
        avatar, record = read_emo(path)
        head = _head_called(avatar.head)
        if topology_digest(head.triangles) != record.topology:
            raise InputError(f"{path}: made for another version of the {avatar.head} head model; reconstruct the avatar again")
        rasterizer = build_rasterizer(device, n_threads=n_threads)
        place = torch.device("cuda" if rasterizer.name == "gsplat" else "cpu")
        return cls(Renderer(avatar.to(place), head.to(place), rasterizer, place), path)

    @property
    def device_name(self) -> str:
        """Where and with what pictures are drawn: `cpu (cpu)` or `cuda (gsplat)`."""
        return f"{self.renderer.device.type} ({self.renderer.rasterizer.name})"

    def __call__(
        self,
        audio: str | Path | Waveform,
        request: Request | None = None,
        *,
        size: int = 512,
        progress: Progress | None = None,
        **asked: Any,
    ) -> Performance:
        """Let the avatar speak: `pipe("speech.wav", emotion="tearful, then relieved", seed=0)`.

        Args:
            audio: a recording of any common format, or samples.
            request: how it is to be performed.
            size: side of the square pictures in pixels, even.
            progress: called with the share done and what is going on, here and while the performance is saved.
            asked: fields of `Request`, in place of or over those of `request`.

        Returns:
            The performance; its pictures are drawn when they are asked for.

        Raises:
            InputError: anything in the request or the recording that cannot be used.
            TypeError: an option that `Request` does not have.
        """
        request = replace(request or Request(), **asked)
        return self.perform(plan(audio, request, progress=progress), size=size, progress=progress)

    def perform(self, planned: Plan, *, size: int = 512, progress: Progress | None = None) -> Performance:
        """The performance of a plan; its pictures are drawn when they are asked for."""
        camera = self.renderer.camera(size)
        _tell(progress, LISTENING_STARTS, "listening")
        motion = animate(planned)
        settings = {**planned.settings, **self.settings(size)}
        return Performance(
            planned.audio, planned.sound, motion, planned.prompt, settings, planned.warnings, self.renderer, camera, progress
        )

    def play(
        self, motion: HeadMotion, audio: str | Path | Waveform | None = None, *, size: int = 512, progress: Progress | None = None
    ) -> Performance:
        """Let the avatar do a motion that is there already: of `animate`, edited, tracked, or of another tool.

        Args:
            motion: what the head does (`export.base.read_motion`).
            audio: its sound; None makes a silent video.
            size: side of the square pictures in pixels, even.
            progress: told the share done while the performance is saved.

        Raises:
            InputError: a recording or a size that cannot be used.
        """
        camera, seconds = self.renderer.camera(size), motion.n_frames / motion.fps
        voice = Waveform(torch.zeros(round(16000 * seconds)), 16000) if audio is None else audio
        heard = voice if isinstance(voice, Waveform) else read_audio(voice)
        warnings = ()
        if abs(heard.duration - seconds) > MAX_MISMATCH:
            warnings = (f"the motion lasts {seconds:.2f} s, its sound {heard.duration:.2f} s: the video is as long as the motion",)
        sound = audio if audio is None or isinstance(audio, Waveform) else Path(audio)
        settings = {"frames": motion.n_frames, "fps": motion.fps, **self.settings(size), "emohead": emohead.__version__}
        nothing = AUTrack.neutral(motion.n_frames, motion.fps)
        return Performance(heard, sound, motion, nothing, settings, warnings, self.renderer, camera, progress)

    def stream(self, pieces: Iterable[Waveform], *, emotion: str | None = None, seed: int = 0, size: int = 512) -> Iterator["Chunk"]:
        """Let the avatar speak while the speaker still speaks: sound in pieces of any length, chunks of motion and pictures out.

        The diffusion draws the motion (`motion.streaming`, which has more settings, and takes new wishes on the way); 25 frames per second.

        Args:
            pieces: mono sound as it comes.
            emotion: a sentence, performed in the first four seconds; the face keeps to its end.
            seed: one seed, one take.
            size: side of the square pictures in pixels, even.

        Raises:
            InputError: NaN samples, a sentence that cannot be used, or the diffusion's weights are not there.
        """
        from controllers.control import control
        from emohead.motion.diffusion_engine import DiffusionEngine
        from emohead.motion.streaming import stream_motion

        camera = self.renderer.camera(size)
        prompt = control(100, 25.0, sentence=emotion).track if emotion else None
        for motion in stream_motion(DiffusionEngine.load(), pieces, prompt=prompt, seed=seed):
            yield Chunk(motion, self.renderer.frames(motion, camera))

    def settings(self, size: int) -> dict[str, Any]:
        """Who is drawn where and how large, ready for JSON."""
        self.renderer.camera(size)
        return {"avatar": str(self.avatar_path), "size": size, "device": self.device_name}


def plan(audio: str | Path | Waveform, request: Request | None = None, *, progress: Progress | None = None) -> Plan:
    """Read and check everything that a request needs.

    Raises:
        InputError: anything in the request or the recording that cannot be used.
    """
    from controllers.control import control
    from controllers.keyframe_files import read_keyframes

    request = request or Request()
    if not FPS_RANGE[0] <= request.fps <= FPS_RANGE[1]:
        raise InputError(f"fps {request.fps} is out of range; give {FPS_RANGE[0]:g} to {FPS_RANGE[1]:g}")
    style_named(request.style)
    check_engine(request.engine)
    reading = _reading(request.reading)
    transcript = read_transcript(request.transcript)
    keyframes = None if request.keyframes is None else read_keyframes(request.keyframes)
    reference = _reference(request, progress)
    _tell(progress, 0.0, "reading the recording")
    voice = audio if isinstance(audio, Waveform) else read_audio(audio)
    _tell(progress, PLANNING_STARTS, "planning the expression")
    n_frames = max(1, round(voice.duration * request.fps))
    tagged = _tagged(request, voice, transcript, n_frames / request.fps)
    controlled = control(
        n_frames,
        request.fps,
        sentence=request.emotion,
        label=request.label,
        sliders=request.au,
        intensity=request.intensity,
        strict=request.strict,
        reading=reading,
        seed=request.seed,
        guessed=[*_heard(request, voice), *([reference] if reference else [])],
        keyframes=keyframes,
        tags=tagged.plan,
    )
    notices = [VOICE_NOTICE] if request.from_voice else []
    notices += [reference.notice] if reference else []
    silent = ["the recording is silent: the mouth stays closed"] if float(voice.samples.abs().max()) < SILENCE_PEAK else []
    sound = audio if isinstance(audio, Waveform) else Path(audio)
    return Plan(voice, sound, tagged.transcript, controlled.track, request, (*notices, *tagged.warnings, *controlled.warnings, *silent))


def animate(planned: Plan) -> HeadMotion:
    """The motion of any head that speaks as planned; no avatar is needed."""
    request = planned.request
    return speech_to_motion(
        planned.audio,
        prompt=planned.prompt,
        transcript=planned.transcript,
        fps=request.fps,
        seed=request.seed,
        style=request.style,
        engine=request.engine,
    )


def understand(sentence: str, *, duration: float | None = None, strict: bool = False, reading: str = "small") -> "TextPlan":
    """What a sentence means: the action units, gaze and head over time, and what was not understood; arguments as of `Request`.

    Raises:
        InputError: too long, with `strict` an unknown word, or an unknown reading.
        ResourceError: the reading needs an extra that is not installed.
    """
    from controllers.doubts import understood

    return understood(sentence, duration=duration, strict=strict, reading=_reading(reading))


def read_transcript(transcript: str | Path | Sequence[PhoneSegment] | None) -> str | Sequence[PhoneSegment] | None:
    """The words of a .txt file, the phones of a .TextGrid file; words and phones themselves pass through.

    Raises:
        InputError: a file that is missing, empty, too large or not text.
    """
    if transcript is None or not isinstance(transcript, (str, Path)):
        return transcript
    path = Path(transcript) if isinstance(transcript, Path) or transcript.lower().endswith((".txt", ".textgrid")) else None
    if path is None:
        return str(transcript)
    if path.suffix.lower() == ".textgrid":
        return read_textgrid(path)
    remedy = "give a .txt file with the spoken words or a .TextGrid file with timed phones"
    return read_text_file(path, what="transcript", limit=MAX_TRANSCRIPT_BYTES, remedy=remedy, contents="the words of this recording")


VOICE_NOTICE = "the expression is guessed from the voice, as asked for; it says nothing about what that person feels"


def _heard(request: Request, voice: Waveform) -> "list[VoiceController]":
    if not request.from_voice:
        return []
    from controllers.voice import VoiceController

    return [VoiceController(voice, request.from_voice)]


def _reference(request: Request, progress: Progress | None) -> "ReferenceController | None":
    if request.reference is None:
        if request.reference_course:
            raise InputError("the course of a reference was asked for without a reference; give one")
        return None
    from controllers.reference import ReferenceController, read_reference
    from emohead.commands.reference_files import read_source, reference_file

    file = reference_file(request.reference)
    _tell(progress, 0.0, f"looking at {file.path.name}")
    found = read_reference(read_source(file, progress=lambda share, text: _tell(progress, PLANNING_STARTS * share, text)))
    return ReferenceController(found, file.notice, course=request.reference_course, intensity=request.intensity, seed=request.seed)


@dataclass(frozen=True)
class _Tagged:
    """A script in time: its tags as a plan, and what the mouth is told."""

    transcript: str | Sequence[PhoneSegment] | None
    plan: "TextPlan | None" = None
    warnings: tuple[str, ...] = ()


def _tagged(request: Request, voice: Waveform, transcript: str | Sequence[PhoneSegment] | None, duration: float) -> _Tagged:
    from controllers.tags import has_tags, parse_script, script_to_plan
    from controllers.word_times import word_times

    script = read_transcript(request.script)
    if script is None:
        if not isinstance(transcript, str) or not has_tags(transcript):
            return _Tagged(transcript)
        script, transcript = transcript, None
    if isinstance(transcript, str):
        raise InputError("the words are given twice, as script and as transcript; give the script alone, or a .TextGrid as transcript")
    if not isinstance(script, str):
        raise InputError(f"script {request.script}: give words with tags or a .txt file of them; a .TextGrid goes with it as transcript")
    parsed = parse_script(script)
    textgrid = Path(request.transcript) if transcript is not None and isinstance(request.transcript, (str, Path)) else None
    timed = word_times(parsed, voice, phones=transcript, textgrid=textgrid, strict=request.strict)
    tags = script_to_plan(
        parsed, timed.words, duration, intensity=request.intensity, strict=request.strict, reading=_reading(request.reading)
    )
    return _Tagged(timed.phones, tags, timed.warnings)


def _reading(name: str) -> "Reading":
    from controllers.understanding import READINGS

    for reading in READINGS:
        if name == reading:
            return reading
    raise InputError(f"unknown reading {name!r}; use one of {', '.join(READINGS)}")


def _head_called(name: str) -> HeadModel:
    if name != "flame":
        return load_head(name)
    files = [folder / file for folder in search_path() for file in ("flame.npz", "flame.pkl")]
    present = next((file for file in files if file.is_file()), None)
    if present is None:
        raise InputError(
            "this avatar needs the FLAME model, which does not ship; put your flame.pkl or flame.npz into a folder of EMOHEAD_ASSETS"
        )
    return load_head(present)


def _tell(progress: Progress | None, share: float, text: str) -> None:
    if progress is not None:
        progress(share, text)


def _transcript_name(transcript: str | Path | Sequence[PhoneSegment] | None) -> str | None:
    if transcript is None or isinstance(transcript, (str, Path)):
        return None if transcript is None else str(transcript)
    return f"{len(transcript)} timed phones"


def _avatar_file(name_or_path: str | Path) -> Path:
    folder = Path(name_or_path)
    shipped = any((place / f"{name_or_path}.emo").is_file() for place in search_path())
    # A folder of the same name does not hide a shipped avatar.
    if shipped or not folder.is_dir():
        return resolve_avatar(name_or_path)
    found = sorted(folder.glob("*.emo"))
    if len(found) != 1:
        raise InputError(f"{folder}: holds {len(found)} .emo files; give the path of one")
    return found[0]
