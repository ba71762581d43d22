"""Running a boundary check as a user meets it: without the shape checker that the tests otherwise turn on."""

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping


@contextmanager
def as_users_run() -> Iterator[None]:
    """Shape annotations are not checked inside, so that a wrong shape reaches our own error."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
