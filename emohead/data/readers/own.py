"""Our own corpora: what `emohead track FOLDER -o CORPUS` writes (docs/formats.md)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emohead.data.clip_folder import AUDIO_FILE, META_FILE, MOTION_FILE, CorpusClip, read_clip, read_meta
from emohead.data.readers.base import ClipFile, ClipLabels, CorpusAbout, files_below, or_explain

ABOUT = CorpusAbout(
    "emohead",
    "a corpus of tracked clips",
    f"CLIP/{META_FILE}, CLIP/{MOTION_FILE}, CLIP/au.npz and CLIP/{AUDIO_FILE}",
    "emohead track FOLDER -o CORPUS",
    "that of the videos",
)


@dataclass(frozen=True)
class OwnCorpus:
    """Reader of tracked clips. Labels are those in `meta`; without any, every video is taken for a speaker of its own."""

    about: CorpusAbout = ABOUT
    """What it reads."""

    def clips(self, folder: Path) -> list[ClipFile]:
        """The clips of a folder, by name."""
        clips = []
        for path in files_below(self.about, folder, (Path(META_FILE).suffix,)):
            meta = read_meta(path.parent) if path.name == META_FILE else None
            if meta is not None:
                clip, audio = path.parent, path.parent / AUDIO_FILE
                name = "__".join(clip.relative_to(folder).parts)
                labels = _labels(meta, f"{self.about.name}/{name}")
                clips.append(ClipFile(name, labels, motion=clip / MOTION_FILE, audio=audio if audio.is_file() else None))
        return or_explain(self.about, folder, clips)

    def read(self, clip: ClipFile) -> CorpusClip:
        """One clip as it was written."""
        assert clip.motion is not None
        return read_clip(clip.motion.parent)


def _labels(meta: dict[str, Any], speaker: str) -> ClipLabels:
    """What `label_fields` wrote; entries of another kind count as unknown."""
    words = {name: meta[name] for name in ("speaker", "emotion", "text", "view") if isinstance(meta.get(name), str)}
    intensity = meta.get("intensity")
    return ClipLabels(**{"speaker": speaker, **words}, intensity=float(intensity) if isinstance(intensity, (int, float)) else None)


OWN = OwnCorpus()
