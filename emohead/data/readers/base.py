"""What a reader of a corpus is: it lists the clips of a folder with their labels, and reads the motion of those that hold motion."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import AU_NAMES, RIG_NAMES
from emohead.data.clip_folder import SAMPLE_RATE, CorpusClip
from emohead.errors import InputError
from emohead.head.action_units import au_to_rig, rig_to_au
from emohead.media import probe, read_audio
from emohead.types import AUTrack, HeadMotion, Waveform

EMOTIONS: tuple[str, ...] = ("neutral", "calm", "happy", "sad", "surprised", "fearful", "angry", "disgusted", "contemptuous")
"""The names that labels of all corpora are brought to."""
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
AUDIO_SUFFIXES = (".wav", ".flac", ".m4a", ".mp3", ".ogg", ".opus")


@dataclass(frozen=True)
class CorpusAbout:
    """What is to be known about a corpus."""

    name: str
    """What commands and speakers' names call it."""
    title: str
    """Its own name."""
    layout: str
    """The files that are looked for."""
    source: str
    """Where it is to be had."""
    licence: str
    """Its terms, in short."""


@dataclass(frozen=True)
class ClipLabels:
    """What a clip's name or neighbours say about it; None where they say nothing."""

    speaker: str
    """`corpus/person`."""
    emotion: str | None = None
    """One of `EMOTIONS`."""
    intensity: float | None = None
    """How strong the emotion was meant, 0..1."""
    text: str | None = None
    """The words."""
    view: str | None = None
    """Where the camera stood."""


@dataclass(frozen=True)
class ClipFile:
    """One clip of a folder; nothing of it has been read but names and small labels."""

    name: str
    """Its path below the folder with `__` between folders, as `emohead track` names clips: unique."""
    labels: ClipLabels
    """What is known of it."""
    motion: Path | None = None
    """File of coefficients; None for a corpus of videos."""
    video: Path | None = None
    """Pictures, to be tracked by `emohead track` where there is no `motion`."""
    audio: Path | None = None
    """File with the voice: a sound file, or the video itself."""
    transcript: Path | None = None
    """TextGrid with timed words or phones."""


@runtime_checkable
class CorpusReader(Protocol):
    """Reader of one format."""

    @property
    def about(self) -> CorpusAbout:
        """What it reads."""
        ...

    def clips(self, folder: Path) -> list[ClipFile]:
        """The clips of a folder by name; InputError when there is none."""
        ...

    def read(self, clip: ClipFile) -> CorpusClip:
        """Motion, action units, voice and labels of one clip; InputError when it is damaged or a video that was not tracked."""
        ...


@dataclass(frozen=True)
class VideoCorpus:
    """A corpus of videos whose names are labels. Its motion comes from `emohead track FOLDER -o CORPUS` and `labelled`."""

    about: CorpusAbout
    """What it reads."""
    labels: Callable[[PurePosixPath], ClipLabels | None]
    """Labels of a path below the folder; None for a file that is no clip."""
    voice: Callable[[Path, Path], Path | None] = lambda folder, video: video
    """File with the voice of a video of a folder."""

    def clips(self, folder: Path) -> list[ClipFile]:
        """The videos of a folder, by name."""
        clips = []
        for path in files_below(self.about, folder, VIDEO_SUFFIXES):
            below = PurePosixPath(path.relative_to(folder).as_posix())
            labels = self.labels(below)
            if labels is not None:
                clips.append(ClipFile(clip_name(below), labels, video=path, audio=self.voice(folder, path)))
        return or_explain(self.about, folder, clips)

    def read(self, clip: ClipFile) -> CorpusClip:
        """Always an error: there is no motion before tracking."""
        raise InputError(f"{clip.video}: a video of {self.about.title}; track its folder first: emohead track FOLDER -o CORPUS")

    def labelled(self, tracked: CorpusClip, *, folder: Path | None = None) -> CorpusClip:
        """A clip of a tracked corpus with the labels that its video's name gives, and the voice from beside the video if it had none.

        Args:
            tracked: made by `emohead track FOLDER -o CORPUS` of this corpus's folder.
            folder: the corpus's folder; None leaves a silent clip silent.

        Raises:
            InputError: the clip's source is no video of this corpus.
        """
        source = PurePosixPath(str(tracked.meta.get("source", "")))
        labels = self.labels(source)
        if labels is None or ".." in source.parts:
            raise InputError(f"{source}: not named like a clip of {self.about.title} ({self.about.layout}); track the corpus's own folder")
        audio = tracked.audio
        if audio is None and folder is not None:
            audio = voice_of(self.voice(folder, folder / source))
        return CorpusClip(tracked.motion, tracked.au, audio, {**tracked.meta, **label_fields(self.about, labels)})


def files_below(about: CorpusAbout, folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files of a corpus's folder with one of the endings (any case), by name; hidden ones are left out.

    Raises:
        InputError: there is no such folder; the message says where the corpus is to be had.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; {about.title} is to be had from {about.source} ({about.licence})")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def or_explain(about: CorpusAbout, folder: Path, clips: list[ClipFile]) -> list[ClipFile]:
    """The clips themselves, or InputError that says what was expected and what is there."""
    if clips:
        return clips
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir() if not path.name.startswith("."))
    found = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "nothing"
    raise InputError(
        f"{folder}: not laid out as {about.title}: expected {about.layout}, found {found}; to be had from {about.source} ({about.licence})"
    )


def clip_name(below: PurePosixPath) -> str:
    """A clip's name from its path below the corpus's folder."""
    return "__".join(below.parts)


def beside(path: Path, stem: str, suffixes: Sequence[str]) -> Path | None:
    """The file in the same folder with this stem and the first of the endings, as given or in capitals, that there is."""
    candidates = (path.with_name(stem + ending) for suffix in suffixes for ending in (suffix, suffix.upper()))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def voice_of(path: Path | None) -> Waveform | None:
    """The sound of a file at 16 kHz; None where there is no file or a video without sound."""
    if path is None or not path.is_file() or probe(path).audio_codec is None:
        return None
    return read_audio(path, sample_rate=SAMPLE_RATE)


def label_fields(about: CorpusAbout, labels: ClipLabels) -> dict[str, Any]:
    """Labels as entries of a clip's `meta`; what is unknown is left out."""
    return {"corpus": about.name, **{key: value for key, value in asdict(labels).items() if value is not None}}


def motion_clip(
    about: CorpusAbout, clip: ClipFile, motion: HeadMotion, *, known: Sequence[str] = RIG_NAMES, head: bool = False, gaze: bool = False
) -> CorpusClip:
    """A clip of a motion corpus: its action units follow from the rig.

    Args:
        about: the corpus.
        clip: the file.
        motion: what was read.
        known: rig channels that the file has; an action unit counts as far as its channels are known.
        head: whether the head's rotation is known.
        gaze: whether the gaze is known.
    """
    weight = known_units(known).expand(motion.n_frames, -1).clone()
    pose_weight = torch.tensor([float(gaze), float(head)]).expand(motion.n_frames, -1).clone()
    au = AUTrack(motion.fps, rig_to_au(motion.rig), weight, motion.gaze.mean(1), motion.head_rotation.clone(), pose_weight)
    audio = voice_of(clip.audio)
    meta = {
        "source": str(clip.motion),
        "fps": motion.fps,
        "n_frames": motion.n_frames,
        "seconds": round(motion.n_frames / motion.fps, 3),
        "audio": audio is not None,
        "unknown": [name for name in RIG_NAMES if name not in known],
        "notes": _notes(motion, audio),
        **label_fields(about, clip.labels),
    }
    return CorpusClip(motion, au, audio, meta)


def known_units(known: Sequence[str]) -> Float[Tensor, " A"]:
    """How much of each action unit shows in given rig channels, 0..1: the share of its motion in them."""
    rig = au_to_rig(torch.eye(len(AU_NAMES)))  # [A, R]
    columns = torch.tensor([name in known for name in RIG_NAMES])
    return (rig[:, columns].sum(1) / rig.sum(1).clamp(min=1e-6)).clamp(0.0, 1.0)


def read_all(reader: CorpusReader, folder: Path) -> Iterator[CorpusClip]:
    """All clips of a folder in the order of their names, one in memory at a time."""
    for clip in reader.clips(folder):
        yield reader.read(clip)


def _notes(motion: HeadMotion, audio: Waveform | None) -> list[str]:
    if audio is None:
        return ["no voice beside it"]
    difference = audio.duration - motion.n_frames / motion.fps
    return [f"the voice is {difference:+.2f} s longer than the motion"] if abs(difference) > 0.2 else []
