"""Speaking style as a short vector that can be measured on any motion: how far the mouth opens, how much head, brows, eyes and lids do.

A measured style needs no encoder that has to know the speaker: a reference clip, tracked or generated, gives the same numbers.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.motion.vector import INDEX

STYLE_NAMES: tuple[str, ...] = (
    "jaw", "lips", "rounding", "smile", "brows", "head_pitch", "head_yaw", "head_roll", "head_speed", "sway", "gaze", "glances", "blinks",
)  # fmt: skip
"""What a style is made of (`Y` = 13)."""
N_STYLE = len(STYLE_NAMES)


def style_of(vectors: Float[Tensor, "T M"], fps: float) -> Float[Tensor, " Y"]:
    """The style of a clip of motion vectors (`motion.vector`), about -2..2 each; several seconds are needed to mean anything."""

    def spread(*names: str) -> Tensor:
        return vectors[:, [INDEX[name] for name in names]].std(0, correction=0).mean()

    head = vectors[:, [INDEX[name] for name in ("headPitch", "headYaw", "headRoll")]]
    gaze = vectors[:, [INDEX["gazeYaw"], INDEX["gazePitch"]]]
    speed, turning = (track.diff(dim=0).norm(dim=1) * fps for track in (head, gaze))
    blinking = vectors[:, INDEX["blink"]]
    starts = ((blinking[1:] > 0.5) & (blinking[:-1] <= 0.5)).float().mean() * fps * 60
    values = torch.stack(
        [
            spread("jawOpen"),
            spread("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
            spread("mouthPucker", "mouthFunnel"),
            vectors[:, [INDEX["mouthSmileLeft"], INDEX["mouthSmileRight"]]].mean(),
            spread("browInnerUp", "browOuterUpLeft", "browOuterUpRight", "browDownLeft", "browDownRight"),
            *head.std(0, correction=0),
            speed.mean(),
            spread("translationX", "translationY", "translationZ"),
            gaze.std(0, correction=0).mean(),
            (turning > 0.5).float().mean(),
            starts,
        ]
    )
    middle, width = values.new_tensor(_MIDDLE), values.new_tensor(_WIDTH)
    return ((values - middle) / width).clamp(-3.0, 3.0)


# Means and spreads over synthetic performances of random style (`emohead train motion` prints them), only to bring the numbers to one size.
_MIDDLE = (0.11, 0.19, 0.12, 0.08, 0.05, 0.045, 0.055, 0.033, 0.10, 0.0018, 0.07, 0.05, 21.0)
_WIDTH = (0.035, 0.05, 0.04, 0.14, 0.05, 0.02, 0.025, 0.015, 0.05, 0.0006, 0.035, 0.03, 11.0)
