"""What an expression does to the rest of the body: moods read off the action units themselves, never off a label's name.

Each mood is the geometric mean of the action units that make it (Friesen & Ekman's EMFACS combinations), so a lone brow or a lone
mouth corner is only half a mood. What moods do to speech: Lee & Narayanan 2005, 2012 (amplitude follows arousal, timing stays).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import AU_INDEX


@dataclass(frozen=True)
class Mood:
    """How much of each mood is in the expression, 0..1 per frame."""

    joy: Float[Tensor, " T"]
    anger: Float[Tensor, " T"]
    sadness: Float[Tensor, " T"]
    fear: Float[Tensor, " T"]
    disgust: Float[Tensor, " T"]
    surprise: Float[Tensor, " T"]
    drowsiness: Float[Tensor, " T"]

    @property
    def articulation_gain(self) -> Float[Tensor, " T"]:
        """Factor on the width of jaw and lips in speech: more in anger, less in sadness."""
        up = 0.25 * self.anger + 0.10 * self.joy + 0.15 * self.surprise
        return (1.0 + up - 0.30 * self.sadness - 0.25 * self.drowsiness - 0.10 * self.disgust).clamp(0.5, 1.4)

    @property
    def head_gain(self) -> Float[Tensor, " T"]:
        """Factor on the size of head movements."""
        return (1.0 + 0.3 * self.anger + 0.2 * self.joy - 0.45 * self.sadness - 0.1 * self.fear - 0.4 * self.drowsiness).clamp(0.4, 1.4)

    @property
    def blink_gain(self) -> Float[Tensor, " T"]:
        """Factor on the blink rate."""
        return (1.0 + 0.8 * self.fear + 0.2 * self.drowsiness - 0.2 * self.sadness).clamp(0.5, 2.0)

    @property
    def rounding_gain(self) -> Float[Tensor, " T"]:
        """Factor on lip rounding, which a smile's spread lips resist."""
        return 1.0 - 0.25 * self.joy


def read_mood(intensity: Float[Tensor, "T A"]) -> Mood:
    """The moods in an AU track, from the mean of both sides."""

    def au(number: int) -> Tensor:
        if f"AU{number}" in AU_INDEX:
            return intensity[:, AU_INDEX[f"AU{number}"]]
        return (intensity[:, AU_INDEX[f"AU{number}L"]] + intensity[:, AU_INDEX[f"AU{number}R"]]) / 2

    def together(*parts: Tensor) -> Tensor:
        """Geometric mean; full at the strength of a full prototype (0.7)."""
        product = torch.stack([(part / 0.7).clamp(0.0, 1.0) for part in parts]).prod(0)
        return product ** (1.0 / len(parts))

    tight = torch.stack([au(7), au(23), au(24)]).amax(0)
    return Mood(
        joy=(au(12) / 0.7).clamp(0.0, 1.0) * (1 - au(15)),
        anger=together(au(4), tight) * (1 - au(1)) * (1 - au(12)),
        sadness=together(au(15), torch.maximum(au(1), 0.6 * au(4))) * (1 - au(20)),
        fear=together(au(1), torch.maximum(au(20), 0.7 * au(4)), torch.maximum(au(5), au(20))) * (1 - au(15)),
        disgust=(torch.maximum(au(9), au(10)) / 0.7).clamp(0.0, 1.0) * (1 - au(12)),
        surprise=together(au(1), au(2)) * torch.maximum(au(5), au(26)) * (1 - au(4)),
        drowsiness=((au(43) - 0.1) / 0.4).clamp(0.0, 1.0),
    )
