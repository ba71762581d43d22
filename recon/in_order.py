"""A few pictures looked at side by side, answers in the pictures' order, without holding more pictures than are being looked at."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Answer = TypeVar("Answer")

_MOST = 4


def side_by_side() -> int:
    """How many pictures to look at at once: one for each processor that this process may use, at most 4."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return min(_MOST, len(allowed))


def in_order(function: Callable[[Given], Answer], items: Iterable[Given], *, workers: int) -> Iterator[Answer]:
    """`function` of every item, in the items' order; it is called from `workers` threads, and as many items and one are held."""
    if workers <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers, "pictures") as pool:
        waiting: deque[Future[Answer]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
