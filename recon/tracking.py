"""Landmarks of a clip -> who the head is, what it does in every frame, and where the camera stands (analysis by synthesis).

`track_footage` does it all; `track_motion` follows a known head before a known camera. Frames that are held out shape neither identity,
camera nor calibration, nor the motion of the others: they are solved afterwards, by themselves.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.channels import RIG_INDEX, RIG_NAMES
from emohead.head.base import HeadModel
from emohead.types import Camera, HeadIdentity, HeadMotion
from recon.anchors import neutral_frames
from recon.identity_solver import LOOSE, solve_identity
from recon.landmark_head import landmark_points
from recon.motion_model import (
    N_SOLVED,
    N_UNKNOWNS,
    ROTATION,
    SOLVED,
    TRANSLATION,
    Points,
    View,
    directions,
    found_pivot,
    inner_error,
)
from recon.motion_solver import REFERENCE_FACE, Clip, TrackingConfig, solve_motion
from recon.types import FaceLandmarks, Footage, TrackedSequence

__all__ = ["FOR_AVATARS", "Points", "TrackingConfig", "smooth_offset_basis", "track", "track_footage", "track_motion"]

log = logging.getLogger(__name__)

FOR_AVATARS = TrackingConfig(translation_prior=3.0)
"""Holds the torso still under the head: shoulders and collar are the strongest edges of a picture, and an avatar's must not swim."""
Progress = Callable[[float, str], None]
"""Told the share done, 0..1, and what is going on."""

STRETCH, MARGIN = 1000, 60
"""Long clips are solved in stretches of this many frames, with this many more on both sides for the smoothness."""
_CUT = 0.25
"""Share of the face's size that the face moves between two frames of different shots."""
_NEARLY_CLOSED = 0.4
"""An eyeBlink of at least this much in a clip's most closed frames is taken for a shut eye."""


def track_footage(
    footage: Footage, head: HeadModel, *, config: TrackingConfig | None = None, progress: Progress | None = None
) -> TrackedSequence:
    """Explain a clip by `head`: who it is, from where it is seen, what it does in every frame.

    Args:
        footage: its landmarks, its frames that are held out, its camera's intrinsics.
        head: the generic or a FLAME head.
        config: settings.
        progress: told the share done.

    Raises:
        InputError: no training frame shows a face, or `head` has no face landmarks.
    """
    if progress:
        progress(0.0, "finding out who it is")
    points = landmark_points(head)
    at_rest = points(head.identity(), HeadMotion.neutral(1, footage.frames.fps))[0]
    return track(
        footage.landmarks,
        points,
        fps=footage.frames.fps,
        camera=footage.camera,
        offset_basis=smooth_offset_basis(head.neutral, at_rest),
        n_shape=head.n_shape,
        training=~footage.held_out,
        config=config,
        progress=progress,
    )


def track(
    landmarks: FaceLandmarks,
    points: Points,
    *,
    fps: float,
    camera: Camera,
    offset_basis: Float[Tensor, "V 478"],
    n_shape: int,
    training: Bool[Tensor, " T"],
    config: TrackingConfig | None = None,
    progress: Progress | None = None,
) -> TrackedSequence:
    """Explain `landmarks` by a head model whose identity is unknown.

    Args:
        landmarks: of every frame.
        points: the head model's landmarks.
        fps: frames per second.
        camera: one view with the intrinsics to believe; its place is solved for.
        offset_basis: how an offset of each landmark spreads over the vertices.
        n_shape: number of identity coefficients.
        training: frames that may shape the identity, the camera and the calibration.
        config: settings.
        progress: told the share done.

    Raises:
        InputError: no training frame shows a face.
    """
    config = config or TrackingConfig()
    anchors = neutral_frames(landmarks, training=training, most=config.anchor_frames)
    clip = _clip(landmarks, anchors, training, fps)
    mean = HeadIdentity(torch.zeros(n_shape), torch.zeros(offset_basis.shape[0], 3))
    view = View(points, mean, camera, _unit(landmarks, training), torch.zeros(3))
    chosen = _spread(clip.evidence & training, anchors, config.identity_frames)
    solved = solve_identity(_apart(clip, chosen, anchors), view, config, offset_basis=offset_basis, n_shape=n_shape)
    if progress:
        progress(0.4, "following the head")
    pivot = found_pivot(solved.state[:, ROTATION], solved.state[:, TRANSLATION])
    return _follow(clip, replace(solved.view, pivot=pivot), training, config, progress)


def track_motion(
    landmarks: FaceLandmarks,
    points: Points,
    *,
    fps: float,
    camera: Camera,
    identity: HeadIdentity,
    training: Bool[Tensor, " T"] | None = None,
    config: TrackingConfig | None = None,
    progress: Progress | None = None,
) -> TrackedSequence:
    """Explain `landmarks` by a known head seen by a known camera: only the motion is solved for.

    Args:
        landmarks: of every frame.
        points: the head model's landmarks.
        fps: frames per second.
        camera: one view.
        identity: who it is.
        training: frames that calibrate (what the landmarker says of the face at rest, how a shut eye looks); None means all.
        config: settings.
        progress: told the share done.
    """
    config = config or TrackingConfig()
    training = torch.ones_like(landmarks.found) if training is None else training
    anchors = neutral_frames(landmarks, training=training, most=config.anchor_frames)
    view = View(points, identity, camera, _unit(landmarks, training), torch.zeros(3))
    clip = _clip(landmarks, anchors, training, fps)
    return _follow(clip, _with_pivot(clip, view, training, anchors, config), training, config, progress)


def smooth_offset_basis(
    vertices: Float[Tensor, "V 3"], landmarks: Float[Tensor, "478 3"], *, radius: float = 0.006
) -> Float[Tensor, "V 478"]:
    """How an offset of each landmark moves each vertex: a normalised Gaussian kernel that fades away from all landmarks.

    Args:
        vertices: the neutral head, metres.
        landmarks: on the same head.
        radius: of the kernel, metres.
    """
    weights = torch.exp(-torch.cdist(vertices, landmarks).square() / radius**2)
    return weights / (weights.sum(1, keepdim=True) + 0.3)


def _with_pivot(clip: Clip, view: View, training: Tensor, anchors: Tensor, config: TrackingConfig) -> View:
    """The view with its neck's pivot, told by frames that are solved each for itself."""
    part = _apart(clip, _spread(clip.evidence & training, anchors, config.identity_frames), anchors)
    start = torch.zeros(len(part.target), N_UNKNOWNS)
    loose = replace(config, translation_prior=LOOSE, huber=20.0)
    state = solve_motion(part, view, directions(view.points, view.identity), start, loose, iterations=6)
    return replace(view, pivot=found_pivot(state[:, ROTATION], state[:, TRANSLATION]))


def _clip(landmarks: FaceLandmarks, anchors: Tensor, training: Tensor, fps: float) -> Clip:
    scores = torch.nan_to_num(landmarks.scores)
    # What the landmarker answers on the face at rest is its bias for this person.
    bias = scores[anchors].mean(0)
    scores = ((scores - bias) / (1 - bias).clamp_min(0.3)).clamp(0, 1)
    target = torch.nan_to_num(landmarks.points)
    size = _face_size(landmarks.points)
    moved = (target[1:] - target[:-1]).norm(dim=-1).median(1).values
    joined = torch.zeros_like(landmarks.found)
    both = landmarks.found[1:] & landmarks.found[:-1]
    joined[:-1] = ~(both & (moved > _CUT * torch.fmax(size[1:], size[:-1])))
    return Clip(target, landmarks.found, scores, torch.zeros_like(landmarks.found), joined, fps)


def _apart(clip: Clip, chosen: Tensor, anchors: Tensor) -> Clip:
    """Some frames of a clip, each for itself, with those at rest marked."""
    at_rest = torch.isin(chosen, anchors)
    alone = torch.zeros(len(chosen), dtype=torch.bool)
    return Clip(clip.target[chosen], clip.evidence[chosen], clip.scores[chosen], at_rest, alone, clip.fps)


def _spread(usable: Tensor, anchors: Tensor, most: int) -> Tensor:
    """The frames at rest and others at even distances."""
    index = torch.nonzero(usable)[:, 0]
    even = index[torch.linspace(0, len(index) - 1, min(most, len(index))).round().long()]
    return torch.cat([even, anchors]).unique()


def _face_size(points: Tensor) -> Tensor:
    """Root of the area of the box around the face, pixels; NaN where there is none."""
    low, high = points.amin(1), points.amax(1)
    return (high - low).prod(1).sqrt()


def _unit(landmarks: FaceLandmarks, training: Tensor) -> float:
    return float(_face_size(landmarks.points[landmarks.found & training]).median()) / REFERENCE_FACE


def _follow(clip: Clip, view: View, training: Tensor, config: TrackingConfig, progress: Progress | None) -> TrackedSequence:
    """The motion of all frames: first of those that train, then of the others, neither seeing the other's landmarks."""
    state = _solve_long(replace(clip, evidence=clip.evidence & training), view, config, progress)
    if not bool(training.all()):
        held_out = torch.nonzero(~training)[:, 0]
        span = slice(int(held_out[0]), int(held_out[-1]) + 1)
        part = replace(clip, evidence=clip.evidence & ~training).pick(span)
        if bool(part.evidence.any()):
            others = _solve_long(part, view, config, None)
            state[span] = torch.where(training[span, None], state[span], others)
    pixels = torch.cat([view.pixels(part) for part in state.split(STRETCH)])
    error = inner_error(pixels, clip.target, clip.evidence)
    log.info("motion of %d frames: inner landmarks %.2f px", len(state), float(error.nanmean()))
    motion = view.motion(state, clip.fps)
    motion = replace(motion, rig=_closed_when_closed(motion.rig, training & clip.evidence))
    return TrackedSequence(clip.fps, view.camera, view.identity, motion, torch.nan_to_num(torch.exp(-error / 4.0)))


def _solve_long(clip: Clip, view: View, config: TrackingConfig, progress: Progress | None) -> Tensor:
    """`solve_motion` in overlapping stretches, so that memory does not grow with the clip."""
    local = directions(view.points, view.identity)
    n_frames = len(clip.target)
    state = torch.zeros(n_frames, N_UNKNOWNS)
    for start in range(0, n_frames, STRETCH):
        around = slice(max(0, start - MARGIN), min(n_frames, start + STRETCH + MARGIN))
        part = clip.pick(around)
        if not bool(part.evidence.any()):
            continue
        first = torch.zeros(len(part.target), N_UNKNOWNS)
        first[:, :N_SOLVED] = part.scores[:, list(SOLVED)]
        posed = solve_motion(
            replace(part, at_rest=torch.ones_like(part.at_rest)), view, local, first * 0, replace(config, huber=20.0), iterations=3
        )
        first[:, N_SOLVED:] = posed[:, N_SOLVED:]
        solved = solve_motion(part, view, local, first, config)
        stop = min(n_frames, start + STRETCH)
        state[start:stop] = solved[start - around.start : stop - around.start]
        if progress:
            progress(0.4 + 0.6 * stop / n_frames, "following the head")
    return state


def _closed_when_closed(rig: Float[Tensor, "T R"], calibrating: Bool[Tensor, " T"]) -> Float[Tensor, "T R"]:
    """Scale eyeBlink so that the most closed frames of the clip are 1, if they are nearly closed.

    Lid landmarks of a shut eye stay a lash line apart; without this a shut eye would be stored as a half-shut one and eyeBlink = 1 would
    push the lids past each other.
    """
    lids = [RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"]]
    assert RIG_NAMES[lids[0]] == "eyeBlinkLeft"
    most = rig[calibrating][:, lids].quantile(0.995, dim=0)
    if most.mean() < _NEARLY_CLOSED:
        return rig
    result = rig.clone()
    result[:, lids] = (rig[:, lids] / most.clamp_min(0.3)).clamp(max=1.0)
    return result
