"""`emohead track`: what a filmed head does, frame by frame; a folder of clips becomes a training corpus."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from emohead.commands.options import Command, Outcome, to_json

if TYPE_CHECKING:
    from emohead.head.base import HeadModel
    from emohead.performance import Progress


@dataclass(frozen=True, kw_only=True)
class Track(Command):
    """Track the head in a video, or in every video of a folder.

    A video becomes one file, by the name's ending: .csv (Live Link Face), .au.csv (OpenFace-style action units), .npz (our motion),
    .flame.npz (FLAME's parameters, with --head FILE), .track.safetensors (everything). A folder becomes a training corpus.
    """

    source: tyro.conf.Positional[Path]
    """The video, or a folder of videos."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The file to write; for a folder of videos the corpus folder, where the same command goes on after a stop."""
    head: str = "generic"
    """The head model: generic, or your FLAME file (.pkl or .npz)."""
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
            return self._corpus(tell) if self.source.is_dir() else self._clip(tell)

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
        from emohead.errors import InputError
        from recon.corpus import FAILURES_FILE, build_corpus, find_videos

        if self.face is not None:
            raise InputError("--face chooses a person of one video; leave it out for a folder, where the most prominent person is taken")
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"--out {self.out}: is a file; give a folder for the corpus of {self.source}")
        if not self.out.resolve().parent.is_dir():
            raise InputError(f"output folder {self.out.parent} does not exist; create it first")
        videos = find_videos(self.source)
        if self.dry_run:
            return Outcome(to_json(self._settings() | {"videos": [str(path) for path in videos]}))
        report = build_corpus(self.source, self.out, self._head(), progress=tell)
        counts = f"{len(report.made)} clips tracked, {len(report.kept)} were there already, {len(report.failed)} cannot be used"
        code = 0 if report.made or report.kept else InputError.exit_code
        return Outcome(f"wrote {self.out}: {counts}" + (f" (see {FAILURES_FILE})" if report.failed else ""), report.failed, code)

    def _head(self) -> "HeadModel":
        from emohead.head import load_head

        return load_head(self.head)

    def _settings(self) -> dict[str, object]:
        return {"source": str(self.source), "out": str(self.out), "head": self.head, "face": self.face}
