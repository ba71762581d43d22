"""How a head moves in speech: slow posture, nods on accents, a lift at a phrase's start and a fall at its end, turns between phrases.

Sizes follow tracked talking heads (standard deviations 4-6 degrees over corpora, about half within a clip); nods begin with the
accent and peak after it (Kim, Cvejic & Davis 2014), and the head follows the voice by some 30 ms (Fotedar & Ghosh 2017).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.motion.articulation import INNER_FPS, frame_times, smooth
from emohead.motion.envelopes import add_pulse, glide, wander
from emohead.motion.gaze_motion import GazePlan
from emohead.motion.mood import Mood
from emohead.motion.prosody import Prosody

POSTURE_STD = (2.0, 3.4, 2.1)
"""Degrees of pitch, yaw and roll of the slow drift."""
POSTURE_TIME = 4.0
"""Seconds in which it forgets itself."""
SWAY_STD, SWAY_TIME = (0.5, 0.6, 0.35), 0.9
"""Degrees and seconds of the livelier movement that comes only with speech."""
NOD = (1.6, 4.0)
"""Degrees, least and greatest, of a nod on an accent."""
NOD_DELAY, NOD_RISE, NOD_FALL = 0.02, 0.20, 0.35
"""Seconds."""
LIFT, FALL = 2.0, 2.5
"""Degrees up at the start of a phrase, down at its end."""
TURN_PROBABILITY, TURN_STD = 0.4, 4.0
"""Of a turn (degrees of yaw) between two phrases."""
TURN_TIME = 0.5
"""Seconds that it takes."""
HIGHEST_FREQUENCY_SIGMA = 0.045
"""Seconds of the final smoothing: nothing above about 4 Hz is left."""


def rotation(
    prosody: Prosody, gaze: GazePlan, mood: Mood, *, gain: float, nod_probability: float, generator: torch.Generator
) -> Float[Tensor, "T 3"]:
    """Head against torso (pitch, yaw, roll in radians) at INNER_FPS; `mood` is at INNER_FPS too."""
    n_frames = prosody.activity.shape[0]
    times = frame_times(n_frames, INNER_FPS)
    posture = wander(n_frames, INNER_FPS, time_constant=POSTURE_TIME, generator=generator, columns=3) * torch.tensor(POSTURE_STD)
    sway = wander(n_frames, INNER_FPS, time_constant=SWAY_TIME, generator=generator, columns=3) * torch.tensor(SWAY_STD)
    speaking = smooth(prosody.activity[:, None], INNER_FPS, 0.25)
    degrees = posture + sway * speaking
    degrees[:, 0] += _nods(prosody, nod_probability, generator) + _phrase_arcs(prosody)
    degrees[:, 1] += _turns(times, prosody, generator)
    degrees = degrees * (gain * mood.head_gain[:, None])
    # Large glances take the head along: about half of them, some 40 ms after the eyes and slower.
    degrees[:, :2] += 0.45 * _follow(times, gaze)[:, [1, 0]]
    degrees[:, 0] += 5.0 * mood.sadness + 3.0 * mood.drowsiness - 3.0 * mood.surprise
    return torch.deg2rad(smooth(degrees, INNER_FPS, HIGHEST_FREQUENCY_SIGMA))


def translation(head_rotation: Float[Tensor, "T 3"], mood: Mood, *, generator: torch.Generator) -> Float[Tensor, "T 3"]:
    """Torso translation in metres at INNER_FPS: breath, a sway that goes with the head, leaning in when angry and back when afraid."""
    n_frames = head_rotation.shape[0]
    times = frame_times(n_frames, INNER_FPS)
    phase = 2 * math.pi * float(torch.rand((), generator=generator))
    drift = wander(n_frames, INNER_FPS, time_constant=3.0, generator=generator, columns=3) * torch.tensor([0.002, 0.0008, 0.002])
    offset = smooth(drift.clone(), INNER_FPS, 0.1)
    offset[:, 1] += 0.0008 * torch.sin(2 * math.pi * 0.25 * times + phase).float()
    offset[:, 0] += 0.02 * head_rotation[:, 1]
    lean = 0.010 * mood.anger - 0.008 * mood.fear
    offset[:, 2] += smooth(lean[:, None], INNER_FPS, 0.2)[:, 0]
    return offset


def torso_rotation(head_rotation: Float[Tensor, "T 3"], fps: float = INNER_FPS) -> Float[Tensor, "T 3"]:
    """The torso takes a small, slow part in what the head does."""
    return 0.12 * smooth(head_rotation, fps, 0.25)


def _nods(prosody: Prosody, probability: float, generator: torch.Generator) -> Tensor:
    pitch = torch.zeros_like(prosody.activity)
    for accent in prosody.accents:
        chance, size = torch.rand(2, generator=generator).tolist()
        if chance < probability:
            amount = (NOD[0] + (NOD[1] - NOD[0]) * accent.strength) * (0.7 + 0.6 * size)
            add_pulse(pitch, INNER_FPS, amount=amount, start=accent.time + NOD_DELAY, rise=NOD_RISE, hold=0.0, fall=NOD_FALL)
    return pitch


def _phrase_arcs(prosody: Prosody) -> Tensor:
    pitch = torch.zeros_like(prosody.activity)
    for phrase in prosody.phrases:
        length = phrase.end - phrase.start
        add_pulse(pitch, INNER_FPS, amount=-LIFT, start=phrase.start - 0.15, rise=0.35, hold=0.15 * length, fall=0.5)
        add_pulse(pitch, INNER_FPS, amount=FALL, start=phrase.end - 0.30, rise=0.40, hold=0.05, fall=0.7)
    return pitch


def _turns(times: Tensor, prosody: Prosody, generator: torch.Generator) -> Tensor:
    """Yaw at phrase boundaries; a turn is a new direction rather than a further turn, so they do not add up."""
    starts, targets = [], [0.0]
    for phrase in prosody.phrases[1:]:
        chance, target = float(torch.rand((), generator=generator)), TURN_STD * float(torch.randn((), generator=generator))
        start = phrase.start - 0.25
        if chance < TURN_PROBABILITY and (not starts or start - starts[-1] > TURN_TIME):
            starts.append(start)
            targets.append(target)
    seconds = torch.tensor(starts, dtype=torch.float64)
    yaw = glide(times, seconds, torch.full_like(seconds, TURN_TIME), torch.tensor(targets, dtype=torch.float64)[:, None])
    return yaw[:, 0].float()


def _follow(times: Tensor, gaze: GazePlan) -> Tensor:
    """The part of the gaze (degrees) that is beyond 12 degrees, as a head 40 ms late would follow it in 400 ms."""
    degrees = torch.rad2deg(gaze.at(times - 0.24))
    size = degrees.norm(dim=1, keepdim=True)
    return smooth(degrees * ((size - 12.0) / size.clamp(min=1e-6)).clamp(0.0, 1.0), INNER_FPS, 0.12)
