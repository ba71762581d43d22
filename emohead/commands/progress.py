"""A progress bar with an estimate, on the error stream."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from emohead.commands.interruption import check_interruption
from emohead.performance import Progress


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A callback that shows the share done, what is going on and the time that is left."""
    # A log file gets a line every few seconds, a terminal a moving bar.
    interval = 0.1 if sys.stderr.isatty() else 5.0
    with tqdm(total=1.0, mininterval=interval, bar_format="{percentage:3.0f}% |{bar:20}| {elapsed}<{remaining} {desc}", leave=False) as bar:

        def tell(share: float, text: str) -> None:
            check_interruption()
            bar.set_description_str(text, refresh=False)
            bar.update(share - bar.n)

        yield tell
