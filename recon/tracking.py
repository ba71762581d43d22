"""Landmarks of a clip -> who the head is, what it does in every frame, and where the camera stands (analysis by synthesis).

All frames are solved at once by projected Adam: identity modes, smooth per-landmark offsets and the camera pose are shared, the rig
coefficients, head rotation, small translations and gaze are per frame. The first frames of the clip are the neutral anchor: their
motion is zero by definition, which is what separates identity from expression and makes `HeadMotion.neutral` this person at rest.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.channels import N_RIG, RIG_INDEX, RIG_NAMES
from emohead.head.gaze import gaze_to_rig
from emohead.types import Camera, HeadIdentity, HeadMotion
from recon.landmarks import BROWS, EYES, IRISES, LIPS, N_POINTS, OVAL
from recon.types import FaceLandmarks, TrackedSequence

log = logging.getLogger(__name__)

Points = Callable[[HeadIdentity, HeadMotion], Float[Tensor, "T 478 3"]]
"""A head model reduced to its landmarks, in world space."""

_UNUSED = ("tongueOut", "cheekPuff", "jawForward")
"""Channels that landmarks cannot tell: they stay zero."""
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

_GAZE_RANGE = torch.tensor([0.6, 0.1])
"""Limits of gaze yaw and pitch, radians."""
_NEARLY_CLOSED = 0.4
"""An eyeBlink of at least this much in a clip's most closed frame is taken for a shut eye."""


@dataclass(frozen=True)
class TrackingConfig:
    """Settings of the tracker. Errors are in pixels of the clip, so priors are 'pixels squared per unit squared'."""

    iterations: int = 250
    """Adam steps of each of the two solves (identity with motion; motion alone)."""
    anchor_frames: int = 10
    """How many first frames are neutral by definition."""
    anchor_weight: float = 20.0
    """How many ordinary frames one neutral frame counts for while the identity is solved."""
    huber: float = 2.0
    """Pixels beyond which a landmark's error counts linearly."""
    rig_prior: float = 2.0
    """Pull of every rig coefficient towards zero."""
    score_prior: float = 4.0
    """Pull of every rig coefficient towards the landmarker's own score."""
    antagonists: float = 40.0
    """Penalty on products of antagonist pairs."""
    shape_prior: float = 0.01
    """Pull of identity coefficients (standard deviations) towards the mean head."""
    offset_prior: float = 0.02
    """Pull of per-landmark offsets (mm) towards zero."""
    translation_prior: float = 2.0
    """Pull of the torso translation (mm) towards zero: shoulders hardly move while a head does."""
    gaze_prior: tuple[float, float] = (50.0, 1500.0)
    """Pull of gaze yaw and pitch (radians) towards straight ahead; a falling lid hides the iris and looks like a look down."""
    rig_smoothness: float = 1.0
    """Penalty on second differences of the rig."""
    pose_smoothness: float = 0.02
    """Penalty on second differences of rotation (mrad), translation (0.1 mm) and gaze (mrad) in units of the anchor."""


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
) -> TrackedSequence:
    """Explain `landmarks` by a head model whose identity is unknown.

    Args:
        landmarks: of every frame.
        points: the head model's landmarks, differentiable.
        fps: frames per second.
        camera: one view with the true intrinsics; its pose is the first guess and is solved for.
        offset_basis: how an offset of each landmark spreads over the vertices.
        n_shape: number of identity coefficients.
        training: frames that may shape the identity and the camera; the others are solved afterwards with both frozen.
        config: settings.
    """
    config = config or TrackingConfig()
    solver = _Solver(landmarks, points, camera, config)
    solver.free_identity(n_shape, offset_basis)
    error = solver.solve(_thinned(training, config), config.iterations)
    log.info("identity, camera and motion of the training frames: inner landmarks %.2f px", error)
    return track_motion(landmarks, points, fps=fps, camera=solver.solved_camera(), identity=solver.identity(), config=config)


def track_motion(
    landmarks: FaceLandmarks,
    points: Points,
    *,
    fps: float,
    camera: Camera,
    identity: HeadIdentity,
    config: TrackingConfig | None = None,
) -> TrackedSequence:
    """Explain `landmarks` by a known head seen by a known camera: only the motion is solved for."""
    config = config or TrackingConfig()
    solver = _Solver(landmarks, points, camera, config)
    solver.fixed_identity = identity
    error = solver.solve(torch.ones_like(landmarks.found), config.iterations)
    log.info("motion: inner landmarks %.2f px", error)
    return solver.result(fps)


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


class _Solver:
    """The unknowns of one clip and their optimisation; lives for one `track` call."""

    def __init__(self, landmarks: FaceLandmarks, points: Points, camera: Camera, config: TrackingConfig):
        n_frames = landmarks.points.shape[0]
        self.config, self.points, self.camera = config, points, camera
        self.found = landmarks.found
        self.target = torch.nan_to_num(landmarks.points)
        self.scores = torch.nan_to_num(landmarks.scores).clone()
        self.scores[:, [RIG_INDEX[name] for name in _UNUSED]] = 0
        anchor = slice(0, config.anchor_frames)
        # What the landmarker answers on the neutral frames is its bias for this person.
        self.scores = ((self.scores - self.scores[anchor].mean(0)) / (1 - self.scores[anchor].mean(0)).clamp_min(0.3)).clamp(0, 1)
        self.moving = torch.ones(n_frames, 1)
        self.moving[anchor] = 0
        self.weights = _point_weights()
        self.rig_weights = _rig_weights()
        self.looks_free = torch.tensor([0.0 if name.startswith("eyeLook") else 1.0 for name in RIG_NAMES])
        self.fixed_identity: HeadIdentity | None = None
        self.shape, self.offset_basis = torch.zeros(0), torch.zeros(0, N_POINTS)
        self.landmark_offsets = torch.zeros(N_POINTS, 3)  # millimetres
        self.view = torch.zeros(6)  # rotation (rad) and translation (m) that take the given camera to the solved one
        self.rig = self.scores.clone()
        self.head_rotation = torch.zeros(n_frames, 3)
        self.translation = torch.zeros(n_frames, 3)
        self.gaze = torch.zeros(n_frames, 2)

    def free_identity(self, n_shape: int, offset_basis: Tensor) -> None:
        """Make identity and camera unknowns, starting from the mean head at the right distance."""
        self.shape, self.offset_basis = torch.zeros(n_shape), offset_basis
        self._place_camera()

    def identity(self) -> HeadIdentity:
        if self.fixed_identity is not None:
            return self.fixed_identity
        return HeadIdentity(self.shape, self.offset_basis @ self.landmark_offsets * 1e-3)

    def motion(self, frames: Tensor, fps: float = 25.0) -> HeadMotion:
        moving = self.moving[frames]
        gaze = (self.gaze[frames] * moving)[:, None].expand(-1, 2, -1)
        rig = self.rig[frames] * moving * self.looks_free + gaze_to_rig(gaze)
        return HeadMotion(
            fps,
            rig,
            self.head_rotation[frames] * moving,
            torch.zeros_like(self.translation[frames]),
            self.translation[frames] * moving,
            gaze,
        )

    def project(self, world: Tensor) -> Tensor:
        """Pixels of world points `[T n 3]` in the solved view."""
        rotation, shift = self._view_matrix()
        in_camera = world @ rotation.T + shift
        intrinsics = self.camera.intrinsics[0]
        return in_camera[..., :2] / in_camera[..., 2:] * intrinsics.diagonal()[:2] + intrinsics[:2, 2]

    def solve(self, mask: Tensor, iterations: int) -> float:
        """Minimise over the frames in `mask` (and, if the identity is free, identity and camera). Returns the mean inner error in px."""
        shared = self.fixed_identity is None
        frames = torch.nonzero(mask)[:, 0]
        rates = {"rig": 0.03, "head_rotation": 0.01, "translation": 1e-3, "gaze": 0.02}
        if shared:
            rates |= {"shape": 0.05, "landmark_offsets": 0.1, "view": 3e-3}
        leaves = [getattr(self, name).requires_grad_(True) for name in rates]
        groups = [{"params": [leaf], "lr": rate, "peak": rate} for leaf, rate in zip(leaves, rates.values(), strict=True)]
        optimizer = torch.optim.Adam(groups, betas=(0.9, 0.98), eps=1e-12)
        for iteration in range(iterations):
            progress = iteration / iterations
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * min(1.0, 10 * progress + 0.1) * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))
            optimizer.zero_grad(set_to_none=True)
            self._loss(frames, shared=shared).backward()
            optimizer.step()
            with torch.no_grad():
                self.rig.clamp_(0, 1)
                self.gaze.clamp_(-_GAZE_RANGE, _GAZE_RANGE)
            if iteration % 50 == 0:
                log.info("  step %d: %.2f px", iteration, float(self._inner_error()[self.found].mean()))
        for leaf in leaves:
            leaf.requires_grad_(False)
            leaf.grad = None
        return float(self._inner_error()[frames[self.found[frames]]].mean())

    def solved_camera(self) -> Camera:
        rotation, shift = self._view_matrix()
        world_to_camera = torch.eye(4)
        world_to_camera[:3, :3], world_to_camera[:3, 3] = rotation, shift
        return Camera(world_to_camera[None], self.camera.intrinsics, self.camera.width, self.camera.height)

    def result(self, fps: float) -> TrackedSequence:
        everything = torch.arange(self.found.shape[0])
        motion = self.motion(everything, fps)
        motion = replace(motion, rig=_closed_when_closed(motion.rig))
        confidence = torch.where(self.found, torch.exp(-self._inner_error() / 4.0), torch.zeros(()))
        return TrackedSequence(fps, self.solved_camera(), self.identity(), motion, confidence)

    def _loss(self, frames: Tensor, *, shared: bool) -> Tensor:
        config, motion = self.config, self.motion(frames)
        error = self.project(self.points(self.identity(), motion)) - self.target[frames]
        distance = (error.square().sum(-1) + 1e-6).sqrt()
        data = (
            self.weights
            * torch.nn.functional.huber_loss(distance, torch.zeros(()).expand_as(distance), delta=config.huber, reduction="none")
        ).sum(-1)
        rig = self.rig[frames]
        prior = (self.rig_weights * (config.rig_prior * rig.square() + config.score_prior * (rig - self.scores[frames]).square())).sum(-1)
        pairs = torch.tensor([[RIG_INDEX[left], RIG_INDEX[right]] for left, right in _ANTAGONISTS])
        exclusive = (rig[:, pairs[:, 0]] * rig[:, pairs[:, 1]]).sum(-1)
        still = (self.translation[frames] * 1e3).square().sum(-1)
        frame_weight = torch.where(self.moving[frames, 0] > 0, 1.0, config.anchor_weight)
        looks = (torch.tensor(config.gaze_prior) * self.gaze[frames].square()).sum(-1)
        # Frames without a face are carried by the smoothness alone.
        evidence = (data + prior) * self.found[frames]
        per_frame = evidence + config.antagonists * exclusive + config.translation_prior * still + looks
        loss = (frame_weight * per_frame).mean()
        pose = torch.cat([motion.head_rotation * 1e3, motion.translation * 1e4, motion.gaze[:, 0] * 100], 1)
        loss = loss + config.rig_smoothness * _bends(rig, 0.3) + config.pose_smoothness * _bends(pose, 20.0) * 0.05
        if shared:
            loss = (
                loss + config.shape_prior * self.shape.square().sum() + config.offset_prior * self.landmark_offsets.square().mean(0).sum()
            )
        return loss

    @torch.no_grad()
    def _inner_error(self) -> Tensor:
        everything = torch.arange(self.found.shape[0])
        error = (self.project(self.points(self.identity(), self.motion(everything))) - self.target).norm(dim=-1)
        inner = torch.ones(N_POINTS, dtype=torch.bool)
        inner[list(OVAL)] = False
        return error[:, inner].mean(1)

    def _view_matrix(self) -> tuple[Tensor, Tensor]:
        world_to_camera = self.camera.world_to_camera[0]
        rotation = world_to_camera[:3, :3] @ torch.linalg.matrix_exp(_skew(self.view[:3]))
        return rotation, world_to_camera[:3, :3] @ self.view[3:] + world_to_camera[:3, 3]

    @torch.no_grad()
    def _place_camera(self) -> None:
        """Move the world so that the mean head of the anchor frames has the size and place of its landmarks."""
        anchor = torch.arange(self.config.anchor_frames)[self.found[: self.config.anchor_frames]]
        target = self.target[anchor].mean(0)[list(EYES + LIPS)]
        model = self.points(self.identity(), self.motion(anchor[:1]))[0][list(EYES + LIPS)]
        rotation = self.camera.world_to_camera[0, :3, :3]
        flat = (model @ rotation.T)[:, :2]
        focal, centre = self.camera.intrinsics[0, 0, 0], self.camera.intrinsics[0, :2, 2]
        depth = focal * (flat - flat.mean(0)).norm() / (target - target.mean(0)).norm()
        place = torch.cat([(target.mean(0) - centre) * depth / focal, depth[None]]) - (model @ rotation.T).mean(0)
        self.view[3:] = rotation.T @ (place - self.camera.world_to_camera[0, :3, 3])


def _thinned(training: Tensor, config: TrackingConfig) -> Tensor:
    """The neutral frames and every third of the others: enough to tell who it is."""
    index = torch.arange(training.shape[0])
    return training & ((index % 3 == 0) | (index < config.anchor_frames))


def _closed_when_closed(rig: Tensor) -> Tensor:
    """Scale eyeBlink so that the most closed frame of the clip is 1, if it is nearly closed.

    Lid landmarks of a shut eye stay a lash line apart; without this a shut eye would be stored as a half-shut one and eyeBlink = 1 would
    push the lids past each other.
    """
    lids = [RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"]]
    most = rig[:, lids].quantile(0.995, dim=0)
    if most.mean() < _NEARLY_CLOSED:
        return rig
    result = rig.clone()
    result[:, lids] = (rig[:, lids] / most.clamp_min(0.3)).clamp(max=1.0)
    return result


def _bends(values: Tensor, knee: float) -> Tensor:
    """Mean over frames of a robust penalty on second differences (clips are cut: a jump must not be smeared)."""
    second = values[2:] - 2 * values[1:-1] + values[:-2]
    return (knee**2 * ((1 + (second / knee).square()).sqrt() - 1)).sum(-1).mean()


def _point_weights() -> Tensor:
    weights = torch.full((N_POINTS,), 0.35)
    for subset, weight in ((LIPS, 0.8), (EYES, 0.8), (BROWS, 0.5), (IRISES, 1.5), (OVAL, 0.06)):
        weights[list(subset)] = weight
    return weights


def _rig_weights() -> Tensor:
    weights = torch.ones(N_RIG)
    for name, index in RIG_INDEX.items():
        if name.startswith(_WEAK):
            weights[index] = 3.0
        if name in _UNUSED:
            weights[index] = 1e4
    return weights


def _skew(vector: Tensor) -> Tensor:
    zero = torch.zeros_like(vector[0])
    x, y, z = vector
    return torch.stack([torch.stack([zero, -z, y]), torch.stack([z, zero, -x]), torch.stack([-y, x, zero])])
