"""HDTF (Zhang et al. 2021): talking heads from public broadcasts, cut into clips named after their speaker."""

import re
from pathlib import PurePosixPath

from emohead.data.readers.base import ClipLabels, CorpusAbout, VideoCorpus

ABOUT = CorpusAbout(
    "hdtf",
    "HDTF",
    "SUBSET_NAME_000.mp4 or NAME_0.mp4, such as WDA_BarackObama_000.mp4 and Radio11_0.mp4",
    "https://github.com/MRzzm/HDTF",
    "annotations CC BY 4.0; the videos belong to their publishers",
)
_CLIP = re.compile(r"(?:(?:RD|WDA|WRA)_)?(?P<name>[A-Za-z][A-Za-z0-9.'-]*)_\d{1,3}")


def labels_of(below: PurePosixPath) -> ClipLabels | None:
    """The speaker of a clip; the number after a politician's name counts their videos, that after `Radio` tells people apart."""
    match = _CLIP.fullmatch(below.stem)
    # The usual download script keeps uncut broadcasts in a folder of this name.
    if match is None or "_videos_raw" in below.parts:
        return None
    name = match["name"] if match["name"].startswith("Radio") else match["name"].rstrip("0123456789")
    return ClipLabels(f"{ABOUT.name}/{name}")


HDTF = VideoCorpus(ABOUT, labels_of)
