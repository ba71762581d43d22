"""Build the demo avatar from the video of a synthetic person, as any user would: no true camera, no true matte. One command, one seed.

    python tools/build_demo_avatar.py --video ../shared/data/captures/mei/mei.mp4 -o emohead/assets/demo.emo

needs the `recon` extra and the face landmarker and segmenter (`EMOHEAD_ASSETS`). The last tenth of the clip trains nothing. A stopped
build goes on with --resume.
"""

import argparse
import logging
from pathlib import Path

import torch

from emohead.commands.progress import progress_bar
from emohead.consent import Consent
from emohead.head.generic import load_generic
from emohead.raster.cpu import CpuRasterizer
from recon.reconstruct import ReconstructConfig, reconstruct

CONSENT = Consent(
    {
        "who": "Mei, a synthetic person",
        "scope": "any use: this person does not exist (MakeHuman CC0 assets rendered with Blender Cycles)",
        "date": "2026-11-21",
        "statement": "synthetic person, CC0",
        "licence": "CC0-1.0",
    }
)


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True, help="the synthetic person's video")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".emo file to write")
    parser.add_argument("--steps", type=int, help="training steps instead of those of standard quality")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="threads of the rasterizer")
    parser.add_argument("--resume", action="store_true", help="go on where a stopped build was")
    parser.add_argument("--preview", type=Path, help="PNG of a few training frames, rewritten at every checkpoint")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    with progress_bar() as tell:
        made = reconstruct(
            arguments.video,
            arguments.output,
            load_generic(),
            CpuRasterizer(n_threads=arguments.threads),
            CONSENT,
            config=ReconstructConfig(steps=arguments.steps, seed=arguments.seed),
            resume=arguments.resume,
            preview=arguments.preview,
            progress=tell,
        )
    print(made.figures)


if __name__ == "__main__":
    main()
