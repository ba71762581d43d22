"""What NumPy raises when it reads an array or archive that is damaged."""

import tokenize
import zipfile
import zlib

DAMAGED_ARRAYS: tuple[type[Exception], ...] = (
    OSError, EOFError, KeyError, ValueError, SyntaxError, RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip
"""Flipped bytes show in the archive's directory (BadZipFile, RuntimeError), in packed data (zlib.error) or in an array's header, which
NumPy parses as text (SyntaxError, TokenError); foreign files and pickled objects are ValueError, absent arrays KeyError."""
