"""How well a drawn face does what a filmed face did, judged by the 478 MediaPipe landmarks of both and by what a tracker reads from them.

The field measures with landmarkers and encoders of restricted licence (FAN, ArcFace, a 3DMM regressor); the definitions here are the
same, the detector is MediaPipe, so values compare within this project only.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.types import HeadMotion

MOUTH = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178)
"""MediaPipe's points where the 68-point markup has its mouth, 48..67: twelve on the outer line of the lips, eight on the inner."""
EYE_CORNERS = (33, 263)
"""The outer corners of the subject's right and left eye."""
_INNER_LIPS, _MOUTH_CORNERS = (13, 14), (61, 291)
_BROWS, _UNDER_LIDS = (105, 334), (145, 374)

Points = Float[Tensor, "T n 2"]
"""Landmarks of a clip, pixels; all 478 where single ones are named."""


def mouth_distance(drawn: Points, filmed: Points, *, by_eye_distance: bool = False) -> float:
    """LMD: mean distance of 20 mouth points after taking each set's own mean off, pixels, mean over the frames in which both have a face.

    The definition of TalkingGaussian's and EmoTaG's metrics (there with FAN's points 48..67).

    Args:
        drawn: landmarks of the pictures to judge, NaN where no face was found.
        filmed: those of the truth.
        by_eye_distance: divide each frame by the distance of the filmed eyes' outer corners; faces of different size then compare.

    Raises:
        InputError: different lengths, or no frame in which both have a face.
    """
    both = _both(drawn, filmed)
    first, second = drawn[both][:, MOUTH], filmed[both][:, MOUTH]
    distance = ((first - first.mean(1, keepdim=True)) - (second - second.mean(1, keepdim=True))).norm(dim=-1).mean(1)
    if by_eye_distance:
        distance = distance / _eye_distance(filmed[both])
    return float(distance.mean())


def keypoint_distance(drawn: Points, filmed: Points) -> float:
    """AKD: mean distance of all points, pixels, over the frames in which both have a face (Siarohin et al. 2019, section 4.1).

    Raises:
        InputError: different lengths, or no frame in which both have a face.
    """
    both = _both(drawn, filmed)
    return float((drawn[both] - filmed[both]).norm(dim=-1).mean())


def jitter_ratio(drawn: Points, filmed: Points) -> float:
    """How much the drawn face trembles against the filmed one: ratio of the mean sizes of the points' second differences over time.

    Args:
        drawn: landmarks of consecutive frames, NaN where no face was found.
        filmed: those of the truth.

    Raises:
        InputError: different lengths, or no three frames in a row in which both have a face.
    """
    _check_lengths(drawn, filmed)
    second = [points.diff(n=2, dim=0).norm(dim=-1).mean(1) for points in (drawn, filmed)]
    valid = torch.isfinite(second[0]) & torch.isfinite(second[1])
    if not bool(valid.any()):
        raise InputError("jitter_ratio: no three frames in a row in which both clips show a face")
    return float(second[0][valid].mean() / second[1][valid].mean().clamp_min(1e-9))


def expression_distance(drawn: HeadMotion, filmed: HeadMotion) -> float:
    """AED: mean absolute difference of the expression coefficients that a tracker reads from the two clips (Siarohin et al. 2019 compare
    an encoder's output so; PIRenderer a 3DMM's coefficients). Here: the 52 rig channels without eyeLook*."""
    _check_lengths(drawn.rig, filmed.rig)
    columns = [index for name, index in RIG_INDEX.items() if not name.startswith("eyeLook")]
    return float((drawn.rig[:, columns] - filmed.rig[:, columns]).abs().mean())


def pose_distance_deg(drawn: HeadMotion, filmed: HeadMotion) -> float:
    """APD: mean absolute difference of the head's pitch, yaw and roll that a tracker reads from the two clips, degrees."""
    _check_lengths(drawn.head_rotation, filmed.head_rotation)
    return float(torch.rad2deg(drawn.head_rotation - filmed.head_rotation).abs().mean())


def face_measures(points: Points) -> Float[Tensor, "T 3"]:
    """Mouth opening, smile width and brow height of each frame as shares of the distance of the eyes' outer corners; NaN without a face.

    Opening: between the inner lips. Width: between the corners of the mouth. Height: brows above the lower lids, mean of both sides.
    """
    scale = _eye_distance(points)

    def between(pair: tuple[int, int]) -> Tensor:
        return (points[:, pair[0]] - points[:, pair[1]]).norm(dim=-1)

    brows = torch.stack([between(pair) for pair in zip(_BROWS, _UNDER_LIDS, strict=True)]).mean(0)
    return torch.stack([between(_INNER_LIPS), between(_MOUTH_CORNERS), brows], 1) / scale[:, None]


def _eye_distance(points: Tensor) -> Tensor:
    return (points[:, EYE_CORNERS[0]] - points[:, EYE_CORNERS[1]]).norm(dim=-1)


def _both(drawn: Tensor, filmed: Tensor) -> Bool[Tensor, " T"]:
    _check_lengths(drawn, filmed)
    both = torch.isfinite(drawn).all(-1).all(-1) & torch.isfinite(filmed).all(-1).all(-1)
    if not bool(both.any()):
        raise InputError("landmark metrics: there is no frame in which both clips show a face")
    return both


def _check_lengths(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape:
        raise InputError(f"clips to compare must have the same frames, got {list(first.shape)} and {list(second.shape)}")
