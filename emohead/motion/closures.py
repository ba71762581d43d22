"""The shapes speech insists on: lips shut at /p b m/, lower lip on the teeth at /f v/, teeth together at sibilants.

Dominance alone closes hardly any lips, and emotion would open those it does, so these constraints are applied to the finished
rig, last, at the output's own frame rate. Each has a weight per frame, 0 (free) .. 1 (held).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import RIG_INDEX, RIG_NAMES
from emohead.motion.articulation import INNER_FPS, frame_times, sample, smooth
from emohead.motion.phone_targets import BILABIALS, CLOSURE_SHARE, LABIODENTALS, SIBILANTS
from emohead.motion.phones import PHONE_INDEX
from emohead.motion.prosody import activity_of_segments
from emohead.types import PhonePosteriors, PhoneSegment

SHORTEST_CLOSURE = 0.050
"""Seconds a closure is held at least, so that it is seen."""
FADE = 0.045
"""Seconds in which a constraint comes and goes."""
CLOSURE_THRESHOLD = 0.35
"""Probability of /p b m/ at which lips are about half held shut, unless the recogniser brings its own."""
DOUBT = (0.55, 1.4)
"""Multiples of the threshold between which the hold grows from nothing to full: a missed closure is seen more than a brief narrowing."""

JAW_AT_CLOSURE, JAW_AT_LABIODENTAL, JAW_AT_SIBILANT = 0.20, 0.08, 0.12
"""Widest jawOpen while held."""
PRESS_AT_CLOSURE = 0.16
"""mouthPress of shut lips, as of a /b/."""
ROLL_AT_LABIODENTAL, UPPER_LIP_AT_LABIODENTAL = 0.50, 0.40
"""mouthRollLower that brings the lower lip to the upper teeth, and mouthUpperUp that keeps the upper lip off them."""

_PROBABLE_SPREAD = (0.35, 0.75, 1.0, 0.75, 0.35)
"""How a closure seen in one 10 ms frame holds its neighbours."""

# What is left of a channel while the lips are shut: 0 for what parts the lips and nothing else, more for what also shapes the face.
_OPEN_THE_LIPS: dict[str, float] = {
    "mouthLowerDown": 0.0, "mouthUpperUp": 0.25, "mouthFunnel": 0.15, "mouthStretch": 0.4, "mouthShrugUpper": 0.3, "mouthRollUpper": 0.5,
    "noseSneer": 0.9, "tongueOut": 0.0,
}  # fmt: skip
# How far a channel parts the middle of the lips on the generic head, millimetres at full coefficient (both sides together).
_PARTING_MM: dict[str, float] = {
    "jawOpen": 27.3, "mouthClose": -27.3, "mouthLowerDown": 4.8, "mouthUpperUp": 5.9, "mouthFunnel": 10.9, "mouthPucker": -1.1,
    "noseSneer": 5.3, "mouthShrugUpper": 4.5, "mouthShrugLower": -5.9, "mouthPress": -1.7, "mouthRollLower": -3.4, "mouthRollUpper": 2.4,
    "jawForward": 1.8, "mouthDimple": -1.3,
}  # fmt: skip
_LOWER_LIP_DOWN_MM, _CHIN_RAISE_MM = 4.8, 5.9
"""What mouthLowerDown and mouthShrugLower do: the lower lip is how a face adjusts its opening."""
LEAST_OPENING_MM = 3.0
"""Lips nearer than this look shut; every sound but /p b m/ opens them (JALI, Edwards et al. 2016, rule 4)."""

# The same for the lower lip on its way to the teeth; the upper lip stays free to show them.
_KEEP_FROM_TEETH: dict[str, float] = {
    "mouthLowerDown": 0.0, "mouthFunnel": 0.2, "mouthPucker": 0.4, "mouthShrugLower": 0.2, "mouthPress": 0.4, "mouthRollUpper": 0.3,
    "mouthClose": 0.0, "tongueOut": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Constraints:
    """How firmly each frame's mouth is held."""

    bilabial: Float[Tensor, " T"]
    """Lips shut, 0..1."""
    labiodental: Float[Tensor, " T"]
    """Lower lip on the upper teeth, 0..1."""
    sibilant: Float[Tensor, " T"]
    """Teeth nearly together, 0..1."""


def constraints_of_segments(segments: Sequence[PhoneSegment], n_frames: int, fps: float) -> Constraints:
    """Weights at the output's frames; every /p b m/ and /f v/ holds at least one frame fully, however short it is."""
    times = frame_times(n_frames, fps)
    weights = {name: torch.zeros(n_frames, dtype=torch.float64) for name in ("bilabial", "labiodental", "sibilant")}
    for segment in segments:
        length = segment.end - segment.start
        if segment.phone in BILABIALS:
            span = CLOSURE_SHARE[segment.phone] * length
            middle, half = segment.start + span / 2, max(span, SHORTEST_CLOSURE) / 2 * 0.6
            _hold(weights["bilabial"], times, middle, half, fps, certain=True)
        elif segment.phone in LABIODENTALS:
            _hold(weights["labiodental"], times, segment.start + length / 2, length / 4, fps, certain=True)
        elif segment.phone in SIBILANTS:
            _hold(weights["sibilant"], times, segment.start + length / 2, length / 4, fps, certain=False)
    return Constraints(**{name: weight.float() for name, weight in weights.items()})


def constraints_of_posteriors(posteriors: PhonePosteriors, n_frames: int, fps: float, *, threshold: float) -> Constraints:
    """Graded weights at the output's frames: a doubtful closure narrows the lips, a sure one shuts them.

    The largest weight within a frame's time is the frame's, so that nothing falls between frames.
    """

    def weight(phones: tuple[str, ...]) -> Tensor:
        probability = posteriors.probabilities[:, [PHONE_INDEX[phone] for phone in phones]].sum(1)
        return _pool(_probable(probability, threshold), posteriors.fps, n_frames, fps)

    return Constraints(weight(BILABIALS), weight(LABIODENTALS), weight(SIBILANTS))


def hold_in_speech(
    rig: Float[Tensor, "T R"], speech: PhonePosteriors | Sequence[PhoneSegment], fps: float, *, threshold: float = CLOSURE_THRESHOLD
) -> Float[Tensor, "T R"]:
    """The rig with the constraints of what is said in force; `threshold` is the recogniser's own, for probabilities."""
    n_frames = rig.shape[0]
    times = frame_times(n_frames, fps)
    if isinstance(speech, PhonePosteriors):
        constraints = constraints_of_posteriors(speech, n_frames, fps, threshold=threshold)
        activity = 1.0 - sample(speech.probabilities[:, PHONE_INDEX["pau"], None], speech.fps, times)[:, 0]
    else:
        constraints = constraints_of_segments(speech, n_frames, fps)
        n_inner = math.ceil(n_frames / fps * INNER_FPS)
        activity = sample(activity_of_segments(speech, n_inner)[:, None], INNER_FPS, times)[:, 0]
    return hold(rig, constraints, smooth(activity[:, None], fps, 0.08)[:, 0])


def hold(rig: Float[Tensor, "T R"], constraints: Constraints, talking: Float[Tensor, " T"]) -> Float[Tensor, "T R"]:
    """The rig with the constraints in force; `talking` (0..1) keeps lips that are not to be shut from looking shut."""
    held = rig.clone()
    jaw, close, roll = (RIG_INDEX[name] for name in ("jawOpen", "mouthClose", "mouthRollLower"))
    shut, teeth, narrow = constraints.bilabial, constraints.labiodental, constraints.sibilant
    for weight, limit in ((narrow, JAW_AT_SIBILANT), (teeth, JAW_AT_LABIODENTAL), (shut, JAW_AT_CLOSURE)):
        held[:, jaw] = torch.lerp(held[:, jaw], held[:, jaw].clamp(max=limit), weight)
    for names, weight in ((_KEEP_FROM_TEETH, teeth), (_OPEN_THE_LIPS, shut)):
        for name, rest in names.items():
            columns = _columns(name)
            held[:, columns] = held[:, columns] * (1 - weight * (1 - rest))[:, None]
    _raise_chin(held, shut)
    held[:, roll] = torch.maximum(held[:, roll], teeth * ROLL_AT_LABIODENTAL)
    upper = _columns("mouthUpperUp")
    lifted = (teeth * (1 - shut) * UPPER_LIP_AT_LABIODENTAL)[:, None]
    held[:, upper] = torch.maximum(held[:, upper], lifted)
    # mouthClose equal to jawOpen shuts the lips over an open jaw.
    held[:, close] = torch.maximum(held[:, close] * (1 - shut), shut * held[:, jaw])
    press = _columns("mouthPress")
    held[:, press] = torch.maximum(held[:, press], (shut * PRESS_AT_CLOSURE)[:, None])
    _keep_open(held, talking * (1 - shut))
    return held.clamp(0.0, 1.0)


def parting_mm(channel: str) -> float:
    """Millimetres by which a rig channel parts the middle of the lips on the generic head; good to 1 mm as a linear model."""
    name = channel.removesuffix("Left").removesuffix("Right")
    return _PARTING_MM.get(name, 0.0) / len(_columns(name) or [0])


def _opening_mm(rig: Tensor) -> Tensor:
    return rig @ rig.new_tensor([parting_mm(channel) for channel in RIG_NAMES])


def _raise_chin(held: Tensor, shut: Tensor) -> None:
    """Lift the lower lip, in place, by what parts the lips while they are to be shut, the jaw apart: so does a sneering face."""
    jaw = held.clone()
    jaw[:, [RIG_INDEX["jawOpen"], RIG_INDEX["mouthClose"], RIG_INDEX["mouthShrugLower"]]] = 0.0
    chin = RIG_INDEX["mouthShrugLower"]
    held[:, chin] = torch.maximum(held[:, chin], shut * (_opening_mm(jaw) / _CHIN_RAISE_MM)).clamp(max=1.0)


def _keep_open(held: Tensor, free: Tensor) -> None:
    """Lower the lower lip, in place, by what is missing to an opening that is seen."""
    missing = (LEAST_OPENING_MM - _opening_mm(held)).clamp(min=0.0) * free
    held[:, _columns("mouthLowerDown")] += (missing / _LOWER_LIP_DOWN_MM)[:, None]


def _columns(name: str) -> list[int]:
    return [index for index, channel in enumerate(RIG_NAMES) if channel.removesuffix("Left").removesuffix("Right") == name]


def _hold(weight: Tensor, times: Tensor, middle: float, half: float, fps: float, *, certain: bool) -> None:
    """Raise `weight` in place around `middle`, over the few frames that the hold and its fade touch."""
    first = max(0, int((middle - half - FADE) * fps) - 1)
    last = min(len(times), int((middle + half + FADE) * fps) + 2)
    if first >= last:
        return
    window = slice(first, last)
    distance = (times[window] - middle).abs()
    weight[window] = torch.maximum(weight[window], _smoothstep(1 - (distance - half) / FADE))
    if certain:
        weight[first + int(distance.argmin())] = 1.0


def _probable(probability: Float[Tensor, " T"], threshold: float) -> Float[Tensor, " T"]:
    nothing, full = (share * threshold for share in DOUBT)
    amount = ((probability - nothing) / (full - nothing)).clamp(0.0, 1.0)
    reach = len(_PROBABLE_SPREAD) // 2
    padded = torch.nn.functional.pad(amount, (reach, reach))
    spread = padded.unfold(0, len(_PROBABLE_SPREAD), 1) * torch.tensor(_PROBABLE_SPREAD)
    return _smoothstep(spread.amax(1))


def _pool(weight: Float[Tensor, " T"], source_fps: float, n_frames: int, fps: float) -> Float[Tensor, " U"]:
    """For each output frame the largest weight within its time on screen."""
    edges = torch.arange(n_frames + 1, dtype=torch.float64) * (source_fps / fps)
    first = edges[:-1].floor().long().clamp(0, weight.shape[0] - 1)
    width = max(1, int(torch.ceil(torch.tensor(source_fps / fps))))
    index = (first[:, None] + torch.arange(width)).clamp(max=weight.shape[0] - 1)
    return weight[index].amax(1)


def _smoothstep(value: Tensor) -> Tensor:
    clamped = value.clamp(0.0, 1.0)
    return clamped * clamped * (3 - 2 * clamped)
