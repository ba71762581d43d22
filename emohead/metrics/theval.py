"""The geometric measures of THEval (Quignon et al., CVPR 2026, arXiv 2511.04520): five of its eight that need no pictures.

THEval reads landmarks and poses from videos; here the same quantities come from the generic head's landmarks and the motion itself, so
values compare within this project only. Its three picture qualities (TOPIQ, MUSIQ) are not here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.head.generic import GenericHead
from emohead.head.measure import brow_height
from emohead.motion.articulation import INNER_FPS, frame_times, sample
from emohead.motion.prosody import loudness
from emohead.types import HeadMotion, PhoneSegment, Waveform

SHORTEST_SILENCE = 0.3
"""Seconds of silence over which the lips' stillness is judged."""
_LIP_POINTS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip
"""MediaPipe's 40 lip points: outer line, inner line."""
_UPPER_LIP, _LOWER_LIP = 13, 14
_PUPILS = (468, 473)


@dataclass(frozen=True)
class GeometricScores:
    """THEval's measures of one clip (NaN where the clip has nothing to measure), each with its own scale."""

    lip_dynamics: float
    """Mean over all pairs of 40 lip points of the standard deviation over time of their distance, mm."""
    head_motion: float
    """sqrt(mean spread of the angles x mean variance of their change + mean variance of the translation); degrees, centimetres."""
    eyebrow_dynamics: float
    """Standard deviation over time of the brows' height above the eyes, as a share of the pupils' distance."""
    silent_lip_instability: float
    """Median distance of the mouth opening (0..1 of the clip's range) from its median, in silences of 0.3 s and more."""
    lip_audio_distance: float
    """Mean distance of mouth opening and loudness in speech, both 0..1 of their range in the clip."""


def geometric_scores(
    head: GenericHead, vertices: Float[Tensor, "T V 3"], motion: HeadMotion, audio: Waveform, speech: Sequence[PhoneSegment]
) -> GeometricScores:
    """The measures of one clip.

    Args:
        head: the generic head.
        vertices: its vertices doing `motion`, held still but for the face (`metrics.vertices.face_vertices`).
        motion: what it does.
        audio: the voice.
        speech: where phones sound; time without one, or with `pau`, is silence.
    """
    points = head.landmarks(vertices, "mediapipe478")
    opening = _unit((points[:, _UPPER_LIP] - points[:, _LOWER_LIP]).norm(dim=-1))
    talking = _talking(speech, motion)
    return GeometricScores(
        lip_dynamics=_lip_dynamics(points[:, list(_LIP_POINTS)]),
        head_motion=_head_motion(motion),
        eyebrow_dynamics=_eyebrow_dynamics(head, vertices, points),
        silent_lip_instability=_instability(opening, _long_silences(~talking, motion.fps)),
        lip_audio_distance=float((opening - _loudness(audio, motion))[talking].abs().mean()) if bool(talking.any()) else float("nan"),
    )


def closeness(value: float, true: float) -> float:
    """THEval's score of one measure: 1 - |value - true| / |true|, 1 = as the truth (equation 9 there); NaN if the truth is 0."""
    return 1.0 - abs(value - true) / abs(true) if true else float("nan")


def overall(scores: GeometricScores, true: GeometricScores) -> float:
    """Unweighted mean of `closeness` over the measures that both have, as THEval's final score; NaN if there is none."""
    pairs = [(getattr(scores, field.name), getattr(true, field.name)) for field in fields(GeometricScores)]
    values = [value for value in (closeness(*pair) for pair in pairs) if value == value]
    return sum(values) / len(values) if values else float("nan")


def mean_scores(scores: Sequence[GeometricScores]) -> GeometricScores:
    """Mean over clips of each measure, clips without it left out."""
    table = torch.tensor([[getattr(score, field.name) for field in fields(GeometricScores)] for score in scores])
    return GeometricScores(*table.nanmean(0).tolist())


def _lip_dynamics(points: Float[Tensor, "T n 3"]) -> float:
    first, second = torch.triu_indices(points.shape[1], points.shape[1], 1)
    return 1000 * float((points[:, first] - points[:, second]).norm(dim=-1).std(0, correction=0).mean())


def _head_motion(motion: HeadMotion) -> float:
    angles, place = torch.rad2deg(motion.head_rotation + motion.torso_rotation), 100 * motion.translation
    if motion.n_frames < 2:
        return float("nan")
    turning = angles.std(0, correction=0).mean() * angles.diff(dim=0).var(0, correction=0).mean()
    return float((turning + place.var(0, correction=0).mean()).sqrt())


def _eyebrow_dynamics(head: GenericHead, vertices: Tensor, points: Float[Tensor, "T 478 3"]) -> float:
    pupils = (points[:, _PUPILS[0]] - points[:, _PUPILS[1]]).norm(dim=-1).mean()
    return float((brow_height(head, vertices).flatten(1).mean(1) / pupils).std(correction=0))


def _instability(opening: Float[Tensor, " T"], silent: Bool[Tensor, " T"]) -> float:
    values = opening[silent]
    return float((values - values.median()).abs().median()) if values.numel() else float("nan")


def _talking(speech: Sequence[PhoneSegment], motion: HeadMotion) -> Bool[Tensor, " T"]:
    times, talking = frame_times(motion.n_frames, motion.fps), torch.zeros(motion.n_frames, dtype=torch.bool)
    for segment in speech:
        if segment.phone != "pau":
            talking |= (times >= segment.start) & (times < segment.end)
    return talking


def _long_silences(silent: Bool[Tensor, " T"], fps: float) -> Bool[Tensor, " T"]:
    kept = torch.zeros_like(silent)
    edges = torch.diff(torch.nn.functional.pad(silent.int(), (1, 1))).nonzero()[:, 0].tolist()
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        kept[first:last] = (last - first) / fps >= SHORTEST_SILENCE
    return kept


def _loudness(audio: Waveform, motion: HeadMotion) -> Float[Tensor, " T"]:
    n_inner = max(1, int(audio.duration * INNER_FPS))
    level = loudness(audio, n_inner, torch.ones(n_inner)).exp()
    return _unit(sample(level[:, None], INNER_FPS, frame_times(motion.n_frames, motion.fps))[:, 0])


def _unit(values: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
    low, high = values.aminmax()
    return (values - low) / (high - low).clamp_min(1e-9)
