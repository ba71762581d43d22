"""EmoDiffTalk's edit of action units by a sentence, as a baseline: which units are meant, yes or no, for the whole clip.

`E' = E (1 + alpha y) - beta (1 - y) E` (arXiv 2512.05991). It knows no sides, no course over time and no degrees, it can only scale what is
there, and `beta` also shrinks what the lips need for speech; `text_to_au` does without these.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from controllers.handedness import other_side
from controllers.meaning import MeaningModel, load_meaning
from controllers.states import actions, states
from emohead.channels import AU_INDEX, N_AU
from emohead.errors import InputError
from emohead.types import AUTrack

PRESENT = 0.1
"""Intensity above which a unit belongs to a concept."""
_SURE = 0.3


@dataclass(frozen=True)
class BinaryEdit:
    """Edits a track of action units by a sentence."""

    sentence: str
    """English; what its whole means is asked of the meaning network, without any grammar."""
    alpha: float = 1.0
    """How much the units that are meant grow, from 0."""
    beta: float = 0.8
    """How much the others shrink, 0..1."""

    def __post_init__(self) -> None:
        if not self.alpha >= 0.0 or not 0.0 <= self.beta <= 1.0:
            raise InputError(f"alpha must be 0 or more and beta 0..1, got {self.alpha:g} and {self.beta:g}")

    def __call__(self, track: AUTrack, *, model: MeaningModel | None = None) -> AUTrack:
        """The track with the units that the sentence means stronger and the others weaker; gaze and head stay."""
        edited = binary_edit(track.intensity, meant_units(self.sentence, model), alpha=self.alpha, beta=self.beta)
        return replace(track, intensity=edited)


def binary_edit(intensity: Float[Tensor, "T A"], meant: Float[Tensor, " A"], *, alpha: float, beta: float) -> Float[Tensor, "T A"]:
    """`E (1 + alpha y) - beta (1 - y) E`, cut to 0..1."""
    return (intensity * (1 + alpha * meant) - beta * (1 - meant) * intensity).clamp(0.0, 1.0)


def meant_units(sentence: str, model: MeaningModel | None = None) -> Float[Tensor, " A"]:
    """1 for every unit of what the sentence is taken for as a whole, on both sides; zeros when it is taken for nothing."""
    meant = (model or load_meaning())([sentence])[0]
    units = torch.zeros(N_AU)
    for guess in meant.guesses[:2]:
        if guess.probability >= _SURE:
            concept = states().get(guess.concept) or actions().get(guess.concept) or actions()[other_side(guess.concept)]
            for name, value in concept.expression.au.items():
                if value > PRESENT:
                    units[[AU_INDEX[twin] for twin in (name, name[:-1] + "L", name[:-1] + "R") if twin in AU_INDEX]] = 1.0
    return units
