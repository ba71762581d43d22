"""The motion alone, for a game engine or a statistics package; no avatar is needed.

    python examples/02_motion_to_csv.py --audio speech.wav --label happy:0.8 --folder motion

Three files: our own .npz (lossless), a Live Link Face recording (.csv, the 52 ARKit coefficients with head and eye angles), and
OpenFace-style action units (.au.csv).
"""

from pathlib import Path

import tyro

from emohead.assets import find
from emohead.channels import RIG_INDEX
from emohead.export.base import MOTION_FORMATS
from emohead.export.motion_npz import read_motion_npz
from emohead.pipeline import Request, animate, plan


def main(audio: Path | None = None, label: str = "happy:0.8", fps: float = 60.0, folder: Path = Path("motion")) -> None:
    """Write one motion in every format and look into one of them."""
    planned = plan(audio or find("sample_speech.wav"), Request(label=label, fps=fps))
    motion = animate(planned)
    folder.mkdir(exist_ok=True)
    for suffix, chosen in MOTION_FORMATS.items():
        chosen.write(folder / f"take{suffix}", motion)
        print(f"{folder / f'take{suffix}'}: {chosen.title}")
    again = read_motion_npz(folder / "take.npz")
    opening = again.rig[:, RIG_INDEX["jawOpen"]]
    print(f"{again.n_frames} frames; the jaw opens {float(opening.mean()):.2f} on average and {float(opening.max()):.2f} at most")


if __name__ == "__main__":
    tyro.cli(main)
