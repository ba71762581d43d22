"""What the tracker solves for, as one table of numbers per frame, and how landmarks' errors depend on it.

A frame's unknowns are the rig channels that landmarks can tell, the head's rotation (rad), a translation (m) and one gaze for both eyes
(rad). Errors are pixels divided by `Clip.unit`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.channels import N_RIG, RIG_INDEX, RIG_NAMES
from emohead.head.gaze import gaze_to_rig
from emohead.head.skinning import axis_angle_to_rotations
from emohead.types import Camera, HeadIdentity, HeadMotion
from recon.landmarks import BROWS, EYES, IRISES, LIPS, N_POINTS, OVAL

Points = Callable[[HeadIdentity, HeadMotion], Float[Tensor, "T 478 3"]]
"""A head model reduced to its landmarks, in world space."""

UNTOLD = ("tongueOut", "cheekPuff", "jawForward")
"""Channels that landmarks cannot tell: they stay zero."""
SOLVED = tuple(index for index, name in enumerate(RIG_NAMES) if not name.startswith("eyeLook") and name not in UNTOLD)
"""The rig channels among the unknowns; eyeLook* follow the gaze."""
N_SOLVED = len(SOLVED)
ROTATION, TRANSLATION, GAZE = (slice(N_SOLVED + first, N_SOLVED + last) for first, last in ((0, 3), (3, 6), (6, 8)))
N_UNKNOWNS = N_SOLVED + 8

_CURVED = tuple(SOLVED.index(RIG_INDEX[name]) for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight"))
"""Unknowns whose effect is far from linear: differentiated anew at every state."""
_NUDGE = {"rig": 0.02, "rotation": 0.002, "gaze": 0.02}
_FACING = (-0.1, 0.35)
"""Cosine between a landmark's normal and the way to the camera at which it counts for nothing, and fully."""
_N_NEIGHBOURS = 10
_PIVOT_PRIOR = 2e-3
"""A clip whose head turns by less than this variance (rad^2) says little about the pivot."""
_TOLD = torch.tensor([1.0, 1.0, 0.02])
"""How well one camera tells translation along x, y and z (towards it)."""
_PIVOT_KNEE = 3e-3
"""Metres of unexplained translation beyond which a frame counts less."""


@dataclass(frozen=True)
class View:
    """A head model and identity seen by a camera: all that turns unknowns into pixels."""

    points: Points
    """The head model."""
    identity: HeadIdentity
    """Who it is."""
    camera: Camera
    """From where it is seen; one camera."""
    unit: float
    """Pixels that count as one."""
    pivot: Float[Tensor, "3"]
    """Where this neck turns, from the model's own neck joint, metres: what a turn about it moves is no translation of the torso."""

    def motion(self, state: Float[Tensor, "T K"], fps: float = 25.0) -> HeadMotion:
        """The unknowns as a motion of the model, whose neck turns about its joint."""
        motion = to_motion(state, fps)
        return replace(motion, translation=motion.translation + pivot_shift(motion.head_rotation, self.pivot))

    def project(self, world: Float[Tensor, "T n 3"]) -> Float[Tensor, "T n 2"]:
        """Pixels of world points."""
        in_camera, intrinsics = self.in_camera(world), self.camera.intrinsics[0]
        return in_camera[..., :2] / in_camera[..., 2:] * intrinsics.diagonal()[:2] + intrinsics[:2, 2]

    def in_camera(self, world: Float[Tensor, "T n 3"]) -> Float[Tensor, "T n 3"]:
        """World points in the camera's axes."""
        world_to_camera = self.camera.world_to_camera[0]
        return world @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]

    def pixels(self, state: Float[Tensor, "T K"]) -> Float[Tensor, "T 478 2"]:
        """Where the landmarks are seen."""
        return self.project(self.points(self.identity, self.motion(state)))


@dataclass(frozen=True)
class Directions:
    """How landmarks move in the head's own frame; holds for one identity."""

    rig: Float[Tensor, "478 3 k"]
    """Per unit of each solved channel."""
    normals: Float[Tensor, "478 3"]
    """Out of the face."""


def to_motion(state: Float[Tensor, "T K"], fps: float = 25.0) -> HeadMotion:
    """The unknowns as a motion."""
    n_frames = state.shape[0]
    gaze = state[:, None, GAZE].expand(-1, 2, -1)
    rig = gaze_to_rig(gaze).index_copy(1, torch.tensor(SOLVED), state[:, :N_SOLVED])
    return HeadMotion(fps, rig, state[:, ROTATION], state.new_zeros(n_frames, 3), state[:, TRANSLATION], gaze)


def pivot_shift(rotation: Float[Tensor, "T 3"], pivot: Float[Tensor, "3"]) -> Float[Tensor, "T 3"]:
    """How far the model's neck joint moves when the head turns about a point that lies `pivot` away from it."""
    return pivot - axis_angle_to_rotations(rotation) @ pivot


def found_pivot(rotation: Float[Tensor, "T 3"], translation: Float[Tensor, "T 3"]) -> Float[Tensor, "3"]:
    """The pivot that leaves the least translation (robust least squares, held to a few centimetres by a prior)."""
    lever = torch.eye(3) - axis_angle_to_rotations(rotation)  # [T, 3, 3]
    lever = lever - lever.mean(0)
    weight, pivot = torch.ones(len(rotation), 1), torch.zeros(3)
    for _ in range(5):
        centred = translation - (translation * weight).sum(0) / weight.sum()
        hessian = torch.einsum("tia,t,i,tib->ab", lever, weight[:, 0], _TOLD, lever) + _PIVOT_PRIOR * len(rotation) * torch.eye(3)
        pivot = torch.linalg.solve(hessian, torch.einsum("tia,t,i,ti->a", lever, weight[:, 0], _TOLD, centred))
        left = ((centred - torch.einsum("tia,a->ti", lever, pivot)) * _TOLD).norm(dim=1, keepdim=True)
        weight = 1 / (1 + (left / _PIVOT_KNEE).square())
    return pivot


def from_motion(motion: HeadMotion) -> Float[Tensor, "T K"]:
    """The unknowns of a motion (what they cannot say is left out)."""
    return torch.cat([motion.rig[:, list(SOLVED)], motion.head_rotation, motion.translation, motion.gaze.mean(1)], 1)


def directions(points: Points, identity: HeadIdentity) -> Directions:
    """Differences of the head model's landmarks around the face at rest."""
    rig = torch.zeros(N_SOLVED + 1, N_UNKNOWNS)
    rig[:-1, :N_SOLVED] = 0.5 * torch.eye(N_SOLVED)
    posed = points(identity, to_motion(rig))
    return Directions(((posed[:-1] - posed[-1]) / 0.5).permute(1, 2, 0).contiguous(), outward_normals(posed[-1]))


def outward_normals(face: Float[Tensor, "478 3"]) -> Float[Tensor, "478 3"]:
    """Normals of the cloud of landmarks: the thinnest direction of each one's neighbourhood, turned away from the head's middle."""
    near = torch.cdist(face, face).topk(_N_NEIGHBOURS, largest=False).indices
    patch = face[near] - face[near].mean(1, keepdim=True)
    thinnest = torch.linalg.eigh(patch.transpose(1, 2) @ patch).eigenvectors[..., 0]
    middle = face.mean(0) - torch.tensor([0.0, 0.0, 0.06])
    thinnest = thinnest * ((face - middle) * thinnest).sum(1, keepdim=True).sign()
    # Single patches are noisy (lips, lids): blend with the direction from the middle of the head.
    return torch.nn.functional.normalize(thinnest[near].mean(1) + torch.nn.functional.normalize(face - middle, dim=1), dim=1)


def facing_weights(view: View, state: Float[Tensor, "T K"], normals: Float[Tensor, "478 3"]) -> Float[Tensor, "T 478"]:
    """How far each landmark can be trusted for being turned to the camera, 0..1; the landmarker guesses those on the far side."""
    world = view.points(view.identity, view.motion(state))
    rays = torch.nn.functional.normalize(view.in_camera(world), dim=-1)
    turned = normals @ (view.camera.world_to_camera[0, :3, :3] @ axis_angle_to_rotations(state[:, ROTATION])).transpose(1, 2)
    cosine = -(turned * rays).sum(-1)
    return ((cosine - _FACING[0]) / (_FACING[1] - _FACING[0])).clamp(0.02, 1.0)


def landmark_weights() -> Float[Tensor, " 478"]:
    """How much each landmark counts; those of the face's outline slide over the skin."""
    weights = torch.full((N_POINTS,), 0.35)
    for subset, weight in ((LIPS, 0.8), (EYES, 0.8), (BROWS, 0.5), (IRISES, 1.5), (OVAL, 0.06)):
        weights[list(subset)] = weight
    return weights


def jacobian(view: View, state: Float[Tensor, "T K"], local: Directions) -> Float[Tensor, "T 2 478 K"]:
    """Derivative of the landmarks' pixels (in units) by the unknowns.

    Most channels are taken as linear and rigid with the head, which only slows convergence where it is not quite true; jaw, lids,
    rotation and gaze are differentiated at the state.
    """
    nudges = [(column, _NUDGE["rig"]) for column in _CURVED]
    nudges += [(column, _NUDGE["rotation"]) for column in range(ROTATION.start, ROTATION.stop)]
    nudges += [(column, _NUDGE["gaze"]) for column in range(GAZE.start, GAZE.stop)]
    columns, amounts = [column for column, _ in nudges], torch.tensor([amount for _, amount in nudges])
    nudged = state.repeat(len(nudges) + 1, 1, 1)
    nudged[torch.arange(len(nudges)), :, columns] += amounts[:, None]
    posed = view.points(view.identity, view.motion(nudged.flatten(0, 1))).unflatten(0, nudged.shape[:2])
    world = posed[-1]
    to_camera = view.camera.world_to_camera[0, :3, :3]
    turn = to_camera @ axis_angle_to_rotations(state[:, ROTATION])  # [T, 3, 3]
    moved = world.new_empty(state.shape[0], 3, N_POINTS, N_UNKNOWNS)
    moved[..., :N_SOLVED] = (turn.flatten(0, 1) @ local.rig.transpose(0, 1).flatten(1)).view(-1, 3, N_POINTS, N_SOLVED)
    moved[..., TRANSLATION] = to_camera[:, None, :]
    change = (posed[:-1] - world) / amounts[:, None, None, None]
    moved[..., columns] = (change @ to_camera.T).permute(1, 3, 2, 0)
    return to_pixels(view, world, moved)


def to_pixels(view: View, world: Float[Tensor, "T n 3"], moved: Float[Tensor, "T 3 n K"]) -> Float[Tensor, "T 2 n K"]:
    """Motion of points in the camera's axes -> motion of their pixels, in units (the derivative of a pinhole)."""
    in_camera = view.in_camera(world)
    depth = in_camera[..., 2]
    plane = in_camera[..., :2] / depth[..., None]
    focal = view.camera.intrinsics[0].diagonal()[:2] / view.unit
    axes = [(moved[:, axis] - plane[..., axis, None] * moved[:, 2]) * (focal[axis] / depth)[..., None] for axis in range(2)]
    return torch.stack(axes, 1)


def with_identity(view: View, **change: Tensor) -> View:
    """The same view of a head whose identity differs."""
    return replace(view, identity=replace(view.identity, **change))


def inner_error(pixels: Float[Tensor, "T 478 2"], target: Float[Tensor, "T 478 2"], seen: Bool[Tensor, " T"]) -> Float[Tensor, " T"]:
    """Mean distance of the landmarks inside the face's outline, pixels; NaN where nothing was seen."""
    inner = torch.ones(N_POINTS, dtype=torch.bool)
    inner[list(OVAL)] = False
    error = (pixels - target)[:, inner].norm(dim=-1).mean(1)
    return torch.where(seen, error, torch.full_like(error, torch.nan))


assert len(SOLVED) + 8 == N_UNKNOWNS and len(RIG_NAMES) == N_RIG
