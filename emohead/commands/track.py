"""`emohead track`: what a filmed head does, frame by frame; a folder of clips becomes a training corpus."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from emohead.commands.options import Command, Outcome, to_json

if TYPE_CHECKING:
    from emohead.data.readers.base import CorpusReader
    from emohead.head.base import HeadModel
    from emohead.performance import Progress


@dataclass(frozen=True, kw_only=True)
class Track(Command):
    """Track the head in a video, or in every video of a folder.

    A video becomes one file, by the name's ending: .csv (Live Link Face), .au.csv (OpenFace-style action units), .npz (our motion),
    .flame.npz (FLAME's parameters, with --head FILE), .track.safetensors (everything). A folder becomes a training corpus; with --layout
    also a folder of motion that was captured already.
    """

    source: tyro.conf.Positional[Path]
    """The video, or a folder of videos."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The file to write; for a folder of videos the corpus folder, where the same command goes on after a stop."""
    head: str = "generic"
    """The head model: generic, or your FLAME file (.pkl or .npz)."""
    layout: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """How the folder is laid out, so that speakers and emotions become labels, and files of motion need no tracking: live-link-face, beat,
    arkit, tfhp, tfhp-videos, hdtf, mead or ravdess (docs/corpora.md). By default every video is tracked and none is labelled."""
    face: int | None = None
    """Which person of the video, 1 for the one seen most and largest; by default that one."""
    dry_run: bool = False
    """Check everything, print the resolved settings and stop."""

    def run(self) -> Outcome:
        """Track and say what was written."""
        import torch

        from emohead.commands.progress import progress_bar

        torch.set_num_threads(1)
        with progress_bar() as tell:
            tell(0.0, "loading")
            return self._corpus(tell) if self.source.is_dir() or self.layout is not None else self._clip(tell)

    def _clip(self, tell: "Progress") -> Outcome:
        from emohead.media import probe
        from emohead.output import check_target, write_text
        from recon.clip_tracking import track_clip
        from recon.track_export import track_format

        chosen = track_format(self.out)
        check_target(self.out)
        info = probe(self.source)
        head = self._head()
        chosen.check(self.out, head)
        settings = self._settings() | {"format": chosen.title, "video": f"{info.width}x{info.height}"}
        if self.dry_run:
            return Outcome(to_json(settings))
        clip = track_clip(self.source, head, face=self.face, progress=tell)
        chosen.write(self.out, clip, head)
        confidence = float(clip.track.confidence.mean())
        write_text(f"{self.out}.json", to_json(settings | {"confidence": round(confidence, 4), "notes": list(clip.notes)}) + "\n")
        made = f"{chosen.title}, {clip.track.motion.n_frames} frames at {clip.track.fps:g} per second, confidence {confidence:.2f}"
        return Outcome(f"wrote {self.out}: {made}", clip.notes)

    def _corpus(self, tell: "Progress") -> Outcome:
        from emohead.commands.corpora import collect
        from emohead.data.readers.registry import reader_named
        from emohead.errors import InputError

        if self.face is not None:
            raise InputError("--face chooses a person of one video; leave it out for a folder, where the most prominent person is taken")
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"--out {self.out}: is a file; give a folder for the corpus of {self.source}")
        if not self.out.resolve().parent.is_dir():
            raise InputError(f"output folder {self.out.parent} does not exist; create it first")
        reader = None if self.layout is None else reader_named(self.layout)
        if self.dry_run:
            return Outcome(to_json(self._settings() | self._found(reader)))
        collected = collect(self.source, self.out, reader, self._head, tell)
        code = 0 if collected.usable else InputError.exit_code
        return Outcome(f"wrote {self.out}: {collected.counts}", collected.failed, code)

    def _found(self, reader: "CorpusReader | None") -> dict[str, object]:
        if reader is None:
            from recon.corpus import find_videos

            return {"videos": [str(path) for path in find_videos(self.source)]}
        return {"clips": [str(clip.motion or clip.video) for clip in reader.clips(self.source)]}

    def _head(self) -> "HeadModel":
        from emohead.head import load_head

        return load_head(self.head)

    def _settings(self) -> dict[str, object]:
        return {"source": str(self.source), "out": str(self.out), "layout": self.layout, "head": self.head, "face": self.face}
