"""Ctrl-C and SIGTERM cancel a command, wherever it is.

Python raises KeyboardInterrupt in whatever code runs at that moment. A compiler's callback or a finaliser may swallow it or turn it into
another error, so the wish is remembered as well: the next report of progress cancels, and any error after it counts as the cancellation.
"""

import signal
import threading
from types import FrameType, TracebackType

from emohead.errors import CancelledError

_REQUESTED = threading.Event()
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, an interrupt ends in a CancelledError. Signals that are ignored stay ignored."""

    def __enter__(self) -> None:
        _REQUESTED.clear()
        self._previous = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, handler in self._previous.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _interrupt)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if kind is not None and _REQUESTED.is_set():
            raise CancelledError("cancelled; no output was changed") from None


def check_interruption() -> None:
    """Raise CancelledError if the user wants to stop."""
    if _REQUESTED.is_set():
        raise CancelledError("cancelled; no output was changed")


def _interrupt(number: int, frame: FrameType | None) -> None:
    _REQUESTED.set()
    raise KeyboardInterrupt
