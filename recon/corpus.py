"""A folder of videos -> a training corpus: every clip tracked, with its action units and its voice.

A clip that is there already is left alone, so the same command goes on after a stop. A clip that cannot be used becomes a row of
`failures.jsonl` and does not stop the others.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emohead.data.clip_folder import SAMPLE_RATE, CorpusClip, read_meta, write_clip
from emohead.errors import InputError
from emohead.head.base import HeadModel
from emohead.media import probe, read_audio
from emohead.output import write_text
from emohead.types import Waveform
from recon.clip_tracking import TrackedClip, track_clip

Progress = Callable[[float, str], None]
"""Told the share done, 0..1, and what is going on."""
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
FAILURES_FILE = "failures.jsonl"


@dataclass(frozen=True)
class CorpusReport:
    """What became of a folder of videos."""

    made: tuple[str, ...]
    """Clips tracked now."""
    kept: tuple[str, ...]
    """Clips that were there already."""
    failed: tuple[str, ...]
    """Videos that cannot be used, one line each."""


def find_videos(folder: Path) -> list[Path]:
    """All videos below `folder` by name.

    Raises:
        InputError: there is none.
    """
    videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())
    if not videos:
        raise InputError(f"{folder}: no video in it ({', '.join(VIDEO_SUFFIXES)}); give a folder of clips")
    return videos


def build_corpus(
    folder: Path, corpus: Path, head: HeadModel, *, videos: Sequence[Path] | None = None, progress: Progress | None = None
) -> CorpusReport:
    """Track videos below `folder` into `corpus`, a folder that is made if it is not there.

    Args:
        folder: clips are named after their videos' paths below it.
        corpus: where the clips go.
        head: the head model.
        videos: some of those below the folder; None takes all.
        progress: told the share done.

    Raises:
        InputError: `folder` has no videos.
        ResourceError: the disk is full.
    """
    videos = find_videos(folder) if videos is None else videos
    corpus.mkdir(parents=True, exist_ok=True)
    made, kept, failed, rows = [], [], [], []
    for number, path in enumerate(videos):
        name = clip_name(path, folder)
        digest = _digest(path)

        def tell(share: float, text: str, number: int = number, name: str = name) -> None:
            if progress:
                progress((number + share) / len(videos), f"{name}: {text}")

        tell(0.0, "reading")
        meta = read_meta(corpus / name)
        if meta is not None and meta.get("sha256") == digest and meta.get("head") == head.name:
            kept.append(name)
            continue
        try:
            tracked = track_clip(path, head, progress=tell)
            audio = read_audio(path, sample_rate=SAMPLE_RATE) if probe(path).audio_codec else None
        except InputError as error:
            reason = " ".join(str(error).split())
            failed.append(reason)
            rows.append(json.dumps({"file": str(path.relative_to(folder)), "sha256": digest, "error": reason}, ensure_ascii=False))
        else:
            write_clip(corpus / name, _corpus_clip(tracked, audio, path.relative_to(folder), digest, head))
            made.append(name)
        write_text(corpus / FAILURES_FILE, "".join(row + "\n" for row in rows))
    write_text(corpus / FAILURES_FILE, "".join(row + "\n" for row in rows))
    return CorpusReport(tuple(made), tuple(kept), tuple(failed))


def clip_name(path: Path, folder: Path) -> str:
    """The name of a video's clip: its path below `folder` with `__` between folders."""
    return "__".join(path.relative_to(folder).parts)


def _corpus_clip(tracked: TrackedClip, audio: Waveform | None, source: Path, digest: str, head: HeadModel) -> CorpusClip:
    track = tracked.track
    meta = {
        "source": source.as_posix(),
        "sha256": digest,
        "head": head.name,
        "fps": track.fps,
        "n_frames": track.motion.n_frames,
        "seconds": round(track.motion.n_frames / track.fps, 3),
        "audio": audio is not None,
        "found": round(float((track.confidence > 0).float().mean()), 4),
        "confidence": round(float(track.confidence.mean()), 4),
        "frame_confidence": [round(value, 3) for value in track.confidence.tolist()],
        "notes": list(tracked.notes),
    }
    return CorpusClip(track.motion, tracked.au, audio, meta)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
