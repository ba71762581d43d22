"""Pictures that are looked at side by side."""

import threading
import time

import pytest

from recon.in_order import in_order, side_by_side


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_answers_come_in_order_and_few_items_are_held(workers: int):
    taken, answered = 0, 0

    def items():
        nonlocal taken
        for number in range(20):
            taken += 1
            assert taken - answered <= workers + 1
            yield number

    def slow(number: int) -> int:
        time.sleep(0.004 if number % 3 == 0 else 0.0)
        return -number

    for wanted, answer in enumerate(in_order(slow, items(), workers=workers)):
        assert answer == -wanted
        answered += 1
    assert answered == 20


def test_two_at_once_run_at_the_same_time():
    together = threading.Barrier(2, timeout=10)
    assert list(in_order(lambda number: together.wait() >= 0, range(4), workers=2)) == [True] * 4


def test_an_error_comes_out():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda number: 1 // (number - 3), range(9), workers=2))
    assert 1 <= side_by_side() <= 4
