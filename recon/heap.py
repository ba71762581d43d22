"""Large pictures apart from small results, so that reading a long video does not make the process grow.

The C library's heap keeps a block of up to 32 MB among the small ones once such a block was freed. When every frame leaves a few small
results behind, these come to lie in the holes that its pictures left, the next pictures do not fit there, and a clip of two minutes
may take 20 GB. Blocks that are mapped by themselves go back to the system instead.
"""

import contextlib
import ctypes
from collections.abc import Iterator

_M_MMAP_THRESHOLD = -3
"""`mallopt`'s name of the size from which a block is mapped by itself (malloc.h of glibc)."""
_APART, _USUAL = 1 << 20, 32 << 20
"""Bytes: while pictures stream, and glibc's own limit otherwise (a fit re-uses its large blocks, which is faster)."""


@contextlib.contextmanager
def pictures_apart() -> Iterator[None]:
    """Inside, blocks of a megabyte and more return to the system when they are freed; does nothing where the C library is not glibc."""
    _map_from(_APART)
    try:
        yield
    finally:
        _map_from(_USUAL)


def _map_from(size: int) -> None:
    with contextlib.suppress(AttributeError, TypeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, size)
