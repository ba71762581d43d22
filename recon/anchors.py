"""Which frames of a clip show the person at rest: relaxed closed mouth, open eyes, facing the camera, a look the clip returns to."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.channels import N_RIG, RIG_NAMES
from emohead.errors import InputError
from recon.types import FaceLandmarks

_NOSE, _CHEEKS, _FOREHEAD, _CHIN = 4, (234, 454), 10, 152
_EYE_CORNERS = (33, 263)
_INNER_LIPS = ((13, 14), (81, 178), (311, 402))
"""Pairs (upper, lower) whose gap is the opening of the mouth."""
_GAP_WEIGHT = 8.0
"""A gap of a tenth of the distance between the eyes counts like a score of 0.8."""
_TURN_WEIGHT = 6.0
_SPACING = 2
"""Frames between two anchors: neighbours tell nothing new."""


def neutral_frames(landmarks: FaceLandmarks, *, training: Float[Tensor, " T"] | Tensor | None = None, most: int = 12) -> Int[Tensor, " n"]:
    """The frames, ascending, in which the face is most likely at rest.

    The cost of a frame is how much the landmarker sees in it at all (a face at rest has the lowest scores of a clip), how far the lips
    are apart, how far it is turned away, and how unusual it is within the clip. The best twentieth of the clip is taken.

    Args:
        landmarks: of every frame.
        training: frames that may be chosen; None means all.
        most: how many at most.

    Raises:
        InputError: no frame that may be chosen shows a face.
    """
    allowed = landmarks.found if training is None else landmarks.found & training
    candidates = torch.nonzero(allowed)[:, 0]
    if len(candidates) == 0:
        raise InputError("no face was found in the frames that may be used; give a clip that shows one face from the front")
    cost = _activity(landmarks, candidates) + _gap(landmarks.points[candidates]) + _turn(landmarks.points[candidates])
    wanted = min(most, max(3, len(candidates) // 20))
    chosen: list[int] = []
    for index in cost.argsort(stable=True).tolist():
        frame = int(candidates[index])
        if all(abs(frame - other) >= _SPACING for other in chosen):
            chosen.append(frame)
        if len(chosen) == wanted:
            break
    return torch.tensor(sorted(chosen))


def _activity(landmarks: FaceLandmarks, candidates: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Sum of the scores, and distance to the clip's nearest other looks (an inverse density)."""
    weights = torch.tensor([0.3 if name.startswith("eyeLook") else 1.0 for name in RIG_NAMES])
    assert weights.shape[0] == N_RIG
    scores = landmarks.scores[candidates] * weights
    sample = scores[:: max(1, len(scores) // 400)]
    distance = torch.cdist(scores, sample, p=1.0).sort(1).values
    nearest = distance[:, : max(2, sample.shape[0] // 8)].mean(1)
    return scores.sum(1) + nearest


def _gap(points: Float[Tensor, "n 478 2"]) -> Float[Tensor, " n"]:
    eyes = (points[:, _EYE_CORNERS[0]] - points[:, _EYE_CORNERS[1]]).norm(dim=-1)
    gaps = [(points[:, upper] - points[:, lower]).norm(dim=-1) for upper, lower in _INNER_LIPS]
    return _GAP_WEIGHT * torch.stack(gaps, 1).mean(1) / eyes


def _turn(points: Float[Tensor, "n 478 2"]) -> Float[Tensor, " n"]:
    """How far the nose is from the middle between the cheeks, and from its usual height between forehead and chin."""
    left, right = points[:, _CHEEKS[0]], points[:, _CHEEKS[1]]
    across, down = right - left, points[:, _CHIN] - points[:, _FOREHEAD]
    nose = points[:, _NOSE]
    yaw = ((nose - left) * across).sum(-1) / across.square().sum(-1) - 0.5
    pitch = ((nose - points[:, _FOREHEAD]) * down).sum(-1) / down.square().sum(-1)
    return _TURN_WEIGHT * (yaw.abs() + (pitch - pitch.median()).abs())
