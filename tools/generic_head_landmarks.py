"""Where the Multi-PIE 68 and MediaPipe 478 landmarks lie on the generic head's triangles."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from generic_head_mesh import Mesh
from generic_head_source import LANDMARKS_68, SHAPES, Source
from scipy.spatial import cKDTree

N_FACE_MESH = 468
IRIS_RADIUS = 0.0059
"""Metres; the iris varies little among adults (11.8 mm across)."""
_FEATURE_SHAPES = ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthSmileRight")
_FEATURE_SCALE = 0.6
_N_CANDIDATES = 40
# Landmarks that the correspondence lacks, between two that it has: (landmark, from, to, share of the way).
_BETWEEN = (
    (7, 33, 144, 1 / 3), (163, 33, 144, 2 / 3), (145, 144, 153, 1 / 2),
    (249, 263, 373, 1 / 3), (390, 263, 373, 2 / 3), (374, 373, 380, 1 / 2),
    (88, 95, 87, 1 / 3), (178, 95, 87, 2 / 3), (318, 324, 317, 1 / 3), (402, 324, 317, 2 / 3),
)  # fmt: skip


@dataclass(frozen=True)
class Embedding:
    """Points on a mesh's surface."""

    triangle: np.ndarray
    """[n] triangle index."""
    barycentric: np.ndarray
    """[n 3] weights of its corners."""

    def points(self, vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """[n 3]."""
        return np.einsum("nkc,nk->nc", vertices[triangles[self.triangle]], self.barycentric)


def multipie68(source: Source, mesh: Mesh) -> Embedding:
    """The source's own 68 vertices, carried over."""
    return _embed(_source_features(source)[list(LANDMARKS_68)], source, mesh)


def mediapipe478(source: Source, mesh: Mesh, correspondence: Path, eye_joints: np.ndarray) -> Embedding:
    """MediaPipe's landmarks by their measured places on the source; the irises by anatomy."""
    features = _source_features(source)
    with np.load(correspondence, allow_pickle=False) as data:
        points = {int(k): np.einsum("kf,k->f", features[v], b) for k, v, b in zip(data["mi"], data["vi"], data["ba"], strict=True)}
    for landmark, start, end, share in _BETWEEN:
        points[landmark] = (1 - share) * points[start] + share * points[end]
    face = _embed(np.stack([points[k] for k in range(N_FACE_MESH)]), source, mesh)
    # 468-472 are the subject's right eye, 473-477 the left: centre, then towards +x, up, -x, down.
    irises = [_iris(mesh, component, joint) for component, joint in ((5, eye_joints[1]), (4, eye_joints[0]))]
    return Embedding(*(np.concatenate([getattr(part, name) for part in (face, *irises)]) for name in ("triangle", "barycentric")))


def _source_features(source: Source) -> np.ndarray:
    return np.concatenate([source.vertices, *(_FEATURE_SCALE * source.shapes[SHAPES.index(name)] for name in _FEATURE_SHAPES)], axis=1)


def _embed(features: np.ndarray, source: Source, mesh: Mesh) -> Embedding:
    """Nearest points on the skin in the space of position and motion, which tells an upper lip or lid from the lower one it touches."""
    here = mesh.carry_shapes(source.shapes)
    own = np.concatenate([mesh.vertices, *(_FEATURE_SCALE * here[SHAPES.index(name)] for name in _FEATURE_SHAPES)], axis=1)
    skin = np.flatnonzero((mesh.component[mesh.triangles] == 0).all(1))
    return _nearest(features, own, mesh.triangles, skin)


def _iris(mesh: Mesh, component: int, centre: np.ndarray) -> Embedding:
    ball = np.flatnonzero((mesh.component[mesh.triangles] == component).all(1))
    front = mesh.vertices[mesh.component == component][:, 2].max() - centre[2]
    steps = IRIS_RADIUS * np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]])
    targets = centre + np.column_stack([steps, np.sqrt(front**2 - np.sum(steps**2, axis=1))])
    return _nearest(targets, mesh.vertices, mesh.triangles, ball)


def _nearest(targets: np.ndarray, features: np.ndarray, triangles: np.ndarray, candidates: np.ndarray) -> Embedding:
    corners = features[triangles[candidates]]
    _, near = cKDTree(corners.mean(1)).query(targets, k=min(_N_CANDIDATES, len(candidates)))
    chosen, weights = [], []
    for target, options in zip(targets, near, strict=True):
        trials = [_closest_on_triangle(target, corners[option]) for option in options]
        best = min(range(len(trials)), key=lambda k: trials[k][0])
        chosen.append(candidates[options[best]])
        weights.append(trials[best][1])
    return Embedding(np.array(chosen), np.array(weights))


def _closest_on_triangle(target: np.ndarray, corners: np.ndarray) -> tuple[float, np.ndarray]:
    """Squared distance and barycentric weights of the closest point, in any number of dimensions."""
    faces = [np.array([0, 1, 2]), np.array([0, 1]), np.array([1, 2]), np.array([2, 0]), *(np.array([k]) for k in range(3))]
    best, best_weights = np.inf, np.zeros(3)
    for face in faces:
        base, edges = corners[face[0]], (corners[face[1:]] - corners[face[0]]).T
        share = np.linalg.lstsq(edges, target - base, rcond=None)[0] if len(face) > 1 else np.zeros(0)
        weights = np.zeros(3)
        weights[face] = np.concatenate([[1 - share.sum()], share])
        distance = float(np.sum((weights @ corners - target) ** 2))
        if weights.min() >= -1e-9 and distance < best:
            best, best_weights = distance, np.clip(weights, 0, 1)
    return best, best_weights / best_weights.sum()
