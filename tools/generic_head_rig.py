"""The generic head's rig: joints, skinning weights, and the shapes as offsets before skinning."""

from dataclasses import dataclass, replace

import numpy as np
from generic_head_mesh import Mesh
from generic_head_source import LOWER_TEETH, NECK_PIVOT, SHAPES, Source, shape_partner
from scipy import sparse

MIDWAY = ("eyeBlinkLeft", "eyeBlinkRight", "mouthClose")
"""Channels that pass over something round, or turn with the jaw, and so have a correction halfway."""
_ROOT = np.array([0.0, -0.19, -0.085])


@dataclass(frozen=True)
class Rig:
    """What moves the mesh: shapes (before skinning) and five joints: torso, head, jaw, left eye, right eye."""

    neutral: np.ndarray
    """[V 3]."""
    shapes: np.ndarray
    """[56 V 3] offsets at 1, applied before skinning, in the order of `SHAPES`."""
    midway: np.ndarray
    """[M V 3] offsets of `MIDWAY` channels, scaled by 4 c (1 - c): what a straight path from rest to 1 misses."""
    joints: np.ndarray
    """[5 3] metres."""
    weights: np.ndarray
    """[V 5]; rows sum to 1."""
    jaw_open: float
    """Pitch at jawOpen 1, radians."""
    jaw_side: tuple[float, float]
    """At jawLeft 1: yaw in radians, x translation in metres."""
    jaw_forward: np.ndarray
    """[3] translation at jawForward 1, metres."""

    def posed(self, **values: float) -> np.ndarray:
        """The mesh [V 3] with the given shapes; torso, neck and eyes at rest."""
        rest = self.neutral + sum(value * self.shapes[SHAPES.index(name)] for name, value in values.items())
        rest = rest + sum(4 * value * (1 - value) * self.midway[MIDWAY.index(name)] for name, value in values.items() if name in MIDWAY)
        rotation, shift = self._jaw(values)
        moved = (rest - self.joints[2]) @ rotation.T + self.joints[2] + shift
        return rest + self.weights[:, 2:3] * (moved - rest)

    def unposed(self, target: np.ndarray, **values: float) -> np.ndarray:
        """The offset [V 3] to the rest mesh that makes `posed(**values)` equal `target`, all else equal."""
        rotation, _ = self._jaw(values)
        turns = np.eye(3) + self.weights[:, 2, None, None] * (rotation - np.eye(3))
        return np.linalg.solve(turns, (target - self.posed(**values))[..., None])[..., 0]

    def _jaw(self, values: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        side = values.get("jawLeft", 0.0) - values.get("jawRight", 0.0)
        rotation = _rotation(np.array([self.jaw_open * values.get("jawOpen", 0.0), self.jaw_side[0] * side, 0.0]))
        return rotation, values.get("jawForward", 0.0) * self.jaw_forward + side * np.array([self.jaw_side[1], 0, 0])


def build_rig(source: Source, mesh: Mesh) -> Rig:
    """Fit the joints to the source and express its shapes relative to them."""
    teeth = source.vertices[LOWER_TEETH]
    jaw, angle = _hinge(teeth, source.shapes[SHAPES.index("jawOpen")][LOWER_TEETH])
    yaw, slide = _sideways(teeth - jaw, source.shapes[SHAPES.index("jawLeft")][LOWER_TEETH])
    forward = source.shapes[SHAPES.index("jawForward")][LOWER_TEETH].mean(0) * [0, 1, 1]
    full = mesh.carry_shapes(source.shapes)
    joints = np.array([_ROOT, NECK_PIVOT, jaw, source.eye_centre, source.eye_centre * [-1, 1, 1]])
    weights = _joint_weights(source, mesh, full[SHAPES.index("jawOpen")], jaw, angle)
    rig = Rig(mesh.vertices, np.zeros_like(full), np.zeros_like(full[: len(MIDWAY)]), joints, weights, angle, (yaw, slide), forward)
    rest = [rig.unposed(mesh.vertices + shape, **{name: 1.0}) for name, shape in zip(SHAPES, full, strict=True)]
    rig = replace(rig, shapes=_one_sided(mesh, np.stack(rest)))
    # mouthClose is meant on top of an open jaw, so it is what is missing there.
    opened, closed = SHAPES.index("jawOpen"), SHAPES.index("mouthClose")
    rig.shapes[closed] = 0.0
    rig.shapes[closed] = rig.unposed(mesh.vertices + full[opened] + full[closed], jawOpen=1.0, mouthClose=1.0)
    return rig


def _one_sided(mesh: Mesh, shapes: np.ndarray) -> np.ndarray:
    """Shapes of one side fade out across the middle."""
    faded = shapes.copy()
    for index, name in enumerate(SHAPES):
        if shape_partner(name) != name and not name.startswith(("jaw", "mouthLeft", "mouthRight")):
            side = 1.0 if name.endswith(("Left", "_L")) else -1.0
            faded[index] *= _step(side * mesh.vertices[:, 0], -0.007, 0.005)[:, None]
    return faded


def _step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _rotation(axis_angle: np.ndarray) -> np.ndarray:
    angle = np.linalg.norm(axis_angle)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = axis_angle / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def _hinge(points: np.ndarray, motion: np.ndarray) -> tuple[np.ndarray, float]:
    """Pivot [3] and pitch of the rigid motion about an axis along x (Kabsch 1976 in the y-z plane)."""
    before, after = points[:, 1:], (points + motion)[:, 1:]
    a, b = before - before.mean(0), after - after.mean(0)
    angle = float(np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum()))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pivot = np.linalg.solve(np.eye(2) - turn, after.mean(0) - turn @ before.mean(0))
    return np.array([0.0, *pivot]), angle


def _sideways(offset: np.ndarray, motion: np.ndarray) -> tuple[float, float]:
    """Yaw and x translation of a small sideways motion: dx = yaw * z + slide."""
    yaw, slide = np.linalg.lstsq(np.column_stack([offset[:, 2], np.ones(len(offset))]), motion[:, 0], rcond=None)[0]
    return float(yaw), float(slide)


def _joint_weights(source: Source, mesh: Mesh, jaw_open: np.ndarray, jaw: np.ndarray, angle: float) -> np.ndarray:
    head = mesh.weights @ source.head_weight
    head[(mesh.component >= 1) & (mesh.component <= 5)] = 1.0
    offset = mesh.vertices - jaw
    rigid = offset @ _rotation(np.array([angle, 0, 0])).T - offset
    follow = np.clip(np.sum(jaw_open * rigid, axis=1) / np.maximum(np.sum(rigid * rigid, axis=1), 1e-8), 0, 1)
    follow = smoothed(mesh, follow) * _step(np.linalg.norm(rigid, axis=1), 0.001, 0.006)
    follow[mesh.component == 3] = 1.0
    follow[(mesh.component == 2) | (mesh.component >= 4)] = 0.0
    gums = mesh.component == 1
    follow[gums] = np.round(np.clip(np.sum(jaw_open * rigid, axis=1) / np.sum(rigid * rigid, axis=1), 0, 1))[gums]
    weights = np.zeros((len(head), 5))
    eye_left, eye_right = mesh.component == 4, mesh.component == 5
    weights[eye_left, 3] = weights[eye_right, 4] = 1.0
    skin = ~(eye_left | eye_right)
    weights[skin, 2] = (follow * head)[skin]
    weights[skin, 1] = (head * (1 - follow))[skin]
    weights[skin, 0] = (1 - head)[skin]
    return weights


def smoothed(mesh: Mesh, values: np.ndarray, rounds: int = 4) -> np.ndarray:
    """Values [V] averaged with those of the neighbours."""
    average = adjacency(mesh)
    for _ in range(rounds):
        values = 0.5 * values + 0.5 * average @ values
    return values


def adjacency(mesh: Mesh) -> sparse.csr_matrix:
    """[V V] averages over each vertex's neighbours."""
    edges = mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    links = sparse.coo_matrix((np.ones(len(edges)), edges.T), shape=(len(mesh.vertices),) * 2).tocsr()
    links = ((links + links.T) > 0).astype(float)
    return sparse.diags(1 / np.asarray(links.sum(1)).ravel()) @ links
