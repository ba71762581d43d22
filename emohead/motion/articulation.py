"""From phones to mouth shapes: coarticulation by dominance functions, from timed phones or straight from their probabilities.

Cohen & Massaro 1993: every phone s pulls each articulator p towards its target T_sp with a dominance that decays around the
phone's centre, D_sp(tau) = alpha_sp exp(-theta_sp |tau|), and the mouth takes the weighted mean, F_p = sum_s D_sp T_sp / sum_s D_sp.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.motion.envelopes import add_pulse
from emohead.motion.phone_targets import (
    ARTICULATOR_GROUP,
    ARTICULATORS,
    BILABIALS,
    DIPHTHONG_SPLIT,
    DIPHTHONGS,
    GROUPS,
    SHAPES,
    PhoneTargets,
    shape_indices,
)
from emohead.types import PhonePosteriors, PhoneSegment

INNER_FPS = 100.0
"""The rate at which articulation is computed; frame `i` is the instant (i + 0.5) / INNER_FPS."""

_REACH = 1.0
"""Seconds beyond which a phone's dominance is nothing (the slowest decay leaves exp(-12))."""
PARTING: dict[str, float] = {"jawOpen": 0.12, "mouthLowerDown": 0.30, "mouthUpperUp": 0.08}
"""How far the lips part before speech."""
PARTING_LEAD, PARTING_RISE, PARTING_HOLD, PARTING_FALL = 0.34, 0.20, 0.10, 0.12
"""Seconds before the first sound, and of its phases."""
PARTING_CHECK = 0.12
"""Seconds around a first sound in which a closure counts as its own, and by which the lips then part earlier."""

_BLOCK = 1000
"""Frames computed together, so that an hour of speech stays in bounded memory."""
_SOFT_SHARPENING = 2.2
"""Decay factor of the kernels on probabilities: a phone's probability already has the phone's width."""
_SOFT_REACH = 0.3
"""Seconds of probability that a mouth shape looks back and ahead."""
_LOUDER_IS_WIDER = ("jawOpen", "mouthLowerDown", "mouthUpperUp")


def frame_times(n_frames: int, fps: float) -> Float[Tensor, " T"]:
    """The instants (s) that the frames stand for: the middle of each frame's time on screen."""
    return (torch.arange(n_frames, dtype=torch.float64) + 0.5) / fps


def split_shapes(segments: Sequence[PhoneSegment]) -> list[PhoneSegment]:
    """The phones as single mouth shapes: diphthongs in two parts, /h/ as the shape that follows it."""
    parts: list[PhoneSegment] = []
    for segment in segments:
        if segment.phone in DIPHTHONGS:
            middle = segment.start + DIPHTHONG_SPLIT * (segment.end - segment.start)
            first, second = DIPHTHONGS[segment.phone]
            parts += [PhoneSegment(first, segment.start, middle), PhoneSegment(second, middle, segment.end)]
        else:
            parts.append(segment)
    following = [*(part.phone for part in parts[1:]), "ax"]
    breath = {"hh": "ax", "pau": "ax"}
    return [
        PhoneSegment(breath.get(after, after), part.start, part.end) if part.phone == "hh" else part
        for part, after in zip(parts, following, strict=False)
    ]


def articulate_segments(segments: Sequence[PhoneSegment], n_frames: int, targets: PhoneTargets) -> Float[Tensor, "T M"]:
    """Mouth shapes (columns `ARTICULATORS`) at INNER_FPS of timed phones; time that no phone covers is silence."""
    shapes = fill_gaps(split_shapes(segments), n_frames / INNER_FPS)
    times = frame_times(n_frames, INNER_FPS)
    starts, ends = (torch.tensor([getattr(shape, name) for shape in shapes], dtype=torch.float64) for name in ("start", "end"))
    rows = shape_indices(tuple(shape.phone for shape in shapes))
    # The lips of a stop are shut early in its segment, so that is where it pulls from.
    share = torch.tensor([0.30 if shape.phone in BILABIALS[:2] else 0.5 for shape in shapes], dtype=torch.float64)
    silent = rows == SHAPES.index("pau")
    blocks = []
    for first in range(0, n_frames, _BLOCK):
        block = times[first : first + _BLOCK]
        near = (ends > block[0] - _REACH) & (starts < block[-1] + _REACH)
        offset = block[:, None] - (starts + share * (ends - starts))[near]  # [T, S]
        outside = torch.maximum(starts[near] - block[:, None], block[:, None] - ends[near]).clamp(min=0.0)
        # Silence holds over its whole length and decays from its edges.
        offset = torch.where(silent[near], outside, offset).float()
        blocks.append(_blend(offset, rows[near], targets))
    return torch.cat(blocks)


def articulate_posteriors(posteriors: PhonePosteriors, targets: PhoneTargets) -> Float[Tensor, "T M"]:
    """Mouth shapes at the posteriors' own rate, each phone pulling as much as it is probable.

    Nothing is decided before the blend, so what an unsure recogniser knows is kept.
    """
    amount = posteriors.probabilities @ targets.spread  # [T, Q]
    reach = max(1, round(_SOFT_REACH * posteriors.fps))
    tau = torch.arange(-reach, reach + 1) / posteriors.fps
    shapes = []
    for group in range(len(GROUPS)):
        alpha, before, after = targets.dominance[:, group, :, None].unbind(1)  # each [Q, 1]
        kernel = torch.exp(-_SOFT_SHARPENING * torch.where(tau < 0, -before * tau, after * tau))
        kernel = alpha * kernel / kernel.sum(1, keepdim=True)
        # A phone at time u acts at t = u + tau, which makes this a convolution: conv1d correlates, hence the flip.
        dominance = torch.nn.functional.conv1d(amount.T[None], kernel.flip(1)[:, None], padding=reach, groups=len(SHAPES))[0].T
        columns = [index for index, owner in enumerate(ARTICULATOR_GROUP) if owner == group]
        shapes.append((dominance @ targets.values[:, columns]) / (dominance.sum(1, keepdim=True) + 1e-6))
    order = sorted(range(len(ARTICULATOR_GROUP)), key=lambda index: ARTICULATOR_GROUP[index])
    return torch.cat(shapes, 1)[:, torch.argsort(torch.tensor(order))]


def emphasise(shapes: Float[Tensor, "T M"], energy: Float[Tensor, " T"], *, amount: float) -> Float[Tensor, "T M"]:
    """The shapes with jaw and lips opened wider where the voice is louder than usual and less where it is softer.

    `energy` is in natural-log units around 0 = typical speech; JALI (Edwards et al. 2016) ties jaw to loudness in the same way.
    """
    kernel = torch.hann_window(13, periodic=False)[None, None] / 6.0
    smooth = torch.nn.functional.conv1d(_pad_edges(energy, 6)[None, None], kernel)[0, 0]
    gain = (1.0 + amount * smooth).clamp(0.4, 1.5)[:, None]
    scaled = torch.tensor([float(name in _LOUDER_IS_WIDER) for name in ARTICULATORS])
    return shapes * (1.0 + scaled * (gain - 1.0))


def part_before(
    shapes: Float[Tensor, "T M"], starts: Sequence[float], closure: Float[Tensor, " T"], *, amount: float
) -> Float[Tensor, "T M"]:
    """The shapes with lips that part before speech begins at each of `starts` (s): speakers open their mouths to breathe in first.

    Filmed speakers open 0.2 to 0.4 s ahead of the first sound, about as far as for a weak vowel; when that sound is a /p b m/, which
    `closure` (0..1) tells, they do so earlier and shut again for it.
    """
    parting = torch.zeros(shapes.shape[0])
    for start in starts:
        first = max(0, round((start - PARTING_CHECK) * INNER_FPS))
        onset = closure[first : first + round(2 * PARTING_CHECK * INNER_FPS)]
        lead = PARTING_LEAD + (PARTING_CHECK * float(onset.max()) if onset.numel() else 0.0)
        add_pulse(parting, INNER_FPS, amount=amount, start=start - lead, rise=PARTING_RISE, hold=PARTING_HOLD, fall=PARTING_FALL)
    parting = parting.clamp(max=amount)
    opened = torch.tensor([PARTING.get(name, 0.0) for name in ARTICULATORS])
    return torch.maximum(shapes, parting[:, None] * opened)


def sample(values: Float[Tensor, "T D"], source_fps: float, times: Float[Tensor, " U"]) -> Float[Tensor, "U D"]:
    """The track at the given instants by linear interpolation between frame middles; beyond its ends it holds."""
    position = (times * source_fps - 0.5).clamp(0.0, values.shape[0] - 1.0)
    lower = position.floor().long()
    upper = (lower + 1).clamp(max=values.shape[0] - 1)
    weight = (position - lower).to(values.dtype)[:, None]
    return values[lower] * (1 - weight) + values[upper] * weight


def smooth(values: Float[Tensor, "T D"], fps: float, sigma: float) -> Float[Tensor, "T D"]:
    """The track smoothed by a Gaussian of `sigma` seconds, without delay."""
    reach = math.ceil(3 * sigma * fps)
    if reach < 1:
        return values
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / (sigma * fps)) ** 2)
    padded = torch.cat([values[:1].expand(reach, -1), values, values[-1:].expand(reach, -1)])
    return torch.nn.functional.conv1d(padded.T[:, None], (kernel / kernel.sum())[None, None])[:, 0].T


def fill_gaps(segments: Sequence[PhoneSegment], duration: float) -> list[PhoneSegment]:
    """The segments with silence wherever none of them is, from 0 to `duration` seconds."""
    filled: list[PhoneSegment] = []
    clock = 0.0
    for segment in sorted(segments, key=lambda segment: segment.start):
        if segment.start > clock:
            filled.append(PhoneSegment("pau", clock, segment.start))
        filled.append(segment)
        clock = max(clock, segment.end)
    if clock < duration or not filled:
        filled.append(PhoneSegment("pau", clock, max(duration, clock)))
    return filled


def _blend(offset: Float[Tensor, "T S"], rows: Tensor, targets: PhoneTargets) -> Float[Tensor, "T M"]:
    parameters = targets.dominance[rows]  # [S, 3, 3]
    shapes = torch.empty(offset.shape[0], len(ARTICULATOR_GROUP))
    for group in range(len(GROUPS)):
        alpha, before, after = parameters[:, group].unbind(1)
        dominance = alpha * torch.exp(torch.where(offset < 0, before * offset, -after * offset)) + 1e-12
        columns = [index for index, owner in enumerate(ARTICULATOR_GROUP) if owner == group]
        shapes[:, columns] = (dominance @ targets.values[rows][:, columns]) / dominance.sum(1, keepdim=True)
    return shapes


def _pad_edges(values: Float[Tensor, " T"], amount: int) -> Float[Tensor, " U"]:
    return torch.cat([values[:1].expand(amount), values, values[-1:].expand(amount)])
