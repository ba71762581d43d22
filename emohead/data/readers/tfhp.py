"""TFHP (Sun et al. 2024, DiffPoseTalk): FLAME coefficients at 25 fps and voices of talking heads from the web.

What needs no FLAME model is read: the head's rotation and the jaw's opening. The expression coefficients mean nothing without FLAME,
which is everyone's own to get; the raw videos, tracked, give more (docs/corpora.md).
"""

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from emohead.archives import DAMAGED_ARRAYS
from emohead.channels import RIG_INDEX
from emohead.data.clip_folder import CorpusClip
from emohead.data.readers.base import (
    AUDIO_SUFFIXES,
    ClipFile,
    ClipLabels,
    CorpusAbout,
    VideoCorpus,
    beside,
    clip_name,
    files_below,
    motion_clip,
    or_explain,
)
from emohead.errors import InputError
from emohead.head.rig_to_flame import JAW_OPEN_RADIANS
from emohead.types import HeadMotion

ABOUT = CorpusAbout(
    "tfhp",
    "TFHP",
    "FLAME_coeffs/PERSON/000.npz with audio/PERSON/000.flac",
    "https://github.com/DiffPoseTalk/DiffPoseTalk (by a request form)",
    "as granted with the request; the videos belong to their publishers",
)
FPS = 25.0
MAX_ARCHIVE_BYTES = 1 << 30
_COEFFICIENTS, _AUDIO, _DATABASE = "FLAME_coeffs", "audio", "data.mdb"
_FIELDS = {"exp": None, "pose": 6}
_KNOWN = ("jawOpen",)


@dataclass(frozen=True)
class TfhpCorpus:
    """Reader of TFHP's coefficients."""

    about: CorpusAbout = ABOUT
    """What it reads."""

    def clips(self, folder: Path) -> list[ClipFile]:
        """The clips of a folder, by name.

        Raises:
            InputError: nothing of the kind, or only the database that the authors train from, which holds pickled Python objects.
        """
        below = files_below(self.about, folder, (".npz", Path(_DATABASE).suffix))
        root = folder / _COEFFICIENTS
        clips = [self._clip(path, folder, root) for path in below if path.suffix.lower() == ".npz" and root in path.parents]
        if not clips and any(path.name == _DATABASE for path in below):
            raise InputError(
                f"{folder}: TFHP's lmdb holds pickled Python objects, which can run anything and are not read; unpack it once into"
                f" {_COEFFICIENTS}/ and {_AUDIO}/ as docs/corpora.md shows, if you trust its origin"
            )
        return or_explain(self.about, folder, clips)

    def read(self, clip: ClipFile) -> CorpusClip:
        """Head rotation, jaw opening, voice and speaker of one clip."""
        assert clip.motion is not None
        pose = torch.from_numpy(_read_arrays(clip.motion)["pose"]).float()  # [T, 6]
        still = HeadMotion.neutral(len(pose), FPS)
        still.rig[:, RIG_INDEX["jawOpen"]] = (pose[:, 3] / JAW_OPEN_RADIANS).clamp(0.0, 1.0)
        # FLAME's global rotation is the head's against the world here: the trackers behind it leave neck and torso at rest.
        motion = replace(still, head_rotation=pose[:, :3].clone())
        return motion_clip(self.about, clip, motion, known=_KNOWN, head=True)

    def _clip(self, path: Path, folder: Path, root: Path) -> ClipFile:
        voice = folder / _AUDIO / path.relative_to(root)
        below = PurePosixPath(path.relative_to(root).as_posix())
        labels = ClipLabels(f"{self.about.name}/{path.parent.name}")
        return ClipFile(clip_name(below), labels, motion=path, audio=beside(voice, path.stem, AUDIO_SUFFIXES))


def labels_of_video(below: PurePosixPath) -> ClipLabels | None:
    """The person of a raw video, numbered in a folder of its own."""
    return ClipLabels(f"{ABOUT.name}/{below.parent.name}") if below.stem.isdigit() and len(below.parts) > 1 else None


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_ARCHIVE_BYTES:
                raise InputError(f"{path}: unpacks to more than {MAX_ARCHIVE_BYTES >> 30} GB; this is no clip")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _FIELDS}
    except DAMAGED_ARRAYS as error:
        raise InputError(f"{path}: not a whole file of FLAME coefficients ({type(error).__name__}); copy or unpack it again") from error
    n_frames = len(arrays["pose"]) if arrays["pose"].ndim else 0
    for name, width in _FIELDS.items():
        array = arrays[name]
        right = array.ndim == 2 and len(array) == n_frames > 0 and width in (None, array.shape[1])
        if not right or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise InputError(f"{path}: {name} must be [T, {width or 'coefficients'}] finite floats, got {list(array.shape)} {array.dtype}")
    return arrays


TFHP = TfhpCorpus()
TFHP_VIDEOS = VideoCorpus(replace(ABOUT, name="tfhp-videos", title="TFHP's raw videos", layout="PERSON/000.mp4"), labels_of_video)
