"""What a synthetic performance is asked for: emotions, single action units and poses that come and go, at random.

Plans are drawn apart from the voice, so that a network learns to take the expression from the prompt and not from the pitch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import AU_INDEX, AU_NAMES, N_AU, other_side
from emohead.motion.envelopes import pulse
from emohead.types import AUTrack

EMOTIONS: tuple[str, ...] = ("happy", "sad", "surprised", "fearful", "angry", "disgusted", "contemptuous")
"""The emotions that the diffusion knows by name (`E` = 7), in the order of its condition."""
_ONE_SIDE_ONLY = ("AU30L", "AU30R")
"""A jaw that is drawn to both sides stays where it is."""
_GAZE_RANGE, _HEAD_RANGE = (0.4, 0.3), (0.2, 0.3, 0.15)
"""Radians: how far a pose prompt goes."""


@dataclass(frozen=True)
class PlanConfig:
    """How often what is asked for; shares 0..1 of the clips."""

    nothing: float = 0.1
    """Nothing at all."""
    emotion: float = 0.25
    """One of `EMOTIONS`, or two in turn."""
    units: float = 0.45
    """One to four action units, the others left to the face."""
    only: float = 0.2
    """One to four action units, the others asked to rest."""
    one_sided: float = 0.6
    """Of action units that have sides: asked of one alone."""
    lopsided: float = 0.3
    """Of emotions: fainter on one side, so that the sides are not learned as one."""
    pose: float = 0.15
    """A gaze or head pose beside it."""


@dataclass(frozen=True)
class PromptPlan:
    """One plan over a clip."""

    track: AUTrack
    emotion: Float[Tensor, "T E"]
    """How strongly each of `EMOTIONS` is meant, 0..1.3."""


def random_plan(
    n_frames: int,
    fps: float,
    prototypes: Mapping[str, Float[Tensor, " A"]],
    random: np.random.Generator,
    *,
    config: PlanConfig | None = None,
) -> PromptPlan:
    """A plan for a clip of `n_frames`.

    Args:
        n_frames: length.
        fps: frames per second.
        prototypes: the action units of each of `EMOTIONS` at full intensity.
        random: one state, one plan.
        config: shares.
    """
    config = config or PlanConfig()
    track, emotion = AUTrack.neutral(n_frames, fps), torch.zeros(n_frames, len(EMOTIONS))
    kind = random.choice(4, p=np.array([config.nothing, config.emotion, config.units, config.only]))
    if kind == 1:
        _ask_emotions(track, emotion, prototypes, random, lopsided=config.lopsided)
    elif kind > 1:
        _ask_units(track, random, one_sided=config.one_sided, others_rest=kind == 3)
    if random.random() < config.pose:
        _ask_pose(track, random)
    return PromptPlan(track, emotion)


def _ask_emotions(
    track: AUTrack, emotion: Tensor, prototypes: Mapping[str, Tensor], random: np.random.Generator, *, lopsided: float
) -> None:
    n_events = 1 if random.random() < 0.6 else 2
    duration = track.n_frames / track.fps
    for event in range(n_events):
        name = EMOTIONS[int(random.integers(len(EMOTIONS)))]
        gain = float(random.uniform(0.25, 1.1))
        start = duration * event / n_events + float(random.uniform(-1.5, 1.0))
        course = _course(track, start, duration / n_events + float(random.uniform(0.0, 1.0)), random)
        asked = prototypes[name] * gain * torch.from_numpy(random.uniform(0.85, 1.15, N_AU)).float()
        if random.random() < lopsided:
            side = "LR"[int(random.integers(2))]
            asked[[AU_INDEX[unit] for unit in AU_NAMES if unit.endswith(side)]] *= float(random.uniform(0.0, 0.6))
        stronger = course[:, None] * asked.clamp(max=1.0)
        weight = course[:, None] * (prototypes[name] > 0)
        track.intensity[:] = torch.maximum(track.intensity, stronger)
        track.weight[:] = torch.maximum(track.weight, weight)
        emotion[:, EMOTIONS.index(name)] = torch.maximum(emotion[:, EMOTIONS.index(name)], gain * course)
    asked_at_all = track.weight.clamp(min=1e-4)
    # The intensity is what is meant where it is asked for; the weight alone lets it come and go.
    track.intensity[:] = torch.where(track.weight > 0, (track.intensity / asked_at_all).clamp(max=1.0), track.intensity)


def _ask_units(track: AUTrack, random: np.random.Generator, *, one_sided: float, others_rest: bool) -> None:
    duration = track.n_frames / track.fps
    if others_rest:
        track.weight[:] = 1.0
    for _ in range(int(random.integers(1, 5))):
        name = AU_NAMES[int(random.integers(N_AU))]
        names = {name} if name in _ONE_SIDE_ONLY or random.random() < one_sided else {name, other_side(name)}
        level = float(random.choice([random.uniform(), random.uniform(0.6, 1.0), 0.0], p=[0.55, 0.3, 0.15]))
        whole = random.random() < 0.4
        course = (
            torch.ones(track.n_frames)
            if whole
            else _course(track, float(random.uniform(-0.5, duration * 0.8)), float(random.uniform(0.3, duration)), random)
        )
        for each in names:
            column = AU_INDEX[each]
            track.intensity[:, column] = level * (course if others_rest else 1.0)
            track.weight[:, column] = 1.0 if others_rest else course


def _ask_pose(track: AUTrack, random: np.random.Generator) -> None:
    duration = track.n_frames / track.fps
    course = _course(track, float(random.uniform(-0.5, duration * 0.7)), float(random.uniform(0.5, duration)), random)
    if random.random() < 0.5:
        track.gaze[:] = torch.tensor([float(random.uniform(-limit, limit)) for limit in _GAZE_RANGE])
        track.pose_weight[:, 0] = course
    else:
        track.head_rotation[:] = torch.tensor([float(random.uniform(-limit, limit)) for limit in _HEAD_RANGE])
        track.pose_weight[:, 1] = course


def _course(track: AUTrack, start: float, hold: float, random: np.random.Generator) -> Tensor:
    """0..1 per frame: an onset, a stay and a slower end."""
    times = (torch.arange(track.n_frames) + 0.5) / track.fps
    rise = float(random.uniform(0.15, 0.7))
    return pulse(times, start=start, rise=rise, hold=hold, fall=rise * float(random.uniform(1.2, 2.2)))
