"""Who is seen: identity modes and per-landmark offsets of a head, and where the camera stands, from a spread of a clip's frames.

Frames at rest tell identity from expression: their rig is zero by definition. The camera stands so that the head of those frames has no
rotation and no translation, which makes `HeadMotion.neutral` this person at rest.
"""

import logging
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.head.skinning import axis_angle_to_rotations
from emohead.types import Camera, HeadIdentity
from recon.landmarks import EYES, LIPS, N_POINTS
from recon.motion_model import (
    N_SOLVED,
    N_UNKNOWNS,
    ROTATION,
    TRANSLATION,
    Points,
    View,
    directions,
    facing_weights,
    inner_error,
    jacobian,
    landmark_weights,
    to_motion,
    to_pixels,
)
from recon.motion_solver import Clip, TrackingConfig, data_cost, limits, priors, robust_weights, solve_motion

log = logging.getLogger(__name__)

MOST_MODES = 100
"""Identity coefficients that 478 points can tell at all; the rest stay zero."""
_MODE_NUDGE = 0.5
LOOSE = 1e-4
"""Pull on translation (per mm squared) while the camera's place is unknown."""


@dataclass(frozen=True)
class Solved:
    """Identity and camera of a clip, and the motion of the frames that told them."""

    view: View
    """Head, identity and camera."""
    state: Float[Tensor, "T K"]
    """The unknowns of those frames."""


def solve_identity(clip: Clip, view: View, config: TrackingConfig, *, offset_basis: Float[Tensor, "V 478"], n_shape: int) -> Solved:
    """Identity, camera and motion of `clip`, whose frames need not be neighbours.

    Args:
        clip: frames of all kinds and some at rest.
        view: the mean head and the first guess of the camera.
        config: settings.
        offset_basis: how an offset of each landmark spreads over the vertices.
        n_shape: number of identity coefficients.
    """
    loose = replace(config, translation_prior=LOOSE)
    view = replace(view, camera=placed_camera(clip, view))
    importance = torch.where(clip.at_rest, config.anchor_weight, 1.0) * clip.evidence
    offsets = torch.zeros(N_POINTS, 3)
    state = _upright(clip, view, loose)
    modes = _mode_directions(view, min(n_shape, MOST_MODES))
    for number in range(config.rounds):
        state = solve_motion(clip, view, directions(view.points, view.identity), state, loose, iterations=2)
        step, change = _mode_step(clip, view, state, importance, loose, modes)
        shape = view.identity.shape.clone()
        shape[: len(step)] += step
        view = replace(view, identity=replace(view.identity, shape=shape))
        state = state + change
        low, high = limits(clip)
        state = torch.minimum(torch.maximum(state, low), high)
        if number >= 2:
            offsets = offsets + _offset_step(clip, view, state, importance, offsets, loose)
            view = replace(view, identity=HeadIdentity(shape, offset_basis @ offsets * 1e-3))
    view, state = _at_rest_is_zero(clip, view, state)
    state = solve_motion(clip, view, directions(view.points, view.identity), state, loose, iterations=4)
    error = inner_error(view.pixels(state), clip.target, clip.evidence)
    log.info("identity from %d frames: inner landmarks %.2f px", len(state), float(error.nanmean()))
    return Solved(view, state)


def placed_camera(clip: Clip, view: View) -> Camera:
    """The camera moved so that the head at rest has the size and place of the landmarks of the frames at rest."""
    target = clip.target[clip.at_rest & clip.evidence].mean(0)[list(EYES + LIPS)]
    model = view.points(view.identity, to_motion(torch.zeros(1, N_UNKNOWNS)))[0][list(EYES + LIPS)]
    world_to_camera, intrinsics = view.camera.world_to_camera.clone(), view.camera.intrinsics[0]
    turned = model @ world_to_camera[0, :3, :3].T
    focal, centre = intrinsics[0, 0], intrinsics[:2, 2]
    flat = turned[:, :2]
    depth = focal * (flat - flat.mean(0)).norm() / (target - target.mean(0)).norm()
    world_to_camera[0, :3, 3] = torch.cat([(target.mean(0) - centre) * depth / focal, depth[None]]) - turned.mean(0)
    return replace(view.camera, world_to_camera=world_to_camera)


def _upright(clip: Clip, view: View, config: TrackingConfig) -> Tensor:
    """A first motion: from a level head, the pose alone is found before anything else may move."""
    start = torch.zeros(len(clip.target), N_UNKNOWNS)
    local = directions(view.points, view.identity)
    posing = replace(clip, at_rest=torch.ones_like(clip.at_rest))
    return solve_motion(posing, view, local, start, replace(config, huber=20.0), iterations=6)


def _mode_step(clip: Clip, view: View, state: Tensor, importance: Tensor, config: TrackingConfig, modes: Tensor) -> tuple[Tensor, Tensor]:
    """A Newton step of the identity modes with every frame's motion eliminated (Schur complement), and how the motion answers."""
    local, n_modes = directions(view.points, view.identity), modes.shape[2]
    low, high = limits(clip)
    own = priors(clip, state, config)
    shared = config.shape_prior * float(importance.sum()) * torch.eye(n_modes)
    right = -config.shape_prior * float(importance.sum()) * view.identity.shape[:n_modes]
    answers, corrections = [], []
    for index in torch.arange(len(state)).split(32):
        frames = slice(int(index[0]), int(index[-1]) + 1)
        part, values = clip.pick(frames), state[frames]
        weights = facing_weights(view, values, local.normals) * landmark_weights()
        error = ((view.pixels(values) - part.target) / view.unit).transpose(1, 2)
        weight = (robust_weights(error, weights, config) * part.evidence[:, None])[:, None].expand(-1, 2, -1).flatten(1)[..., None]
        error = error.flatten(1)[..., None]
        by_motion = jacobian(view, values, local).flatten(1, 2)  # [t, m, K]
        turn = view.camera.world_to_camera[0, :3, :3] @ axis_angle_to_rotations(values[:, ROTATION])
        moved = (turn.flatten(0, 1) @ modes.transpose(0, 1).flatten(1)).view(-1, 3, N_POINTS, n_modes)
        by_shape = to_pixels(view, view.points(view.identity, to_motion(values)), moved).flatten(1, 2)
        gradient = (by_motion * weight).transpose(1, 2) @ error + own.gradient[frames, :, None]
        hessian = (by_motion * weight).transpose(1, 2) @ by_motion + own.hessian[frames]
        # Unknowns at a limit that are pushed against it do not answer.
        stuck = ((values <= low[frames]) & (gradient[..., 0] > 0)) | ((values >= high[frames]) & (gradient[..., 0] < 0))
        free = (~stuck).float()
        hessian = hessian * free[:, None] * free[:, :, None] + torch.diag_embed(stuck.float() + 1e-6)
        cross = ((by_motion * weight).transpose(1, 2) @ by_shape) * free[:, :, None]
        gradient = gradient * free[:, :, None]
        solved = torch.linalg.solve(hessian.double(), torch.cat([cross, gradient], 2).double()).float()
        answer, correction = solved[..., :-1], solved[..., -1:]
        amount = importance[frames, None, None]
        both = (by_shape * weight * amount).flatten(0, 1)
        eliminated = ((cross * amount).transpose(1, 2) @ answer).sum(0)
        shared = shared + both.T @ by_shape.flatten(0, 1) - eliminated
        right = right - both.T @ error.flatten(0, 1)[:, 0] + ((cross * amount).transpose(1, 2) @ correction).sum(0)[:, 0]
        answers.append(answer)
        corrections.append(correction[..., 0])
    step = torch.linalg.solve(shared.double(), right.double()).float()
    return step, -(torch.cat(answers) @ step)


def _mode_directions(view: View, n_modes: int) -> Float[Tensor, "478 3 M"]:
    """How each identity mode moves the landmarks of the head at rest, per standard deviation."""
    shape, still = view.identity.shape, to_motion(torch.zeros(1, N_UNKNOWNS))
    rest = view.points(view.identity, still)[0]
    moved = []
    for mode in range(n_modes):
        nudged = shape.clone()
        nudged[mode] += _MODE_NUDGE
        moved.append((view.points(replace(view.identity, shape=nudged), still)[0] - rest) / _MODE_NUDGE)
    return torch.stack(moved, -1)


def _offset_step(clip: Clip, view: View, state: Tensor, importance: Tensor, offsets: Tensor, config: TrackingConfig) -> Tensor:
    """How far each landmark should move in the head's frame (mm) to take away what is wrong in all frames alike."""
    local = directions(view.points, view.identity)
    weights = facing_weights(view, state, local.normals) * landmark_weights()
    world = view.points(view.identity, to_motion(state))
    error = ((view.project(world) - clip.target) / view.unit).transpose(1, 2)
    weight = robust_weights(error, weights, config) * importance[:, None]
    turn = view.camera.world_to_camera[0, :3, :3] @ axis_angle_to_rotations(state[:, ROTATION])
    slopes = to_pixels(view, world, (turn * 1e-3)[:, :, None].expand(-1, -1, N_POINTS, -1))  # [T, 2, n, 3] per millimetre
    hessian = torch.einsum("tank,tn,tanl->nkl", slopes, weight, slopes)
    gradient = torch.einsum("tank,tn,tan->nk", slopes, weight, error)
    stiff = config.offset_prior * importance.sum()
    return torch.linalg.solve(hessian + stiff * torch.eye(3), -(gradient + stiff * offsets))


def _at_rest_is_zero(clip: Clip, view: View, state: Tensor) -> tuple[View, Tensor]:
    """Move the mean pose of the frames at rest into the camera. The head turns about a fixed point, found from the model itself."""
    anchors = state[clip.at_rest & clip.evidence]
    spin, shift = anchors[:, ROTATION].mean(0), anchors[:, TRANSLATION].mean(0)
    turn = axis_angle_to_rotations(spin)
    posed = torch.zeros(2, N_UNKNOWNS)
    posed[1, ROTATION] = spin
    rest, turned = view.points(view.identity, to_motion(posed))
    # turned = turn (rest - c) + c for the head's points, so (I - turn) c is the mean of what is left; only it is needed.
    drift = (turned - rest @ turn.T).mean(0)
    world_to_camera = view.camera.world_to_camera.clone()
    old_turn, old_shift = world_to_camera[0, :3, :3].clone(), world_to_camera[0, :3, 3].clone()
    world_to_camera[0, :3, :3] = old_turn @ turn
    world_to_camera[0, :3, 3] = old_turn @ (drift + shift) + old_shift
    state = state.clone()
    rotations = turn.T @ axis_angle_to_rotations(state[:, ROTATION])
    state[:, ROTATION] = rotations_to_axis_angle(rotations)
    state[:, TRANSLATION] = (state[:, TRANSLATION] - shift) @ turn
    return replace(view, camera=replace(view.camera, world_to_camera=world_to_camera)), state


def rotations_to_axis_angle(rotations: Float[Tensor, "T 3 3"]) -> Float[Tensor, "T 3"]:
    """Inverse of Rodrigues' formula."""
    from scipy.spatial.transform import Rotation

    return torch.from_numpy(Rotation.from_matrix(rotations.double().numpy()).as_rotvec()).float()


__all__ = ["N_SOLVED", "Points", "Solved", "data_cost", "placed_camera", "solve_identity"]
