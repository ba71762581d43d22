"""The motion of a known head before a known camera, from landmarks: one robust, limited Gauss-Newton solve over all frames.

Frames are coupled by penalties on second differences, so the estimate of a frame looks as far ahead as back and has no lag. The
penalties are robust (a saccade or a cut is not smeared) and scaled by what the landmarks of one frame say, so that neither the size of the
face nor the number of landmarks changes how smooth the result is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.channels import RIG_INDEX, RIG_NAMES
from recon.banded import BandedSystem
from recon.motion_model import (
    GAZE,
    N_SOLVED,
    N_UNKNOWNS,
    ROTATION,
    SOLVED,
    TRANSLATION,
    Directions,
    View,
    facing_weights,
    jacobian,
    landmark_weights,
)

CHUNK = 40
"""Frames whose Jacobian is in memory at once."""
REFERENCE_FACE = 200.0
"""Pixels: the size of a face (root of the area of its box) whose errors count as they are."""
REFERENCE_RATE = 25.0
"""Frames per second at which smoothness is stated."""
_GAZE_LIMITS = (0.6, 0.35)
_KNEE = 3.0
"""Times the usual roughness of a clip: beyond it the smoothness penalty hardly grows: real quick motion is kept."""
_SAMPLE = 64
_TENSION = 0.02
"""Penalty on first differences as a share of that on second ones: frames without a face come to rest instead of flying on."""
_TRANSLATION_KNEE = 0.01
"""Metres beyond which the pull on translation grows linearly: people do lean."""
_WEAK = ("jawLeft", "jawRight", "mouthClose", "mouthLeft", "mouthRight", "noseSneer", "mouthShrug", "mouthRoll", "cheekSquint")
"""Channels (by prefix) that landmarks tell poorly: a stronger prior."""
_ANTAGONISTS = (
    ("jawLeft", "jawRight"), ("mouthLeft", "mouthRight"), ("mouthPucker", "mouthStretchLeft"), ("mouthPucker", "mouthStretchRight"),
    *(
        (first + side, second + side)
        for side in ("Left", "Right")
        for first, second in (
            ("mouthSmile", "mouthFrown"), ("eyeBlink", "eyeWide"), ("eyeSquint", "eyeWide"), ("browDown", "browOuterUp"),
            ("mouthPress", "mouthLowerDown"), ("mouthPress", "mouthUpperUp"),
        )
    ),
)  # fmt: skip
"""Pairs that no face does together; without a penalty noise switches both on."""


@dataclass(frozen=True)
class TrackingConfig:
    """Settings of the tracker. Errors are in pixels of a face of 200 pixels, so priors are 'such pixels squared per unit squared'."""

    iterations: int = 8
    """Gauss-Newton steps over the motion."""
    rounds: int = 8
    """Rounds of the identity: its modes, the offsets, the motion that goes with them."""
    identity_frames: int = 120
    """At most this many frames, spread over the clip, tell who it is."""
    anchor_frames: int = 12
    """At most this many frames, chosen from the clip, show the person at rest."""
    anchor_weight: float = 8.0
    """How many ordinary frames one frame at rest counts for while the identity is solved."""
    huber: float = 1.5
    """Error beyond which a landmark counts linearly."""
    rig_prior: float = 2.0
    """Pull of every rig coefficient towards zero."""
    score_prior: float = 4.0
    """Pull of every rig coefficient towards the landmarker's own score (its answer to the face at rest taken off)."""
    antagonists: float = 20.0
    """Penalty on products of antagonist pairs."""
    shape_prior: float = 0.3
    """Pull of identity coefficients (standard deviations) towards the mean head, per frame."""
    offset_prior: float = 0.01
    """Pull of per-landmark offsets (mm) towards zero, per frame."""
    translation_prior: float = 0.1
    """Pull of the translation (mm) towards zero: shoulders hardly move while a head does."""
    gaze_prior: tuple[float, float] = (50.0, 1500.0)
    """Pull of gaze yaw and pitch (radians) towards straight ahead; a falling lid hides the iris and looks like a look down."""
    pose_smoothness: float = 0.5
    """Smoothness of the rotation: 0.5 halves what repeats 5 times a second (at 25 frames per second)."""
    torso_smoothness: float = 30.0
    """The same of the translation: a torso sways slowly, what is fast is the head turning on it."""
    gaze_smoothness: float = 0.3
    """The same of the gaze."""
    eyes_smoothness: float = 0.4
    """The same of lids and brows."""
    mouth_smoothness: float = 0.3
    """The same of mouth, jaw, cheeks and nose."""


@dataclass(frozen=True)
class Clip:
    """What a clip shows and what is known about it before the motion is."""

    target: Float[Tensor, "T 478 2"]
    """Landmarks in pixels; anything finite where there is no evidence."""
    evidence: Bool[Tensor, " T"]
    """Frames whose landmarks count; the others are carried by their neighbours."""
    scores: Float[Tensor, "T R"]
    """The landmarker's scores without its answer to this face at rest."""
    at_rest: Bool[Tensor, " T"]
    """Frames whose rig is zero by definition."""
    joined: Bool[Tensor, " T"]
    """Whether a frame and the next are of one shot and one frame apart; the last is False."""
    fps: float
    """Frames per second."""

    def pick(self, frames: slice) -> "Clip":
        """A run of its frames."""
        joined = self.joined[frames].clone()
        joined[-1:] = False
        return Clip(self.target[frames], self.evidence[frames], self.scores[frames], self.at_rest[frames], joined, self.fps)


@dataclass(frozen=True)
class Quadratic:
    """A cost per frame around a state."""

    cost: Float[Tensor, " T"]
    """Its value."""
    gradient: Float[Tensor, "T K"]
    """By the unknowns."""
    hessian: Float[Tensor, "T K K"]
    """Positive semi-definite approximation."""


def solve_motion(
    clip: Clip, view: View, local: Directions, start: Float[Tensor, "T K"], config: TrackingConfig, *, iterations: int | None = None
) -> Float[Tensor, "T K"]:
    """Minimise over the motion, from `start`. Every step that is taken lowers the objective."""
    state, metric = start, None
    low, high = limits(clip)
    for _ in range(iterations or config.iterations):
        weights = in_chunks(lambda part: facing_weights(view, part, local.normals), state) * landmark_weights()
        data = in_chunks_quadratic(clip, view, local, state, weights, config)
        own = _add(data, priors(clip, state, config))
        metric = _smoothness_metric(clip, data.hessian, config) if metric is None else metric
        bends, slopes = _roughness_weights(clip, state, metric)
        system = BandedSystem(own.hessian.double().numpy(), metric.double().numpy(), bends, slopes)
        before = state.double().numpy()
        gradient = own.gradient.double().numpy() + system.roughness_gradient(before)
        step = system.box_step(gradient, before, low.double().numpy(), high.double().numpy())
        current = float(own.cost.sum()) + system.roughness(before)
        for shrink in (1.0, 0.5, 0.25, 0.1):
            trial = torch.from_numpy(before + shrink * step).float()
            cost = data_cost(clip, view, trial, weights, config).sum() + priors(clip, trial, config).cost.sum()
            if float(cost) + system.roughness(trial.double().numpy()) < current:
                state = trial
                break
        else:
            break
    return state


def limits(clip: Clip) -> tuple[Float[Tensor, "T K"], Float[Tensor, "T K"]]:
    """The smallest and largest value of each unknown."""
    high = torch.full((clip.target.shape[0], N_UNKNOWNS), 10.0)
    high[:, :N_SOLVED] = torch.where(clip.at_rest, 0.0, 1.0)[:, None]
    high[:, GAZE] = torch.tensor(_GAZE_LIMITS)
    low = -high
    low[:, :N_SOLVED] = 0.0
    return low, high


def quadratic(
    clip: Clip, view: View, local: Directions, state: Float[Tensor, "T K"], weights: Float[Tensor, "T 478"], config: TrackingConfig
) -> Quadratic:
    """The landmarks' robust errors around a state (Gauss-Newton)."""
    slopes = jacobian(view, state, local)
    error = ((view.pixels(state) - clip.target) / view.unit).transpose(1, 2)  # [T, 2, n]
    weight = robust_weights(error, weights, config) * clip.evidence[:, None]
    weighted = slopes * weight[:, None, :, None]
    flat = weighted.flatten(1, 2).transpose(1, 2)
    gradient = torch.einsum("tkm,tm->tk", flat, error.flatten(1))
    return Quadratic(_huber(error, weights, config) * clip.evidence, gradient, flat @ slopes.flatten(1, 2))


def in_chunks_quadratic(
    clip: Clip, view: View, local: Directions, state: Float[Tensor, "T K"], weights: Float[Tensor, "T 478"], config: TrackingConfig
) -> Quadratic:
    """`quadratic` with bounded memory."""
    parts = [quadratic(clip.pick(frames), view, local, state[frames], weights[frames], config) for frames in _chunks(state.shape[0])]
    return Quadratic(*(torch.cat([getattr(part, name) for part in parts]) for name in ("cost", "gradient", "hessian")))


def data_cost(
    clip: Clip, view: View, state: Float[Tensor, "T K"], weights: Float[Tensor, "T 478"], config: TrackingConfig
) -> Float[Tensor, " T"]:
    """Half the robust sum of squared errors of each frame."""
    pixels = in_chunks(view.pixels, state)
    return _huber(((pixels - clip.target) / view.unit).transpose(1, 2), weights, config) * clip.evidence


def priors(clip: Clip, state: Float[Tensor, "T K"], config: TrackingConfig) -> Quadratic:
    """Pulls on each frame alone: small coefficients, the landmarker's scores, no antagonists, a still torso, a gaze ahead."""
    rig, weight = state[:, :N_SOLVED], _rig_weights()
    seen = torch.where(clip.evidence, 1.0, 0.0)[:, None]
    wanted = clip.scores[:, list(SOLVED)]
    pull = config.rig_prior * weight * (0.05 + 0.95 * seen)
    towards = config.score_prior * weight * seen
    pairs = torch.tensor([[SOLVED.index(RIG_INDEX[left]), SOLVED.index(RIG_INDEX[right])] for left, right in _ANTAGONISTS])
    others = torch.zeros_like(rig).index_add_(1, pairs[:, 0], rig[:, pairs[:, 1]]).index_add_(1, pairs[:, 1], rig[:, pairs[:, 0]])
    count = torch.zeros(N_SOLVED).index_add_(0, pairs.flatten(), torch.ones(pairs.numel()))
    shift, look = state[:, TRANSLATION], state[:, GAZE]
    size = shift.norm(dim=1, keepdim=True)
    stiff = config.translation_prior * 1e6 * (_TRANSLATION_KNEE / size.clamp_min(_TRANSLATION_KNEE))
    ahead = torch.tensor(config.gaze_prior)
    cost = 0.5 * (pull * rig.square() + towards * (rig - wanted).square() + config.antagonists * rig * others).sum(1)
    knee = _TRANSLATION_KNEE
    leaning = torch.where(size < knee, size.square(), 2 * knee * size - knee**2)[:, 0]
    cost = cost + 0.5 * (config.translation_prior * 1e6 * leaning + (ahead * look.square()).sum(1))
    gradient = torch.cat(
        [
            pull * rig + towards * (rig - wanted) + config.antagonists * others,
            torch.zeros_like(shift), stiff * shift, ahead * look,
        ], 1,
    )  # fmt: skip
    # A product of two unknowns has no curvature of one sign; one on each diagonal bounds it.
    flat = pull + towards + config.antagonists * count
    curvature = torch.cat([flat, torch.zeros_like(shift), stiff.expand(-1, 3), ahead.expand_as(look)], 1)
    return Quadratic(cost, gradient, torch.diag_embed(curvature))


def robust_weights(error: Float[Tensor, "T 2 478"], weights: Float[Tensor, "T 478"], config: TrackingConfig) -> Float[Tensor, "T 478"]:
    """Weights that make squared errors count like Huber's."""
    return weights * (config.huber / error.norm(dim=1).clamp_min(config.huber))


def in_chunks(function: Callable[[Tensor], Tensor], state: Float[Tensor, "T K"]) -> Tensor:
    """`function` of the frames, a chunk at a time."""
    return torch.cat([function(state[frames]) for frames in _chunks(state.shape[0])])


def _chunks(n_frames: int) -> list[slice]:
    return [slice(start, min(start + CHUNK, n_frames)) for start in range(0, n_frames, CHUNK)]


def _huber(error: Tensor, weights: Tensor, config: TrackingConfig) -> Tensor:
    size = error.norm(dim=1)
    return 0.5 * (weights * torch.where(size < config.huber, size.square(), 2 * config.huber * size - config.huber**2)).sum(1)


def _add(left: Quadratic, right: Quadratic) -> Quadratic:
    return Quadratic(left.cost + right.cost, left.gradient + right.gradient, left.hessian + right.hessian)


def _rig_weights() -> Tensor:
    return torch.tensor([3.0 if RIG_NAMES[index].startswith(_WEAK) else 1.0 for index in SOLVED])


def _smoothness_metric(clip: Clip, hessian: Tensor, config: TrackingConfig) -> Tensor:
    """How second differences of the unknowns count together: as the landmarks' motion that they make, in a typical frame.

    With a share s of it, a motion of angular frequency w per frame keeps 1 / (1 + s (2 - 2 cos w)^2) of its size, whatever it is made of
    (Whittaker 1923).
    """
    seen = torch.nonzero(clip.evidence)[:, 0]
    typical = hessian[seen[:: max(1, len(seen) // _SAMPLE)]].mean(0)
    shares, groups = torch.zeros(N_UNKNOWNS), _groups()
    settings = (config.pose_smoothness, config.torso_smoothness, config.gaze_smoothness, config.eyes_smoothness, config.mouth_smoothness)
    for group, share in enumerate(settings):
        shares[groups == group] = share
    together = groups[:, None] == groups[None]
    scale = (shares * (clip.fps / REFERENCE_RATE) ** 4).sqrt()
    return torch.where(together, typical * scale[:, None] * scale, torch.zeros(()))


def _groups() -> Tensor:
    """Unknowns that become rough together: 0 rotation, 1 translation, 2 gaze, 3 eyes and brows, 4 mouth, jaw, nose and cheeks."""
    groups = torch.full((N_UNKNOWNS,), 4)
    for column, index in enumerate(SOLVED):
        if RIG_NAMES[index].startswith(("eye", "brow")):
            groups[column] = 3
    groups[ROTATION], groups[TRANSLATION], groups[GAZE] = 0, 1, 2
    return groups


def _roughness_weights(clip: Clip, state: Tensor, metric: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Robust weights of the second difference around each frame, group by group; nothing is smoothed across cuts."""
    second = (state[2:] - 2 * state[1:-1] + state[:-2]).double()
    together = clip.joined[:-2] & clip.joined[1:-1]
    energy, groups = second * (second @ metric.double()), _groups()
    bends = torch.zeros(state.shape, dtype=torch.float64)
    for group in range(5):
        columns = groups == group
        size = energy[:, columns].sum(1).clamp_min(0).sqrt()
        usual = size[together].median() if bool(together.any()) else size.new_zeros(())
        robust = 1 / (1 + (size / (_KNEE * usual + 1e-6)).square())
        bends[1:-1, columns] = (robust * together)[:, None]
    return bends.numpy(), (_TENSION * clip.joined).double().numpy()
