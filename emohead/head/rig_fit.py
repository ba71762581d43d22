"""The geometric fit behind `rig_to_flame`: the generic head's rig, carried over to a FLAME head and solved for FLAME's parameters.

The steps are register (surface onto surface), transfer (motion of each channel), symmetrise, solve (expression and jaw by ridge
regression) and correct (what is left, before skinning).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from scipy.optimize import lsq_linear
from scipy.sparse.linalg import splu
from scipy.spatial import KDTree
from torch import Tensor

from emohead.channels import N_RIG, RIG_INDEX, RIG_NAMES, other_side
from emohead.head.flame import EXPRESSION_LIMIT, FlameHead, FlameParameters
from emohead.head.flame_file import FlameData, LandmarkEmbedding
from emohead.head.generic import GenericHead, load_generic
from emohead.head.registration import Similarity, Surface, attach, mesh_laplacian, register, vertex_normals
from emohead.head.rig_to_flame import BLINKS, JAW_OPEN_RADIANS, RigToFlame
from emohead.types import HeadMotion

_NOT_IN_FLAME_SKIN = frozenset({"eye_left", "eye_right", "teeth_upper", "teeth_lower", "gums", "tongue"})
_NOT_MATCHED = _NOT_IN_FLAME_SKIN | {"mouth_inner", "torso"}
"""The walls of the mouth differ too much between heads to be matched."""
_MATCH_REACH = 0.006
"""Metres: a vertex this far from the registered surface trusts its own match by exp(-1/2)."""
_RIDGE = 1e-3
_SIDEWAYS_JAW = ("jawLeft", "jawRight")
_SIDEWAYS_LIMIT = 0.15
LID_OVERLAP = 1.1
"""A blink goes this much further than on the generic head: lids of another tessellation may overlap but must not leave a slit."""
_LID_CLEARANCE = 0.0008
"""Metres between a lid and the eyeball."""
_N_WARP_NEIGHBOURS = 8
_WARP_REACH = 0.004


@dataclass(frozen=True)
class RigSource:
    """A head whose rig is known, as plain arrays."""

    surface: Surface
    """The mean head at rest."""
    displacements: Float[np.ndarray, "R V 3"]
    """Motion of each channel alone at 1, metres; mouthClose on top of jawOpen 1."""
    half_blinks: Float[np.ndarray, "2 V 3"]
    """Motion of eyeBlinkLeft and eyeBlinkRight at 1/2: lids go around the eyeball, not through it."""
    eye_distance: float
    """Metres between the eyeball centres."""
    landmark_vertices: Int[np.ndarray, " 68"]
    """The vertex nearest to each of the 68 landmarks."""
    part_names: tuple[str, ...]
    """Names of the parts."""
    vertex_part: Int[np.ndarray, " V"]
    """For each vertex, its index in `part_names`."""


def fit_rig_to_flame(data: FlameData, *, landmarks: LandmarkEmbedding | None = None) -> RigToFlame:
    """Fit the conversion for one FLAME file from the shipped generic head."""
    return fit_rig(rig_source(load_generic()), FlameHead(data, landmarks=landmarks))


def rig_source(generic: GenericHead) -> RigSource:
    """What the fit needs of the generic head."""
    rig = torch.eye(N_RIG)
    # mouthClose means nothing on a closed jaw: it is measured, and corrected, on top of jawOpen.
    rig[RIG_INDEX["mouthClose"], RIG_INDEX["jawOpen"]] = 1.0
    rig = torch.cat([rig, torch.eye(N_RIG)[list(BLINKS)] / 2])
    with torch.no_grad():
        posed = generic(generic.identity(), replace(HeadMotion.neutral(len(rig), 25.0), rig=rig)).vertices
    displacements, half_blinks = np.split((posed - generic.neutral).double().numpy(), [N_RIG])
    displacements[RIG_INDEX["mouthClose"]] -= displacements[RIG_INDEX["jawOpen"]]
    part = generic.vertex_part.numpy()
    index = {name: number for number, name in enumerate(generic.part_names)}
    active = ~np.isin(part, [index[name] for name in _NOT_MATCHED if name in index])
    vertices = generic.neutral.double().numpy()
    surface = Surface(vertices, generic.triangles.numpy(), displacements[RIG_INDEX["jawOpen"]], active)
    centres = [vertices[part == index[name]].mean(0) for name in ("eye_left", "eye_right")]
    points = generic.landmarks(generic.neutral[None], "multipie68")[0].double().numpy()
    nearest = np.flatnonzero(active)[KDTree(vertices[active]).query(points)[1]]
    eye_distance = float(np.linalg.norm(centres[0] - centres[1]))
    return RigSource(surface, displacements, half_blinks, eye_distance, nearest, generic.part_names, part)


def fit_rig(source: RigSource, head: FlameHead) -> RigToFlame:
    """Fit the conversion from `source` to `head`."""
    target = flame_surface(head)
    eyes = head.joints(head.identity())[3:]
    start = Similarity(float((eyes[0] - eyes[1]).norm()) / source.eye_distance, np.eye(3), np.zeros(3))
    similarity, registered = register(source.surface, target, start=start, landmarks=landmark_pairs(source, head))
    moved = _symmetrised(transfer(source, similarity, registered, target), head)
    moved[list(BLINKS)] *= LID_OVERLAP
    moved, half_blinks = np.split(clear_of_eyeballs(moved, target), [N_RIG])
    parts = _part_labels(source, registered, target)
    midway = torch.from_numpy(half_blinks - moved[list(BLINKS)] / 2).half()
    return replace(_solve(moved, head, target.active), midway=midway, part_names=source.part_names, vertex_part=parts)


def transfer(source: RigSource, similarity: Similarity, registered: Surface, target: Surface) -> Float[np.ndarray, "54 V 3"]:
    """The motion of each channel, then of the half blinks, on the target's vertices, metres.

    Vertices without a match follow their neighbours smoothly.
    """
    aligned = similarity(source.surface.vertices)
    skin = np.flatnonzero(source.surface.active)
    tree = KDTree(aligned[skin])
    field = (registered.vertices - aligned)[skin]
    before = _warp(aligned, tree, field)
    displacements = np.concatenate([source.displacements, source.half_blinks])
    warped = np.zeros_like(displacements)
    for channel, displacement in enumerate(displacements):
        moving = np.flatnonzero(source.surface.active & (np.abs(displacement).max(1) > 1e-6))
        after = similarity(source.surface.vertices[moving] + displacement[moving])
        warped[channel, moving] = _warp(after, tree, field) - before[moving]
    attachment = attach(target, registered)
    # Walls of the mouth can be near a lip and yet face another way.
    normals = attachment.interpolate(vertex_normals(registered.vertices, registered.triangles))
    facing = np.einsum("vc,vc->v", normals, vertex_normals(target.vertices, target.triangles))
    trust = np.exp(-0.5 * (attachment.distance / _MATCH_REACH) ** 2) * np.clip(1.5 * facing, 0, 1) * target.active
    return _fill_in(attachment.interpolate(warped), trust, target.triangles)


def _warp(points: np.ndarray, tree: KDTree, field: np.ndarray) -> np.ndarray:
    """Points moved by the displacement field of the registration, smoothly interpolated in space."""
    distance, index = tree.query(points, k=_N_WARP_NEIGHBOURS)
    weights = np.exp(-0.5 * (np.square(distance) - np.square(distance[:, :1])) / _WARP_REACH**2)
    return points + np.einsum("nk,nkc->nc", weights / weights.sum(1, keepdims=True), field[index])


def _fill_in(values: np.ndarray, trust: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Where trust is low, the harmonic continuation of trusted values, fading to zero far away; [R V 3]."""
    system = mesh_laplacian(len(trust), triangles) + sparse.diags(10 * trust + 1e-3)
    right = 10 * trust[:, None] * np.moveaxis(values, 1, 0).reshape(len(trust), -1)
    smooth = splu(system.tocsc()).solve(right).reshape(len(trust), len(values), 3)
    return trust[:, None] * values + (1 - trust[:, None]) * np.moveaxis(smooth, 0, 1)


def clear_of_eyeballs(moved: Float[np.ndarray, "K V 3"], target: Surface) -> Float[np.ndarray, "K V 3"]:
    """Lids that would sink into an eyeball slide over it instead; what is inside at rest (the socket) stays as deep as it was."""
    moved = moved.copy()
    balls = np.flatnonzero(~target.active)
    for side in (1, -1):
        ball = target.vertices[balls[target.vertices[balls, 0] * side > 0]]
        centre = (ball.min(0) + ball.max(0)) / 2
        radius = np.linalg.norm(ball - centre, axis=1)
        directions = KDTree((ball - centre) / radius[:, None])
        rest_depth = np.linalg.norm(target.vertices - centre, axis=1)
        near = np.flatnonzero(target.active & (rest_depth < 2.5 * radius.max()))
        for channel in range(len(moved)):
            offset = target.vertices[near] + moved[channel, near] - centre
            depth = np.linalg.norm(offset, axis=1)
            # The cornea bulges, so the radius depends on the direction: the largest of the nearest ball vertices.
            outside = radius[directions.query(offset / depth[:, None], k=4)[1]].max(1) + _LID_CLEARANCE
            push = np.maximum(np.minimum(outside, rest_depth[near]) / depth, 1.0)
            moved[channel, near] += (push - 1)[:, None] * offset
    return moved


def flame_surface(head: FlameHead) -> Surface:
    """FLAME's mean head, with eyeballs set apart and the jaw opened as far as jawOpen 1 opens it."""
    opened = replace(FlameParameters.neutral(1), jaw=torch.tensor([[JAW_OPEN_RADIANS, 0.0, 0.0]]))
    motion = head.mesh(head.identity(), opened).vertices[0] - head.neutral
    eyes = torch.tensor([head.part_names.index(name) for name in ("eye_left", "eye_right")])
    active = ~torch.isin(head.vertex_part, eyes)
    return Surface(head.neutral.double().numpy(), head.triangles.numpy(), motion.double().numpy(), active.numpy())


def landmark_pairs(source: RigSource, head: FlameHead) -> tuple[np.ndarray, np.ndarray] | None:
    """Brows, nose, eyes and outer lips; the jaw line slides and the inner lips touch, so they are left out."""
    if head.landmark_embedding is None:
        return None
    points = head.landmarks(head.neutral[None])[0].double().numpy()
    return source.landmark_vertices[17:60], points[-51:][:43]


def _symmetrised(moved: np.ndarray, head: FlameHead) -> np.ndarray:
    """Each channel averaged with the mirror image of its other side, where the mesh has a mirror image."""
    flip = np.array([-1.0, 1.0, 1.0])
    mirror = head.mirror.numpy()
    vertices = head.neutral.double().numpy()
    asymmetry = np.linalg.norm(vertices[mirror] * flip - vertices, axis=1)
    share = 0.5 * np.exp(-0.5 * (asymmetry / 0.002) ** 2)[:, None]
    partner = [RIG_INDEX[other_side(name)] for name in RIG_NAMES] + [N_RIG + 1, N_RIG]
    return (1 - share) * moved + share * moved[partner][:, mirror] * flip


def _part_labels(source: RigSource, registered: Surface, target: Surface) -> Tensor:
    """The part of the nearest registered vertex; eyeballs by side; teeth and tongue, which FLAME lacks, never."""
    index = {name: number for number, name in enumerate(source.part_names)}
    usable = np.flatnonzero(~np.isin(source.vertex_part, [index[name] for name in _NOT_IN_FLAME_SKIN if name in index]))
    labels = source.vertex_part[usable][KDTree(registered.features()[usable]).query(target.features())[1]]
    left, right = (index[name] for name in ("eye_left", "eye_right"))
    return torch.from_numpy(np.where(target.active, labels, np.where(target.vertices[:, 0] > 0, left, right)).astype(np.int64))


def _solve(moved: np.ndarray, head: FlameHead, active: np.ndarray) -> RigToFlame:
    """Expression, jaw and correctives that together move the mesh exactly as `moved` (after clipping, apart from half precision)."""
    jaw = torch.zeros(N_RIG, 3)
    jaw[RIG_INDEX["jawOpen"], 0] = JAW_OPEN_RADIANS
    for name in _SIDEWAYS_JAW:
        jaw[RIG_INDEX[name], 1:] = _sideways_jaw(moved[RIG_INDEX[name]], head)
    wanted = torch.from_numpy(moved).to(head.neutral)
    no_expression = torch.zeros(N_RIG, head.data.expression_directions.shape[2])
    rest_motion = _rest_motion(wanted, no_expression, jaw, head)
    basis = head.data.expression_directions.double().numpy() * active[:, None, None]
    expression = torch.from_numpy(_ridge(basis.reshape(-1, basis.shape[2]), rest_motion.double().numpy() * active[:, None])).float()
    correctives = _rest_motion(wanted, expression, jaw, head)
    energy = wanted.square().sum((1, 2)).clamp_min(1e-12)
    residual = (correctives.square().sum((1, 2)) / energy).sqrt()
    return RigToFlame(
        expression, jaw, correctives.half(), residual, torch.zeros(2, *head.neutral.shape).half(), head.part_names, head.vertex_part
    )


def _sideways_jaw(motion: np.ndarray, head: FlameHead) -> Tensor:
    """Yaw and roll of the jaw that come nearest to `motion`, by the jaw's linearisation at rest."""
    step = 0.02
    turns = replace(FlameParameters.neutral(2), jaw=torch.tensor([[0.0, step, 0.0], [0.0, 0.0, step]]))
    slopes = (head.mesh(head.identity(), turns).vertices - head.neutral).double().numpy().reshape(2, -1) / step
    angles = np.linalg.lstsq(slopes.T, motion.ravel(), rcond=None)[0]
    return torch.from_numpy(np.clip(angles, -_SIDEWAYS_LIMIT, _SIDEWAYS_LIMIT)).float()


def _rest_motion(wanted: Tensor, expression: Tensor, jaw: Tensor, head: FlameHead) -> Tensor:
    """Displacement before skinning, per channel, that makes the posed mesh move by `wanted`, given expression and jaw; [R V 3]."""
    opened, closing = RIG_INDEX["jawOpen"], RIG_INDEX["mouthClose"]
    context = torch.eye(N_RIG)
    context[closing, opened] = 1.0
    n_frames = len(context)
    parameters = replace(FlameParameters.neutral(n_frames), expression=context @ expression, jaw=context @ jaw)
    rest, transforms = head.rest_and_transforms(head.identity(), parameters)
    blended = torch.einsum("vj,tjab->tvab", head.data.weights, transforms)
    posed = head.neutral + torch.einsum("tk,kvc->tvc", context, wanted)
    unposed = torch.linalg.solve(blended[..., :3], (posed - blended[..., 3])[..., None])[..., 0]
    motion = unposed - rest
    motion[closing] -= motion[opened]
    return motion


def _ridge(basis: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Coefficients within the limit that minimise |B e - d|^2 + lambda |e|^2, for each channel of `motion` [R V 3]."""
    gram = basis.T @ basis
    gram += _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    root = np.linalg.cholesky(gram).T
    reduced = np.linalg.solve(root.T, basis.T @ motion.reshape(len(motion), -1).T).T
    solved = np.linalg.solve(root, reduced.T).T
    for channel in np.flatnonzero(np.abs(solved).max(1) > EXPRESSION_LIMIT):
        solved[channel] = lsq_linear(root, reduced[channel], (-EXPRESSION_LIMIT, EXPRESSION_LIMIT), method="bvls").x
    return solved
