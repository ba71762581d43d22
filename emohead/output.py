"""Files appear under their final name only when they are whole; a failed write leaves what was there before."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emohead.errors import EmoheadError, InputError, ResourceError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on any failure.

    Raises:
        InputError: the folder is missing, `path` is a folder, or writing is not allowed.
        ResourceError: the disk is full.
    """
    target = Path(path)
    check_target(target)
    # The suffix stays last, because writers choose the format by it.
    partial = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        yield partial
        os.replace(partial, target)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def check_target(path: str | Path) -> None:
    """Raise InputError when `path` cannot become a file: its folder is missing or read-only, or it is a folder itself."""
    target = Path(path)
    if target.is_dir():
        raise InputError(f"output {target} is a folder; give a file name")
    if not target.parent.is_dir():
        raise InputError(f"output folder {target.parent} does not exist; create it first")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"output folder {target.parent} is not writable; choose another one")


def output_error(path: str | Path, error: OSError) -> EmoheadError:
    """The one-line error for a failed write."""
    if error.errno in _FULL:
        return ResourceError(f"cannot write {path}: the disk is full or a size limit was reached; free some space or choose another disk")
    return ResourceError(f"cannot write {path}: {error.strerror or error}; choose another place")
