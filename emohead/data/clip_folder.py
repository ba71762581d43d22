"""The on-disk format of a training corpus: one folder per clip with its motion, action units and voice (docs/formats.md).

A clip's folder appears under its name only when it is whole.
"""

import json
import os
import shutil
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emohead.archives import DAMAGED_ARRAYS
from emohead.channels import AU_NAMES
from emohead.errors import InputError
from emohead.export.motion_npz import read_motion_npz, write_motion_npz
from emohead.media import read_audio
from emohead.output import output_error
from emohead.types import AUTrack, HeadMotion, Waveform

FORMAT = "emohead-corpus-clip 1"
SAMPLE_RATE = 16_000
MOTION_FILE, AU_FILE, AUDIO_FILE, META_FILE = "motion.npz", "au.npz", "audio.wav", "meta.json"
_AU_FIELDS = {"intensity": (len(AU_NAMES),), "weight": (len(AU_NAMES),), "gaze": (2,), "head_rotation": (3,), "pose_weight": (2,)}


@dataclass(frozen=True)
class CorpusClip:
    """One clip of a training corpus."""

    motion: HeadMotion
    """What the head does."""
    au: AUTrack
    """The action units it shows, with how well each is known."""
    audio: Waveform | None
    """The voice, 16 kHz; None for a silent clip."""
    meta: dict[str, Any]
    """Where it comes from and how well it was tracked."""


def write_clip(folder: Path, clip: CorpusClip) -> None:
    """Write a clip into `folder`, which appears when it is whole; one that was there is replaced.

    Raises:
        ResourceError: the disk is full or may not be written to.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        write_motion_npz(partial / MOTION_FILE, clip.motion)
        arrays = {name: getattr(clip.au, name).float().numpy() for name in _AU_FIELDS}
        np.savez_compressed(partial / AU_FILE, fps=np.array(clip.au.fps), au_names=np.array(AU_NAMES), **arrays)
        if clip.audio is not None:
            _write_wav(partial / AUDIO_FILE, clip.audio)
        (partial / META_FILE).write_text(json.dumps({"format": FORMAT, **clip.meta}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    except OSError as error:
        raise output_error(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_clip(folder: Path) -> CorpusClip:
    """Read one clip of a corpus; nothing in it is executed.

    Raises:
        InputError: not a clip's folder, or one of its files is damaged.
    """
    meta = read_meta(folder)
    if meta is None:
        raise InputError(f"{folder}: not a clip of a corpus ({META_FILE} is missing or foreign); make it with emohead track FOLDER")
    audio = read_audio(folder / AUDIO_FILE, sample_rate=SAMPLE_RATE) if (folder / AUDIO_FILE).is_file() else None
    return CorpusClip(read_motion_npz(folder / MOTION_FILE), _read_au(folder / AU_FILE), audio, meta)


def read_corpus(corpus: Path) -> Iterator[CorpusClip]:
    """All clips of a corpus in the order of their names."""
    for folder in sorted(path.parent for path in corpus.glob(f"*/{META_FILE}") if not path.parent.name.startswith(".")):
        yield read_clip(folder)


def read_meta(folder: Path) -> dict[str, Any] | None:
    """What is known about a whole clip; None where there is none."""
    try:
        meta = json.loads((folder / META_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return meta if isinstance(meta, dict) and meta.get("format") == FORMAT else None


def _write_wav(path: Path, audio: Waveform) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio.sample_rate)
        file.writeframes((audio.samples.clamp(-1, 1) * 32767).round().to(torch.int16).numpy().tobytes())


def _read_au(path: Path) -> AUTrack:
    try:
        with np.load(path, allow_pickle=False) as archive:
            names, fps = archive["au_names"].tolist(), float(archive["fps"])
            arrays = {name: archive[name] for name in _AU_FIELDS}
    except DAMAGED_ARRAYS as error:
        raise InputError(f"{path}: not a whole file of action units ({type(error).__name__}); track the clip again") from error
    n_frames = len(arrays["intensity"]) if arrays["intensity"].ndim else 0
    right = all(arrays[name].shape == (n_frames, *shape) and arrays[name].dtype == np.float32 for name, shape in _AU_FIELDS.items())
    if names != list(AU_NAMES) or not right or not 0 < fps <= 1000 or not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError(f"{path}: its action units are not those of this version; track the clip again")
    return AUTrack(fps, **{name: torch.from_numpy(array) for name, array in arrays.items()})
