"""Reading a text file that a user gave: there, not too large, UTF-8, not empty; else one line that says what to do."""

from pathlib import Path

from emohead.errors import InputError


def read_text_file(path: Path, *, what: str, limit: int, remedy: str, contents: str) -> str:
    """The text of a file, without a byte order mark.

    Args:
        path: the file.
        what: what it is, for messages: `transcript`.
        limit: most bytes; a file beyond it is not read.
        remedy: what to give instead, said where the file is missing.
        contents: what belongs into it, said where it is too large or empty: `the spoken words`.

    Raises:
        InputError: a file that is missing, too large, not UTF-8 or empty.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such {what}; {remedy}")
    if path.stat().st_size > limit:
        raise InputError(f"{path}: larger than {limit >> 20} MB; give only {contents}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; save the {what} as plain text") from error
    if not text.strip():
        raise InputError(f"{path}: the {what} is empty; write {contents} into it or leave it out")
    return text
