"""Folders of recordings brought to our own corpus format, by the name of their layout: for `emohead track` and `emohead train motion`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emohead.data.readers.base import CorpusReader
    from emohead.head.base import HeadModel
    from emohead.performance import Progress


@dataclass(frozen=True)
class Collected:
    """What became of a folder of recordings."""

    counts: str
    """For the user."""
    usable: int
    """Clips that are in the corpus now."""
    failed: tuple[str, ...]
    """Recordings that cannot be used, one line each."""


def collect(folder: Path, corpus: Path, reader: "CorpusReader | None", head: "Callable[[], HeadModel]", tell: "Progress") -> Collected:
    """Bring a folder's recordings into `corpus`, going on where an earlier run stopped.

    Videos are tracked (extra `recon`), and labelled by their names where a reader knows these; files of motion are converted.

    Args:
        folder: the recordings.
        corpus: made if it is not there; nothing in it is thrown away.
        reader: the layout of the folder; None takes every video and labels none.
        head: the head model to track with, asked for only when there are videos.
        tell: told the share done.

    Raises:
        InputError: the folder is not laid out as the reader expects.
    """
    from emohead.data.readers.base import VideoCorpus
    from emohead.data.readers.registry import import_corpus, label_corpus

    if reader is not None and not isinstance(reader, VideoCorpus):
        clips = reader.clips(folder)
        failed = import_corpus(reader, folder, corpus, progress=tell)
        usable = len(clips) - len(failed)
        return Collected(f"{usable} clips read, {len(failed)} cannot be used", usable, tuple(failed))
    videos = None if reader is None else [clip.video for clip in reader.clips(folder) if clip.video is not None]
    from recon.corpus import FAILURES_FILE, build_corpus

    report = build_corpus(folder, corpus, head(), videos=videos, progress=tell)
    if isinstance(reader, VideoCorpus):
        label_corpus(corpus, reader, folder=folder)
    counts = f"{len(report.made)} clips tracked, {len(report.kept)} were there already, {len(report.failed)} cannot be used"
    return Collected(
        counts + (f" (see {FAILURES_FILE})" if report.failed else ""), len(report.made) + len(report.kept), tuple(report.failed)
    )
