"""An interrupt that lands in a compiler's callback or a finaliser was swallowed, or came out as "our own fault" with exit code 1.

It must end as one cancellation whatever became of the KeyboardInterrupt.
"""

import signal

import pytest

from emohead.commands.interruption import Interruption, check_interruption
from emohead.commands.progress import progress_bar
from emohead.errors import CancelledError


def test_an_interrupt_is_a_cancellation():
    with pytest.raises(CancelledError), Interruption():
        signal.raise_signal(signal.SIGTERM)


def test_an_error_that_follows_is_the_cancellation():
    with pytest.raises(CancelledError), Interruption():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise SystemError("returned a result with an exception set") from None


def test_a_swallowed_interrupt_ends_at_the_next_report_of_progress():
    with pytest.raises(CancelledError), Interruption(), progress_bar() as tell:
        tell(0.1, "drawing")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        tell(0.2, "drawing")


def test_handlers_come_back_and_other_errors_stay_what_they_are():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), Interruption():
        check_interruption()
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption():
            signal.raise_signal(signal.SIGINT)
            check_interruption()
    finally:
        signal.signal(signal.SIGINT, before)
    assert before is not signal.SIG_IGN
