"""Where optional and shipped files are: `EMOHEAD_ASSETS` (folders, separated as in PATH), then the package, then the user's cache.

Optional files are networks of others that do not ship. They are downloaded on request only, once, into the cache, and checked.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from emohead.errors import InputError, ResourceError, VerificationError
from emohead.output import output_error, whole_file

PACKAGE_ASSETS = Path(__file__).parent / "assets"
_TIMEOUT = 30.0
"""Seconds without an answer after which a download is given up."""


@dataclass(frozen=True)
class OptionalFile:
    """A file that does not ship, and where its publisher has it."""

    name: str
    """File name on the search path."""
    purpose: str
    """What needs it."""
    licence: str
    """Its publisher's licence."""
    size: int
    """Bytes."""
    sha256: str
    """Of the whole file, lower-case hexadecimal."""
    url: str
    """The publisher's address of exactly this version."""


# Addresses, versions and checksums are those of MediaPipe's own build (third_party/external_files.bzl).
OPTIONAL_FILES = (
    OptionalFile(
        "face_landmarker_v2_with_blendshapes.task",
        "face landmarks and expression scores: reconstruct, track, evaluate",
        "Apache-2.0 (Google MediaPipe)",
        2_357_924,
        "b261925d4aad812b47a0e8d58c1baa1223270a5d1f663d78338bc881c003879d",
        "https://storage.googleapis.com/mediapipe-assets/tasks/testdata/vision/face_landmarker_v2_with_blendshapes.task"
        "?generation=1782184688504388",
    ),
    OptionalFile(
        "selfie_segmentation.tflite",
        "the person's outline: reconstruct, track",
        "Apache-2.0 (Google MediaPipe)",
        249_024,
        "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
        "https://storage.googleapis.com/mediapipe-assets/modules/selfie_segmentation/selfie_segmentation.tflite"
        "?generation=1782183681393267",
    ),
)


def search_path() -> list[Path]:
    """The folders that are searched, in order."""
    given = [Path(folder) for folder in os.environ.get("EMOHEAD_ASSETS", "").split(os.pathsep) if folder]
    return [*given, PACKAGE_ASSETS, cache_folder()]


def cache_folder() -> Path:
    """The user's cache folder for EmoHead (`XDG_CACHE_HOME` is honoured); it is not created here."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "emohead"


def find(name: str) -> Path:
    """The first file called `name` on the search path.

    Raises:
        InputError: no folder has it; the message says how to get it.
    """
    folders = search_path()
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    looked = ", ".join(str(folder) for folder in folders)
    if any(file.name == name for file in OPTIONAL_FILES):
        remedy = f"download it with: emohead assets fetch {name}; or set EMOHEAD_ASSETS to the folder that has it"
    else:
        remedy = "put it there or set EMOHEAD_ASSETS to its folder"
    raise InputError(f"asset {name!r} was not found (looked in {looked}); {remedy}")


def optional_file(name: str) -> OptionalFile:
    """The entry of an optional file.

    Raises:
        InputError: there is no optional file of this name.
    """
    for file in OPTIONAL_FILES:
        if file.name == name:
            return file
    raise InputError(f"no optional file is called {name!r}; there are {', '.join(file.name for file in OPTIONAL_FILES)}")


def fetch(file: OptionalFile) -> tuple[Path, bool]:
    """Download an optional file into the user's cache, unless the search path has this very version already.

    Returns:
        Where it is, and whether it was downloaded now.

    Raises:
        ResourceError: no answer from the publisher, or the cache cannot be written.
        VerificationError: what came is not this version; nothing is kept of it.
    """
    for folder in search_path():
        if is_version(folder / file.name, file):
            return folder / file.name, False
    content = _download(file)
    target = cache_folder() / file.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(target, error) from error
    with whole_file(target) as partial:
        partial.write_bytes(content)
    return target, True


def is_version(path: Path, file: OptionalFile) -> bool:
    """Whether `path` is a file with the size and the checksum of `file`."""
    return path.is_file() and path.stat().st_size == file.size and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def _download(file: OptionalFile) -> bytes:
    from http.client import HTTPException
    from urllib.request import urlopen

    by_hand = f"download {file.url} by hand into {cache_folder()}"
    try:
        with urlopen(file.url, timeout=_TIMEOUT) as answer:
            # One byte more than is expected tells a longer file, and no server can fill the memory.
            content = answer.read(file.size + 1)
    except (OSError, HTTPException) as error:
        raise ResourceError(f"{file.name} cannot be downloaded ({error}); try again, or {by_hand}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise VerificationError(
            f"{file.name}: what was downloaded is not the file (sha256 {found[:12]}, not {file.sha256[:12]}); try again later, or {by_hand}"
        )
    return content
