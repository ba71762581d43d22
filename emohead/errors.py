"""The errors users meet. Each carries one line (what, what was given, what to do) and its process exit code."""

from typing import ClassVar


class EmoheadError(Exception):
    """Base of every error that is shown to a user as one line, without a traceback."""

    exit_code: ClassVar[int] = 1


class InputError(EmoheadError):
    """What was given cannot be used: a file, a value, a name. Exit code 2."""

    exit_code: ClassVar[int] = 2


class ResourceError(EmoheadError):
    """The machine ran out of something: disk, memory, a missing optional package or codec. Exit code 3."""

    exit_code: ClassVar[int] = 3


class CancelledError(EmoheadError):
    """The user stopped the work. Exit code 4."""

    exit_code: ClassVar[int] = 4


class VerificationError(EmoheadError):
    """A file is not what its manifest says it is. Exit code 5."""

    exit_code: ClassVar[int] = 5
