"""Made-up files of the corpora's formats: tiny, true to their layouts, nobody's recordings."""

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from emohead.channels import RIG_NAMES
from emohead.export.arkit_csv import ANGLE_COLUMNS, COLUMNS
from tests.tiny import write_voice


def file_at(folder: Path, below: str) -> Path:
    """An empty file, with the folders above it."""
    path = folder / below
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def voice_at(folder: Path, below: str, *, seconds: float = 0.6) -> Path:
    """A short voice (a WAV, whatever its ending: readers look into the file)."""
    return write_voice(file_at(folder, below), seconds=seconds)


def film_at(folder: Path, below: str, *, fps: Fraction, n_frames: int) -> Path:
    """A silent film of grey pictures."""
    path = file_at(folder, below)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(n_frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8), format="rgb24")))
        container.mux(stream.encode())
    return path


def opening(time: float) -> float:
    """The jaw of the made-up performances: known at every time."""
    return 0.4 + 0.3 * math.sin(2 * math.pi * 0.7 * time)


def arkit_json(path: Path, times: Sequence[float], *, names: Sequence[str] = RIG_NAMES[:-1], with_time: bool = True) -> Path:
    """A file of coefficients, channels in the given order; `jawOpen` follows `opening`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = []
    for time in times:
        weights = [opening(time) if name.lower() == "jawopen" else 0.01 * index for index, name in enumerate(names)]
        frames.append({"weights": weights, "rotation": []} | ({"time": time} if with_time else {}))
    path.write_text(json.dumps({"names": list(names), "frames": frames}))
    return path


def live_link_csv(path: Path, codes: Sequence[str], times: Sequence[float], *, faceless: Sequence[int] = (), scale: float = 1.0) -> Path:
    """A table of Live Link Face with these time codes; rows in `faceless` have no numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(COLUMNS)]
    for row, (code, time) in enumerate(zip(codes, times, strict=True)):
        values = {name: 0.0 if name in ANGLE_COLUMNS else 0.05 for name in COLUMNS[2:]}
        cells = list((values | {"JawOpen": scale * opening(time), "HeadYaw": 0.2 * opening(time)}).values())
        lines.append(f"{code},0" + "," * len(cells) if row in faceless else ",".join([code, "61", *(f"{cell:.8f}" for cell in cells)]))
    path.write_text("\n".join(lines) + "\n")
    return path
