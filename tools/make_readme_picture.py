"""Make the README's picture: the demo avatar speaking the shipped sample, as a strip of frames.

python tools/make_readme_picture.py -o docs/images/talking.webp
"""

import argparse
from dataclasses import replace

import numpy as np
from PIL import Image

from emohead import Pipeline
from emohead.assets import find

SENTENCE = "calm, then a delighted surprise"
COLUMNS, ROWS, SIZE = 6, 2, 256
FACE = (slice(40, 400), slice(76, 436))
"""Rows and columns of the 512-pixel picture that are shown."""


def main() -> None:
    """Render, choose evenly spaced frames, write the strip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", default="docs/images/talking.webp")
    output = parser.parse_args().output
    performance = Pipeline.from_pretrained("demo")(find("sample_speech.wav"), emotion=SENTENCE, seed=1)
    chosen = np.linspace(0.06, 0.94, COLUMNS * ROWS) * performance.n_frames
    tiles = []
    for index in chosen.astype(int):
        picture = next(iter(replace(performance, motion=performance.motion.frames(index, index + 1)).frames()))
        tiles.append(np.asarray(Image.fromarray(picture.numpy()[FACE]).resize((SIZE, SIZE), Image.Resampling.LANCZOS)))
    rows = [np.hstack(tiles[row * COLUMNS : (row + 1) * COLUMNS]) for row in range(ROWS)]
    Image.fromarray(np.vstack(rows)).save(output, quality=88)
    print(f"{output}: frames {chosen.astype(int).tolist()} of {performance.n_frames}")


if __name__ == "__main__":
    main()
