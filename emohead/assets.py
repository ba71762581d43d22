"""Where optional and shipped files are: `EMOHEAD_ASSETS` (folders, separated as in PATH), then the package, then the user's cache."""

import os
from pathlib import Path

from emohead.errors import InputError

PACKAGE_ASSETS = Path(__file__).parent / "assets"


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
        InputError: no folder has it; the message lists the folders.
    """
    folders = search_path()
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    looked = ", ".join(str(folder) for folder in folders)
    raise InputError(f"asset {name!r} was not found (looked in {looked}); put it there or set EMOHEAD_ASSETS to its folder")
