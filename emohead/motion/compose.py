"""Speech and expression on one mouth: `mouth = speech * gain + (1 - demand) * expression`; the upper face is added untouched.

Articulators that a sound depends on stay under its control and expression moves the others (Kim et al. 2015); speech is local and
fast, expression global and slow.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import N_RIG, RIG_INDEX, RIG_NAMES
from emohead.motion.closures import Constraints
from emohead.motion.mood import Mood
from emohead.motion.phone_targets import ARTICULATORS

FULL_ROUNDING = 0.5
"""mouthPucker + mouthFunnel at which the lips are fully claimed by rounding."""

# The corners of the mouth do not part the lips, so they keep most of a smile even in a closure: a smile that flickers looks false.
# How far articulatory demand, and talking as such, take a channel away from the expression: (demand, talking).
_MOUTH_SHARE: dict[str, tuple[float, float]] = {
    "mouthSmile": (0.2, 0.0), "mouthFrown": (0.2, 0.0), "mouthDimple": (0.3, 0.0), "mouthLeft": (0.3, 0.0), "mouthRight": (0.3, 0.0),
    "jawLeft": (0.5, 0.0), "jawRight": (0.5, 0.0), "jawForward": (0.5, 0.0),
    "jawOpen": (1.0, 0.8), "mouthLowerDown": (1.0, 0.3), "mouthUpperUp": (1.0, 0.2),
    "mouthPress": (1.0, 0.85), "mouthRollLower": (1.0, 0.85), "mouthRollUpper": (1.0, 0.85), "mouthShrugLower": (1.0, 0.7),
    "mouthShrugUpper": (1.0, 0.4), "mouthStretch": (1.0, 0.0), "mouthPucker": (1.0, 0.3), "mouthFunnel": (1.0, 0.3),
    "mouthClose": (1.0, 1.0), "cheekPuff": (1.0, 0.6), "tongueOut": (1.0, 0.6),
}  # fmt: skip


def speech_to_rig(shapes: Float[Tensor, "T M"], mood: Mood, *, gain: float, rounding: float) -> Float[Tensor, "T R"]:
    """Articulator shapes as rig coefficients, widened or narrowed by mood and style."""
    rig = shapes.new_zeros(shapes.shape[0], N_RIG)
    factors = {"mouthPucker": rounding * mood.rounding_gain, "mouthFunnel": rounding * mood.rounding_gain}
    for column, name in enumerate(ARTICULATORS):
        values = shapes[:, column] * factors.get(name, gain * mood.articulation_gain)
        for channel in (name, f"{name}Left", f"{name}Right"):
            if channel in RIG_INDEX:
                rig[:, RIG_INDEX[channel]] = values
    return rig.clamp(0.0, 1.0)


def compose(
    speech: Float[Tensor, "T R"], expression: Float[Tensor, "T R"], constraints: Constraints, activity: Float[Tensor, " T"]
) -> Float[Tensor, "T R"]:
    """Speech and expression together, before the constraints are enforced; `activity` (0..1) is how far speech has the mouth.

    A channel that both use takes `s + e (1 - s)`: each alone is met exactly, and together they saturate instead of clipping.
    """
    rounded = (speech[:, RIG_INDEX["mouthPucker"]] + speech[:, RIG_INDEX["mouthFunnel"]]) / FULL_ROUNDING
    demand = torch.stack([constraints.bilabial, constraints.labiodental, rounded.clamp(0.0, 1.0)]).amax(0)
    shares = torch.tensor([_MOUTH_SHARE.get(_unsided(name), (0.0, 0.0)) for name in RIG_NAMES])
    left = (1 - demand[:, None] * shares[:, 0]) * (1 - activity[:, None] * shares[:, 1])
    wanted = expression * left
    return speech + wanted * (1 - speech)


def _unsided(name: str) -> str:
    return name if name in _MOUTH_SHARE else name.removesuffix("Left").removesuffix("Right")
