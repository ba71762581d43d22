"""Does a face do what was asked? Requested against obtained action units: slope, leakage and rank correlation, all three.

Rank correlation alone reads 1.0 at slope 0 (takes that share their noise differ by the prompt only), slope alone says nothing of what else
moved. Obtained intensities are read from the rig by `emohead.head.action_units.rig_to_au`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import AU_INDEX, N_AU
from emohead.errors import InputError
from emohead.head.action_units import au_to_rig, channel_names, rig_to_au
from emohead.types import AUTrack, HeadMotion

LEVELS: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Intensities asked for."""
OPEN_CHOICE = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU43")
"""Action units that the mouth does not need and a rig can show."""
SETTLED = 0.5
"""Seconds after the start from which a face is read, so that onsets do not count."""


@dataclass(frozen=True)
class Obedience:
    """How one action unit was obeyed."""

    slope: float
    """Obtained over requested intensity, least squares with an intercept; 1 = exactly."""
    spearman: float
    """Rank correlation of requested and obtained levels."""
    leakage: float
    """Mean absolute change of all other action units between the lowest and the highest request, less what the request itself implies."""
    largest_leak: float
    """The largest of these changes."""


def obedience(levels: Sequence[float], obtained: Float[Tensor, "L A"], channels: Sequence[str]) -> Obedience:
    """The figures of one action unit from the intensities that faces showed.

    Args:
        levels: requested intensities, ascending, at least two.
        obtained: mean intensities 0..1 of all channels at each level.
        channels: the channels asked for, of `channels.AU_NAMES`.

    Raises:
        InputError: a number of levels that does not fit, or channels that do not exist.
    """
    if len(levels) < 2 or len(levels) != obtained.shape[0] or not channels or not set(channels) <= set(AU_INDEX):
        raise InputError(f"obedience needs a row of intensities per level and known channels, got {len(levels)} levels, {list(channels)}")
    wanted = [AU_INDEX[name] for name in channels]
    asked, got = torch.tensor(list(levels)), obtained[:, wanted].mean(1)
    centred = asked - asked.mean()
    slope = float((centred * (got - got.mean())).sum() / centred.square().sum())
    others = torch.ones(N_AU, dtype=torch.bool)
    others[wanted] = False
    leaks = _leaks(levels, obtained, wanted)[others]
    return Obedience(slope, spearman(asked, got), float(leaks.mean()), float(leaks.amax()))


def measure_obedience(speak: Callable[[AUTrack], HeadMotion], unit: str, *, n_frames: int, fps: float) -> Obedience:
    """Ask `speak` for one action unit at each of `LEVELS`, everything else left open, and read what it does.

    Args:
        speak: makes the motion of one fixed audio and seed under a prompt.
        unit: a FACS code such as `AU4` (both sides) or `AU4L`.
        n_frames: frames of that audio.
        fps: frames per second.

    Raises:
        InputError: no such action unit.
    """
    names, rows = channel_names(unit), []
    for level in LEVELS:
        prompt = AUTrack.neutral(n_frames, fps)
        for name in names:
            prompt.intensity[:, AU_INDEX[name]], prompt.weight[:, AU_INDEX[name]] = level, 1.0
        rows.append(_usual(speak(prompt), unit, min(round(SETTLED * fps), n_frames - 1)))
    return obedience(LEVELS, torch.stack(rows), names)


def spearman(one: Float[Tensor, " n"], other: Float[Tensor, " n"]) -> float:
    """Rank correlation (Spearman 1904), ties sharing their mean rank; 0 where either is constant."""
    ranks = torch.stack([_ranks(one.double()), _ranks(other.double())])
    return float(torch.corrcoef(ranks)[0, 1]) if bool((ranks.std(1) > 0).all()) else 0.0


def frame_spearman(requested: AUTrack, motion: HeadMotion) -> float:
    """Rank correlation over time of requested and obtained intensities, mean over the channels that were asked for and vary.

    NaN where none does.
    """
    shown, values = rig_to_au(motion.rig), []
    for channel in range(N_AU):
        asked = requested.weight[:, channel] > 0.5
        wanted = requested.intensity[asked, channel]
        if wanted.numel() > 2 and float(wanted.std()) > 0.02:
            values.append(spearman(wanted, shown[asked, channel]))
    return sum(values) / len(values) if values else float("nan")


def _leaks(levels: Sequence[float], obtained: Tensor, wanted: list[int]) -> Float[Tensor, " A"]:
    # An action unit alone, put on the rig and read back, may already show in its neighbours (AU6 narrows the lids as AU7 does).
    alone = torch.zeros(2, N_AU)
    alone[0, wanted], alone[1, wanted] = levels[0], levels[-1]
    implied = rig_to_au(au_to_rig(alone)).diff(dim=0)[0]
    return (obtained[-1] - obtained[0] - implied).abs()


def _usual(motion: HeadMotion, unit: str, first: int) -> Float[Tensor, " A"]:
    """Mean intensities from frame `first` on. Blinks fall where they like: eye closure is a median, or left out."""
    shown = rig_to_au(motion.rig)[first:]
    mean, lids = shown.mean(0), [AU_INDEX["AU43L"], AU_INDEX["AU43R"]]
    mean[lids] = shown[:, lids].median(0).values if unit.startswith("AU43") else 0.0
    return mean


def _ranks(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return (values[:, None] > values[None]).double().sum(1) + ((values[:, None] == values[None]).double().sum(1) - 1) / 2
