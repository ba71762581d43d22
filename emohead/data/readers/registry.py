"""Every reader of corpora, by name."""

from collections.abc import Callable, Iterator
from pathlib import Path

from emohead.data.clip_folder import META_FILE, CorpusClip, read_clip, read_corpus, read_meta, write_clip
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


def label_corpus(corpus: Path, reader: VideoCorpus, *, folder: Path) -> None:
    """Write into the clips that were tracked from a corpus of videos what their names say; clips with labels are left alone.

    Args:
        corpus: made by `emohead track FOLDER`.
        reader: knows the names.
        folder: the videos' folder, for voices that lie beside silent videos.

    Raises:
        InputError: a clip is not named as that corpus names its videos.
    """
    for path in sorted(corpus.glob(f"*/{META_FILE}")):
        meta = read_meta(path.parent)
        if meta is not None and "corpus" not in meta and not path.parent.name.startswith("."):
            clip = reader.labelled(read_clip(path.parent), folder=folder)
            kept = {name: value for name, value in clip.meta.items() if name != "format"}
            write_clip(path.parent, CorpusClip(clip.motion, clip.au, clip.audio, {**kept, "audio": clip.audio is not None}))


def import_corpus(reader: CorpusReader, folder: Path, corpus: Path, *, progress: Callable[[float, str], None] | None = None) -> list[str]:
    """Write the motion clips of a folder as a corpus of our own (docs/formats.md); clips that are there are left alone.

    Args:
        reader: reads the clips.
        folder: has them.
        corpus: where they go; made if it is not there.
        progress: told the share done.

    Returns:
        One line per clip that cannot be used.

    Raises:
        InputError: the folder holds no clips, or videos.
        ResourceError: the disk is full.
    """
    if isinstance(reader, VideoCorpus):
        raise InputError(f"{folder}: {reader.about.title} holds videos; track them: emohead track {folder} -o {corpus}")
    refused, clips = [], reader.clips(folder)
    for number, clip in enumerate(clips):
        if progress:
            progress(number / len(clips), f"reading {clip.name}")
        if read_meta(corpus / clip.name) is None:
            try:
                write_clip(corpus / clip.name, reader.read(clip))
            except InputError as error:
                refused.append(str(error))
    return refused
