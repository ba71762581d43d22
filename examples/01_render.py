"""A talking-head video from a recording and a sentence.

    python examples/01_render.py --emotion "calm, then delighted surprise" --out hello.mp4

Without --audio a spoken sample that comes with the package is used.
"""

from pathlib import Path

import tyro

from emohead import Pipeline
from emohead.assets import find


def main(
    audio: Path | None = None,
    emotion: str = "calm, then delighted surprise",
    avatar: str = "demo",
    size: int = 512,
    seed: int = 0,
    out: Path = Path("hello.mp4"),
) -> None:
    """Render one video."""
    pipeline = Pipeline.from_pretrained(avatar)  # "demo", or the path of an .emo file
    performance = pipeline(audio or find("sample_speech.wav"), emotion=emotion, size=size, seed=seed)
    notes = performance.save(out)
    for line in (*performance.warnings, *notes):
        print(line)
    print(f"{out}: {performance.n_frames} frames, drawn on {pipeline.device_name}")


if __name__ == "__main__":
    tyro.cli(main)
