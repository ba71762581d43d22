"""What a face does of its own accord: brow flashes on accents and the small stirrings of a living face, as action units."""

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import AU_INDEX, N_AU
from emohead.motion.articulation import INNER_FPS
from emohead.motion.envelopes import add_pulse, wander
from emohead.motion.prosody import Prosody
from emohead.types import AUTrack

FLASH = (0.12, 0.45)
"""Least and greatest intensity of a brow raise on an accent."""
FLASH_LEAD, FLASH_RISE, FLASH_HOLD, FLASH_FALL = 0.10, 0.125, 0.14, 0.22
"""Seconds; the brow starts before the accent and peaks on it (Kim, Cvejic & Davis 2014)."""
PHRASE_FLASH_PROBABILITY = 0.2
"""Of a raise at the start of a phrase."""
FROWN_PROBABILITY, FROWN = 0.15, 0.18
"""Of a brow lowered on an accent instead, and how far."""
BROWS_TOGETHER, BROWS_AGAINST = 0.85, -0.4
"""Correlations of the stirrings of AU1 with AU2 and of both with AU4 (facial coding studies)."""
STIR_TIME = 0.8
"""Seconds in which a stirring forgets itself."""

_YIELDS = ((1, 2, 4), (5, 6, 7, 43))
"""Action units that disturb one another: asking for one stills the face's own use of all in its group."""


def own_expression(
    prosody: Prosody, *, flash_probability: float, stir: float, smile: float, generator: torch.Generator
) -> Float[Tensor, "T A"]:
    """Action units 0..1 at INNER_FPS that come without being asked for; the mouth is left to speech, but for a constant `smile`."""
    n_frames = prosody.activity.shape[0]
    intensity = torch.zeros(n_frames, N_AU)
    raised, lowered = _flashes(prosody, flash_probability, generator)
    stirring = wander(n_frames, INNER_FPS, time_constant=STIR_TIME, generator=generator, columns=5)
    inner = stirring[:, 0]
    outer = BROWS_TOGETHER * inner + (1 - BROWS_TOGETHER**2) ** 0.5 * stirring[:, 1]
    frown = BROWS_AGAINST * inner + (1 - BROWS_AGAINST**2) ** 0.5 * stirring[:, 2]
    _set(intensity, "AU1", raised + stir * (1 + inner).clamp(min=0.0))
    _set(intensity, "AU2", 0.8 * raised + stir * (1 + outer).clamp(min=0.0))
    _set(intensity, "AU4", lowered + 0.6 * stir * frown.clamp(min=0.0))
    _set(intensity, "AU5", 0.2 * raised)
    _set(intensity, "AU6", 0.5 * stir * (1 + stirring[:, 3]).clamp(min=0.0) + 0.3 * smile)
    _set(intensity, "AU7", 0.6 * stir * (1 + stirring[:, 4]).clamp(min=0.0))
    _set(intensity, "AU12", torch.full((n_frames,), smile))
    # Nobody's brows rise quite alike; the more mobile side differs from clip to clip.
    lean = 0.08 * float(torch.randn((), generator=generator))
    for number in (1, 2):
        intensity[:, AU_INDEX[f"AU{number}L"]] *= 1 + lean
        intensity[:, AU_INDEX[f"AU{number}R"]] *= 1 - lean
    return intensity.clamp(0.0, 1.0)


def obey(own: Float[Tensor, "T A"], prompt: AUTrack | None) -> Float[Tensor, "T A"]:
    """The face's own action units where nothing was asked for, the prompt's where something was."""
    if prompt is None:
        return own
    weight = prompt.weight.clamp(0.0, 1.0)
    free = 1.0 - weight
    for numbers in _YIELDS:
        columns = [AU_INDEX[f"AU{number}{side}"] for number in numbers for side in "LR"]
        free[:, columns] = free[:, columns].amin(1, keepdim=True)
    return own * free + prompt.intensity * weight


def _flashes(prosody: Prosody, probability: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    raised, lowered = torch.zeros_like(prosody.activity), torch.zeros_like(prosody.activity)
    shape = {"rise": FLASH_RISE, "hold": FLASH_HOLD, "fall": FLASH_FALL}
    for accent in prosody.accents:
        chance, size = torch.rand(2, generator=generator).tolist()
        start = accent.time - FLASH_LEAD
        if chance < probability:
            amount = (FLASH[0] + (FLASH[1] - FLASH[0]) * accent.strength) * (0.6 + 0.8 * size)
            add_pulse(raised, INNER_FPS, amount=amount, start=start, **shape)
        elif chance > 1 - FROWN_PROBABILITY:
            add_pulse(lowered, INNER_FPS, amount=FROWN * (0.5 + size), start=start, **shape)
    for phrase in prosody.phrases:
        chance, size = torch.rand(2, generator=generator).tolist()
        if chance < PHRASE_FLASH_PROBABILITY:
            add_pulse(raised, INNER_FPS, amount=0.3 * (0.5 + size), start=phrase.start - 0.1, **shape)
    return raised.clamp(0.0, 0.7), lowered


def _set(intensity: Tensor, name: str, values: Tensor) -> None:
    for side in "LR":
        intensity[:, AU_INDEX[f"{name}{side}"]] = values
