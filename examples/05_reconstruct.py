"""From a video of a person to an avatar of them, how good it is, and a line spoken by it.

    python examples/05_reconstruct.py me.mp4 --name "Jane Doe" --out me.emo

Only for a video of yourself: `--name` is stored in the avatar as your consent. The networks that find the face do not come with EmoHead;
`emohead assets fetch` gets them. Without --audio the line is a spoken sample that comes with the package.
"""

from pathlib import Path

import torch
import tyro

from emohead import Pipeline
from emohead.assets import OPTIONAL_FILES, find
from emohead.consent import Consent
from emohead.errors import EmoheadError, InputError
from emohead.head.generic import load_generic
from emohead.raster import build_rasterizer
from recon.reconstruct import ReconstructConfig, reconstruct


def main(
    video: tyro.conf.Positional[Path],
    name: str,
    quality: str = "draft",
    steps: int | None = None,
    size: int = 512,
    audio: Path | None = None,
    emotion: str = "a warm smile, then surprise",
    out: Path = Path("me.emo"),
) -> None:
    """Make an avatar of yourself and let it speak."""
    try:
        for file in OPTIONAL_FILES:
            find(file.name)
    except InputError as error:
        print(f"skipped: {error}")
        return
    torch.set_num_threads(1)  # the rasterizer has its own threads
    config = ReconstructConfig(quality=quality, steps=steps, size=size)
    try:
        made = reconstruct(video, out, load_generic(), build_rasterizer("auto"), Consent.by_oneself(name), config=config)
    except EmoheadError as error:
        raise SystemExit(f"error: {error}") from None
    for note in made.notes:
        print(note)
    print(f"{out}: {made.avatar.n_gaussians} Gaussians")
    if "held_out_face_psnr_db" in made.figures:  # the end of the clip trained nothing
        full, face = made.figures["held_out_full_psnr_db"], made.figures["held_out_face_psnr_db"]
        print(f"held-out frames: {full:.1f} dB whole picture, {face:.1f} dB face")

    film = out.with_suffix(".mp4")
    Pipeline.from_pretrained(out)(audio or find("sample_speech.wav"), emotion=emotion, size=size).save(film)
    print(f"{film}: the avatar speaks, with {emotion!r}")


if __name__ == "__main__":
    tyro.cli(main)
