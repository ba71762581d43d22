"""MediaPipe's 478 landmarks on a FLAME head: carried over from the generic head by the registration that also brings the rig.

FLAME has no official place for all of them. The generic head is registered onto the user's mean head once; each landmark follows the
FLAME vertices that its triangle lands on, and the irises follow the eyeballs. The places are kept in the user's cache.
"""

import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from emohead.head import rig_fit
from emohead.head.flame import FlameHead, joint_transforms
from emohead.head.generic import EYE_LEFT, GenericHead, load_generic
from emohead.head.registration import Similarity, attach, register
from emohead.head.rig_to_flame import BLINKS, cache_path, lids_yield_to_blinks
from emohead.head.skinning import axis_angle_to_rotations, skin
from emohead.types import HeadIdentity, HeadMotion
from recon.landmarks import IRISES, N_POINTS
from recon.motion_model import Points

N_CORNERS = 9
"""Vertices that a landmark follows: three for each corner of its triangle on the generic head."""


@dataclass(frozen=True)
class FlamePlaces:
    """Where the 478 landmarks are on a FLAME mesh."""

    vertices: Int[Tensor, "478 9"]
    """Vertices that each follows."""
    weights: Float[Tensor, "478 9"]
    """How much; rows sum to 1."""

    def at(self, values: Float[Tensor, "*K V c"]) -> Float[Tensor, "*K 478 c"]:
        """Values of the vertices at the landmarks."""
        return torch.einsum("...nkc,nk->...nc", values[..., self.vertices, :], self.weights)


def flame_landmark_points(head: FlameHead) -> Points:
    """A function (identity, motion) -> `[T 478 3]` landmarks of `head` in world space, differentiable in both.

    It equals the landmarks on the whole mesh but for the variation of skinning weights between the vertices of a landmark.

    Raises:
        InputError: the head has no rig conversion.
    """
    head.parameters(HeadMotion.neutral(1, 25.0))
    assert head.rig is not None
    places, data, rig = flame_places(head), head.data, head.rig
    neutral, weights = places.at(head.neutral), places.at(data.weights)
    shapes = places.at(data.shape_directions.permute(2, 0, 1)).flatten(1)
    expressions = places.at(data.expression_directions.permute(2, 0, 1)).flatten(1)
    poses = places.at(data.pose_directions.permute(2, 0, 1)).flatten(1)
    correctives = places.at(torch.cat([rig.correctives, rig.midway]).float()).flatten(1)
    joint_expressions = torch.einsum("jv,vce->ejc", data.joint_regressor, data.expression_directions)
    eyes = [head.eye_joints.index(joint) for joint in (3, 4)]

    def points(identity: HeadIdentity, motion: HeadMotion) -> Float[Tensor, "T 478 3"]:
        parameters = head.parameters(motion)
        turns = [parameters.global_rotation, parameters.neck, parameters.jaw, *(parameters.eyes[:, side] for side in eyes)]
        rotations = axis_angle_to_rotations(torch.stack(turns, 1))
        channels = lids_yield_to_blinks(motion.rig)
        blinks = channels[:, list(BLINKS)]
        moved = torch.cat([channels, 4 * blinks * (1 - blinks)], 1) @ correctives
        moved = moved + parameters.expression @ expressions + (rotations[:, 1:] - torch.eye(3)).flatten(1) @ poses
        shaped = neutral + places.at(identity.offsets) + (identity.shape @ shapes).view(-1, 3)
        joints = head.joints(identity) + torch.einsum("te,ejc->tjc", parameters.expression, joint_expressions)
        posed = skin(shaped + moved.view(-1, N_POINTS, 3), joint_transforms(rotations, joints), weights)
        return posed + parameters.translation[:, None]

    return points


def flame_places(head: FlameHead) -> FlamePlaces:
    """The landmarks' places on this FLAME file, from the user's cache or found now (seconds) and cached."""
    path = cache_path(head.data, head.landmark_embedding).with_suffix(".mediapipe.npz")
    cached = _read(path, n_vertices=len(head.neutral))
    if cached is not None:
        return cached
    found = find_places(head, load_generic())
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        np.savez_compressed(file, vertices=found.vertices.numpy(), weights=found.weights.numpy())
    os.replace(file.name, path)
    return found


def find_places(head: FlameHead, generic: GenericHead) -> FlamePlaces:
    """Register the generic head onto `head` and see where its landmarks land."""
    source, target = rig_fit.rig_source(generic), rig_fit.flame_surface(head)
    eyes = head.joints(head.identity())[list(head.eye_joints)]
    start = Similarity(float((eyes[0] - eyes[1]).norm()) / source.eye_distance, np.eye(3), np.zeros(3))
    _, registered = register(source.surface, target, start=start, landmarks=rig_fit.landmark_pairs(source, head))
    landed = attach(registered, target)
    corners = generic.triangles[generic.data.mediapipe478_triangle].numpy()  # [478, 3]
    barycentric = generic.data.mediapipe478_barycentric.double().numpy()
    vertices = landed.corners[corners].reshape(N_POINTS, N_CORNERS)
    weights = (barycentric[..., None] * landed.barycentric[corners]).reshape(N_POINTS, N_CORNERS)
    irises = list(IRISES)
    vertices[irises], weights[irises] = _iris_places(head, generic, eyes.double().numpy())
    return FlamePlaces(torch.from_numpy(vertices.astype(np.int64)), torch.from_numpy(weights).float())


def _iris_places(head: FlameHead, generic: GenericHead, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest vertices of the eyeball in each iris landmark's direction from the eyeball's centre; `centres` are (left, right)."""
    points = generic.landmarks(generic.neutral[None], "mediapipe478")[0, list(IRISES)].double().numpy()
    neutral = head.neutral.double().numpy()
    ball = head.data.weights[:, 3:].sum(1).numpy() > 0.5
    vertices, weights = np.zeros((len(points), N_CORNERS), int), np.zeros((len(points), N_CORNERS))
    for side, sign in enumerate((1, -1)):
        own = np.flatnonzero(ball & (sign * neutral[:, 0] > 0))
        rows = np.flatnonzero(sign * points[:, 0] > 0)
        directions = points[rows] - generic.data.joints[EYE_LEFT + side].double().numpy()
        offsets = neutral[own] - centres[side]
        tree = KDTree(offsets / np.linalg.norm(offsets, axis=1, keepdims=True))
        distance, nearest = tree.query(directions / np.linalg.norm(directions, axis=1, keepdims=True), k=N_CORNERS)
        vertices[rows] = own[nearest]
        share = np.exp(-0.5 * (distance / (distance[:, 2:3] + 1e-9)) ** 2 * 4)
        weights[rows] = share / share.sum(1, keepdims=True)
    return vertices, weights


def _read(path: Path, *, n_vertices: int) -> FlamePlaces | None:
    """The places kept at `path`; None when there are none or the file is damaged (it is only a cache)."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            vertices, weights = archive["vertices"], archive["weights"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if vertices.shape != (N_POINTS, N_CORNERS) or weights.shape != vertices.shape or not 0 <= vertices.min() <= vertices.max() < n_vertices:
        return None
    return FlamePlaces(torch.from_numpy(vertices), torch.from_numpy(weights))
