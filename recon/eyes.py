"""Gaze and lids of a tracked clip from the pictures of its eyes, and from landmarks alone once that clip's eyes are known."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from emohead.channels import RIG_INDEX
from emohead.head.gaze import with_gaze
from emohead.types import HeadMotion
from recon.eye_view import IRIS_CENTRES, eye_views, pick_points
from recon.iris import LOWER_LIDS, UPPER_LIDS, cut_eyes, register_irises
from recon.tracking import Points
from recon.types import FaceLandmarks, TrackedSequence

GAZE_RANGE = (0.6, 0.4)
"""Limits of gaze yaw and pitch, radians."""
_FACING = 0.25
"""Head turns (radians) beyond which frames tell little about where straight ahead is."""
_RIDGE = 3.0
"""Prior of the landmark regression, in pictures of standardised features."""
_DOUBT = 0.08
"""Disagreement (radians) at which a picture loses half its say in the regression."""
_MEMORY = 0.4
"""Seconds over which what a picture said against the landmarks is believed of its neighbours without pictures."""
_MISTAKEN = 0.6
"""Disagreement (radians) beyond which the picture of an eye was misread: lashes or the nose's shadow taken for an iris."""
_FIXATION = 0.05
"""Differences of gaze (radians) that smoothing takes for noise; larger ones are saccades and stay sharp."""
_SHUT = 0.34
"""Share of the usual distance between the lids below which an eye does not tell where it looks."""
_NEARLY_SHUT = 0.8
"""An eyeBlink above which a lid is left as it is."""
_HALVINGS = 8
"""Bisections that find how far a lid is closed."""
_BLINK_SEEN = 0.55
"""The landmarker's own eyeBlink score from which an eye is shut; landmarks of its lids stay a lash line apart."""
_BLINKS = (RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"])
_WIDES = (RIG_INDEX["eyeWideLeft"], RIG_INDEX["eyeWideRight"])
_LIDS = tuple(zip(UPPER_LIDS, LOWER_LIDS, strict=True))
_LOOKS = [index for name, index in RIG_INDEX.items() if name.startswith("eye")]


@dataclass(frozen=True)
class EyeCalibration:
    """How the landmarks of one clip tell the gaze of its person: a linear regression learnt from the pictures."""

    mean: Float[Tensor, " F"]
    """Of the features."""
    scale: Float[Tensor, " F"]
    """Standard deviation of the features."""
    weights: Float[Tensor, "F 2"]
    """Radians of (yaw, pitch) per standard deviation."""
    centre: Float[Tensor, " 2"]
    """Gaze at the mean of the features, radians."""
    ahead: Float[Tensor, " 2"]
    """What the pictures show when the person looks straight ahead; not taken off yet."""
    opening: float
    """Usual distance between the lids, eyeball radii."""

    def gaze(self, features: Float[Tensor, "T F"]) -> Float[Tensor, "T 2"]:
        """(yaw, pitch) of frames by their landmarks alone, radians; NaN where there is no face or the eyes are shut."""
        gaze = (features - self.mean) / self.scale @ self.weights + self.centre
        return torch.where((_opening(features) > _SHUT * self.opening)[:, None], gaze, torch.nan)


def refine_eyes(
    images: Iterable[UInt8[Tensor, "H W 3"]],
    landmarks: FaceLandmarks,
    tracked: TrackedSequence,
    points: Points,
    *,
    index: Int[Tensor, " n"] | None = None,
) -> TrackedSequence:
    """The same track with gaze as the pictures of the eyes show it, and with lids that stay where they were though eyeLook* move them.

    Args:
        images: pictures of the clip; leave out those that may not be looked at.
        landmarks: of every frame of the clip.
        tracked: the whole clip.
        points: the head model reduced to its landmarks.
        index: which frame of the clip each picture is, ascending; None: all frames.

    Frames without a picture are told by their landmarks, corrected by what these meant on the pictures.
    """
    index = torch.arange(tracked.motion.n_frames) if index is None else index
    measured, calibration = learn_eyes(images, landmarks, tracked, points, index=index)
    estimate = calibration.gaze(eye_features(landmarks, tracked, points))
    gaze = _merged(measured, estimate, index, tracked.fps) - calibration.ahead
    return _looking(tracked, points, gaze, landmarks.scores[index], index)


def learn_eyes(
    images: Iterable[UInt8[Tensor, "H W 3"]],
    landmarks: FaceLandmarks,
    tracked: TrackedSequence,
    points: Points,
    *,
    index: Int[Tensor, " n"],
) -> tuple[Float[Tensor, "n 2"], EyeCalibration]:
    """Gaze in the pictures (NaN where it cannot be seen) and what the landmarks of this person say about it. Arguments as `refine_eyes`."""
    views = eye_views(tracked, points)
    crops = cut_eyes(images, landmarks.points[index], views.pick(index))
    irises = register_irises(crops, index / tracked.fps)
    features = eye_features(landmarks, tracked, points)[index]
    opening = float(_opening(features).nanmedian())
    told = (_opening(features) > _SHUT * opening) & torch.isfinite(features).all(1)
    measured = torch.where(told[:, None], irises.gaze, torch.nan)
    seen = torch.isfinite(measured).all(1)
    turned = _facing_away(tracked)[index][seen]
    return measured, _calibrated(features[seen], measured[seen], torch.exp(-((turned / _FACING) ** 2)), opening)


def _calibrated(features: Float[Tensor, "n F"], gaze: Float[Tensor, "n 2"], facing: Float[Tensor, " n"], opening: float) -> EyeCalibration:
    """Ridge regression of gaze on features, in which pictures that disagree lose their say."""
    n_features = features.shape[1]
    if len(gaze) == 0:
        nothing = torch.zeros(2)
        return EyeCalibration(torch.zeros(n_features), torch.ones(n_features), torch.zeros(n_features, 2), nothing, nothing, opening)
    mean, scale = features.mean(0), features.std(0, correction=0).clamp_min(1e-3)
    normal = torch.nn.functional.pad((features - mean) / scale, (0, 1), value=1.0)
    prior = torch.diag(torch.nn.functional.pad(torch.full((n_features,), _RIDGE), (0, 1), value=1e-3))
    say = torch.ones(len(gaze), 1)
    for _ in range(4):
        solution = torch.linalg.solve(normal.T @ (say * normal) + prior, normal.T @ (say * gaze))
        say = 1 / (1 + ((normal @ solution - gaze).norm(dim=1, keepdim=True) / _DOUBT) ** 2)
    return EyeCalibration(mean, scale, solution[:-1], solution[-1], _weighted_median(gaze, facing + 1e-6), opening)


@torch.no_grad()
def eye_features(landmarks: FaceLandmarks, tracked: TrackedSequence, points: Points) -> Float[Tensor, "T F"]:
    """What landmarks tell about gaze: irises (4), lids (2 upper, 2 lower), eye scores, head pose. NaN where there is no face."""
    views = eye_views(tracked, points)
    irises = views.gaze(views.to_crops(pick_points(landmarks.points, IRIS_CENTRES[:1], IRIS_CENTRES[1:]))[:, :, 0])
    lids = [views.to_crops(pick_points(landmarks.points, lid[0][3:6], lid[1][3:6]))[..., 1].mean(-1) for lid in (UPPER_LIDS, LOWER_LIDS)]
    # The landmarker's irises lag behind the head's turns as they do behind the gaze: the head's pose tells the two apart.
    turned = (tracked.motion.head_rotation + tracked.motion.torso_rotation)[:, :2]
    return torch.cat([irises.flatten(1), *lids, landmarks.scores[:, _LOOKS], turned], 1)


def _opening(features: Float[Tensor, "T F"]) -> Float[Tensor, " T"]:
    """Distance between the lids, mean of both eyes, in eyeball radii."""
    return features[:, 6:8].mean(1) - features[:, 4:6].mean(1)


def _facing_away(tracked: TrackedSequence) -> Float[Tensor, " T"]:
    """How far the head is turned in each frame, radians."""
    return (tracked.motion.head_rotation + tracked.motion.torso_rotation).norm(dim=-1)


def _weighted_median(values: Float[Tensor, "n 2"], weights: Float[Tensor, " n"]) -> Float[Tensor, " 2"]:
    order = values.argsort(0)
    reached = weights[order].cumsum(0) / weights.sum()
    middle = (reached < 0.5).sum(0).clamp_max(len(values) - 1)
    return values.gather(0, order.gather(0, middle[None]))[0]


def _merged(measured: Float[Tensor, "n 2"], estimate: Float[Tensor, "T 2"], index: Int[Tensor, " n"], fps: float) -> Float[Tensor, "T 2"]:
    """One course of gaze: measured where it can be, else estimated and pulled towards what near pictures said; blinks hold their gaze."""
    shut = ~torch.isfinite(estimate).all(1).numpy()
    estimate = torch.from_numpy(_held(estimate.numpy()))
    difference = measured - estimate[index]
    seen = (difference.norm(dim=1) < _MISTAKEN) & ~torch.from_numpy(shut)[index]  # NaN compares as not seen
    frames, known = np.arange(len(estimate)), index[seen].numpy()
    if len(known) == 0:
        return estimate
    against = difference[seen].numpy()
    nearest = np.abs(frames[:, None] - known).min(1) / fps
    correction = np.stack([np.interp(frames, known, column) for column in against.T], -1)
    merged = estimate.numpy() + correction * np.exp(-nearest / _MEMORY)[:, None]
    merged[shut] = np.nan
    merged = _held(merged)
    return torch.from_numpy(_steadied(merged).astype(np.float32))


def _held(values: np.ndarray) -> np.ndarray:
    """NaN rows take the value of their nearest neighbours, linearly between them; all NaN becomes zero."""
    known = np.nonzero(np.isfinite(values).all(1))[0]
    if len(known) == 0:
        return np.zeros_like(values)
    return np.stack([np.interp(np.arange(len(values)), known, column) for column in values[known].T], -1).astype(values.dtype)


def _steadied(gaze: np.ndarray) -> np.ndarray:
    """Without jitter and without lag: each frame is averaged with those around it that look nearly the same way (bilateral filter)."""
    padded = np.pad(gaze, ((2, 2), (0, 0)), mode="edge")
    total, weight = np.zeros_like(gaze), np.zeros((len(gaze), 1))
    for shift, share in zip(range(5), (0.3, 0.8, 1.0, 0.8, 0.3), strict=True):
        near = padded[shift : shift + len(gaze)]
        vote = share * np.exp(-np.square((near - gaze) / _FIXATION).sum(1, keepdims=True))
        total, weight = total + vote * near, weight + vote
    return total / weight


@torch.no_grad()
def _looking(
    tracked: TrackedSequence, points: Points, gaze: Float[Tensor, "T 2"], scores: Float[Tensor, "n R"], index: Int[Tensor, " n"]
) -> TrackedSequence:
    """The same track looking elsewhere, its lids as far open as they were: eyeBlink and eyeWide make up for what eyeLook* change."""
    limited = gaze.clamp(-torch.tensor(GAZE_RANGE), torch.tensor(GAZE_RANGE))
    motion = with_gaze(tracked.motion, limited[:, None].expand(-1, 2, -1).contiguous())
    rest = HeadMotion.neutral(2, tracked.fps)
    rest.rig[1, list(_BLINKS)] = 1.0
    relaxed, shut = _gap(tracked, rest, points)
    wanted = _shut_when_shut(_gap(tracked, tracked.motion, points), scores, index, relaxed, shut)
    # What was shut stays shut, whatever the gaze: lids of a blink yield to it.
    blinking = motion.rig[:, list(_BLINKS)]
    low, high = torch.full_like(wanted, -1.0), torch.ones_like(wanted)
    for _ in range(_HALVINGS):
        lids = (low + high) / 2
        motion = _with_lids(motion, torch.where(blinking > _NEARLY_SHUT, blinking, lids))
        too_open = _gap(tracked, motion, points) > wanted
        low, high = torch.where(too_open, lids, low), torch.where(too_open, high, lids)
    return replace(tracked, motion=motion)


def _with_lids(motion: HeadMotion, lids: Float[Tensor, "T 2"]) -> HeadMotion:
    """Lids on one scale: closing (eyeBlink) is positive and opening wider (eyeWide) is negative."""
    rig = motion.rig.clone()
    rig[:, list(_BLINKS)], rig[:, list(_WIDES)] = lids.clamp(0, 1), (-lids).clamp(0, 1)
    return replace(motion, rig=rig)


def _shut_when_shut(
    gap: Float[Tensor, "T 2"],
    scores: Float[Tensor, "n R"],
    index: Int[Tensor, " n"],
    relaxed: Float[Tensor, " 2"],
    shut: Float[Tensor, " 2"],
) -> Float[Tensor, "T 2"]:
    """Distances between the lids, the least one of the clip made that of a shut eye, if the clip has a shut eye."""
    closing = torch.nan_to_num(scores[:, list(_BLINKS)])
    if float(closing.amax(0).min()) < _BLINK_SEEN:
        return gap
    least = torch.minimum(gap[index].quantile(0.005, dim=0), 0.8 * relaxed)
    closed = ((relaxed - gap) / (relaxed - least)).clamp(0, 1)
    return gap - (least - shut).clamp_min(0) * closed.square()


def _gap(tracked: TrackedSequence, motion: HeadMotion, points: Points) -> Float[Tensor, "T 2"]:
    """Height of the middles of the lids (left, right) of this person doing `motion` one above the other, metres."""
    upright = torch.zeros_like(motion.head_rotation)
    posed = points(tracked.identity, replace(motion, head_rotation=upright, torso_rotation=upright, translation=upright))
    middles = [(posed[:, list(upper[3:6]), 1] - posed[:, list(lower[3:6]), 1]).mean(1) for upper, lower in _LIDS]
    return torch.stack(middles, 1)
