"""Every reader of corpora, by name."""

from collections.abc import Iterator
from pathlib import Path

from emohead.data.clip_folder import CorpusClip, read_corpus, read_meta, write_clip
from emohead.data.readers.arkit import ARKIT
from emohead.data.readers.base import CorpusReader, VideoCorpus
from emohead.data.readers.beat import BEAT
from emohead.data.readers.hdtf import HDTF
from emohead.data.readers.live_link import LIVE_LINK_FACE
from emohead.data.readers.mead import MEAD
from emohead.data.readers.own import OWN
from emohead.data.readers.ravdess import RAVDESS
from emohead.data.readers.tfhp import TFHP, TFHP_VIDEOS
from emohead.errors import InputError

READERS: dict[str, CorpusReader] = {
    reader.about.name: reader for reader in (OWN, LIVE_LINK_FACE, BEAT, ARKIT, TFHP, TFHP_VIDEOS, HDTF, MEAD, RAVDESS)
}
"""The readers that ship; another one is a line here."""


def reader_named(name: str) -> CorpusReader:
    """The reader called `name`; InputError names them all."""
    if name not in READERS:
        raise InputError(f"no corpus reader is called {name!r}; there are {', '.join(READERS)}")
    return READERS[name]


def labelled_corpus(tracked: Path, name: str, *, folder: Path | None = None) -> Iterator[CorpusClip]:
    """The clips that `emohead track FOLDER -o TRACKED` made of a corpus of videos, with the labels of that corpus.

    Args:
        tracked: the tracked corpus.
        name: the reader of the videos: hdtf, mead, ravdess, tfhp-videos.
        folder: the videos' folder, for voices that lie beside silent videos.

    Raises:
        InputError: the reader is none of videos, or a clip is not named as that corpus names its videos.
    """
    reader = reader_named(name)
    if not isinstance(reader, VideoCorpus):
        raise InputError(f"{name} holds motion, not videos; read it with reader_named({name!r})")
    for clip in read_corpus(tracked):
        yield reader.labelled(clip, folder=folder)


def import_corpus(reader: CorpusReader, folder: Path, corpus: Path) -> list[str]:
    """Write the motion clips of a folder as a corpus of our own (docs/formats.md); clips that are there are left alone.

    Returns:
        One line per clip that cannot be used.

    Raises:
        InputError: the folder holds no clips, or videos.
        ResourceError: the disk is full.
    """
    if isinstance(reader, VideoCorpus):
        raise InputError(f"{folder}: {reader.about.title} holds videos; track them: emohead track {folder} -o {corpus}")
    refused = []
    for clip in reader.clips(folder):
        if read_meta(corpus / clip.name) is None:
            try:
                write_clip(corpus / clip.name, reader.read(clip))
            except InputError as error:
                refused.append(str(error))
    return refused
