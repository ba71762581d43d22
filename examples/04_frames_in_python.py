"""Frames without a video: a contact sheet of a performance, drawn one picture at a time.

python examples/04_frames_in_python.py --emotion "very surprised" --out sheet.png
"""

from pathlib import Path

import tyro
from PIL import Image

from emohead import Pipeline
from emohead.assets import find


def main(
    audio: Path | None = None,
    emotion: str = "very surprised",
    avatar: str = "demo",
    size: int = 256,
    columns: int = 6,
    rows: int = 3,
    out: Path = Path("sheet.png"),
) -> None:
    """Draw a few evenly spaced moments of a performance."""
    performance = Pipeline.from_pretrained(avatar)(audio or find("sample_speech.wav"), emotion=emotion, size=size)
    sheet = Image.new("RGB", (columns * size, rows * size))
    wanted = {round(place * (performance.n_frames - 1) / (columns * rows - 1)): place for place in range(columns * rows)}
    for index, picture in enumerate(performance.frames()):
        if index in wanted:
            place = wanted[index]
            sheet.paste(Image.fromarray(picture.numpy()), (place % columns * size, place // columns * size))
    sheet.save(out)
    print(f"{out}: {len(wanted)} of {performance.n_frames} frames")


if __name__ == "__main__":
    tyro.cli(main)
