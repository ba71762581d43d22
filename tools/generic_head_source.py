"""The source data of the generic head in this project's units, axes, names and order (ICT-FaceKit light, MIT)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from emohead.channels import RIG_NAMES

HALVES = ("browInnerUp_L", "browInnerUp_R", "cheekPuff_L", "cheekPuff_R")
"""Shapes that ARKit merges and the source has by side."""
SHAPES = RIG_NAMES + HALVES

# Vertex ranges of the source (ICT-FaceKit.README.md).
NARROW_FACE = slice(0, 6706)
SKIN = slice(0, 14062)
MOUTH_SOCKET = slice(11248, 13294)
EYE_SOCKETS = slice(13294, 14062)
GUMS_AND_TONGUE = slice(14062, 17039)
UPPER_TEETH = slice(17039, 19247)
LOWER_TEETH = slice(19247, 21451)
EYE_LEFT = slice(21451, 23021)
EYE_RIGHT = slice(23021, 24591)
N_USED = 24591

# Multi-PIE 68 landmarks (ICT-FaceKit.README.md).
LANDMARKS_68 = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443,
    268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360,
    1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
)  # fmt: skip

TONGUE_TIP = np.array([0.0, -0.0769, 0.0117])
_CENTIMETRE = 0.01
NECK_PIVOT = np.array([0.0, -0.085, -0.072])
"""Metres, before levelling: about the second vertebra."""
LEVEL = np.radians(5.0)
"""The source holds its chin up by this much: pitch of its Frankfurt plane (ear canal to lower rim of the eye socket)."""


@dataclass(frozen=True)
class Source:
    """A head in metres, origin midway between the eyeball centres."""

    vertices: np.ndarray
    """[V 3]."""
    triangles: np.ndarray
    """[F 3], counter-clockwise from outside."""
    shapes: np.ndarray
    """[56 V 3] full displacement of each of `SHAPES` (tongueOut is zero here)."""
    modes: np.ndarray
    """[I V 3] displacement per standard deviation."""
    mirror: np.ndarray
    """[V] nearest vertex to the mirror image of each."""
    eye_centre: np.ndarray
    """[3] centre of the left eyeball."""
    eye_profile: np.ndarray
    """[E 2] (angle from the forward axis in rad, distance from the centre in m) of the left eyeball's outer surface."""
    head_weight: np.ndarray
    """[V] how much each vertex follows the head against the torso, 0..1."""


def read_source(folder: Path, *, n_modes: int) -> Source:
    """Read ict_facekit_light.npz from `folder`."""
    with np.load(folder / "ict_facekit_light.npz", allow_pickle=False) as data:
        neutral = data["neutral"].astype(np.float64)[:N_USED] * _CENTIMETRE
        expressions = data["expr"].astype(np.float64)[:, :N_USED] * _CENTIMETRE
        names = [str(name) for name in data["expr_names"]]
        modes = data["ident"][:n_modes, :N_USED].astype(np.float64) * _CENTIMETRE
        quads = data["faces"]
    left_eye = neutral[EYE_LEFT]
    centre = _sphere_centre(left_eye[:770])
    neutral, centre = neutral - centre * [0.0, 1.0, 1.0], centre * [1.0, 0.0, 0.0]
    triangles = np.concatenate([quads[:, :3], quads[quads[:, 3] >= 0][:, [0, 2, 3]]])
    triangles = triangles[triangles.max(1) < N_USED]
    mirror = cKDTree(neutral).query(neutral * [-1, 1, 1])[1]
    profile = _eye_profile(neutral[EYE_LEFT][:770] - centre)
    weight = _head_weight(neutral)
    neutral, turns = _level(neutral, weight)
    centre = (centre - NECK_PIVOT) @ pitch(LEVEL).T + NECK_PIVOT
    shapes = np.stack([np.einsum("vij,vj->vi", turns, _shape(name, names, expressions)) for name in SHAPES])
    modes = np.einsum("vij,nvj->nvi", turns, modes)
    neutral, centre = neutral - centre * [0.0, 1.0, 1.0], centre * [1.0, 0.0, 0.0]
    return Source(neutral, triangles, shapes, modes, mirror, centre, profile, weight)


def pitch(angle: float) -> np.ndarray:
    """Rotation [3 3] about +x, which lowers the chin."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])


def _head_weight(points: np.ndarray) -> np.ndarray:
    """A smooth step down the neck, whose level lines rise towards the back as the neck's cross-sections do."""
    height = points[:, 1] + 0.35 * points[:, 2]
    step = np.clip((height + 0.215) / 0.09, 0, 1)
    return step * step * (3 - 2 * step)


def _level(points: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The head lowered by `LEVEL` on a resting torso, and the matrix [V 3 3] that each vertex was turned by."""
    turns = np.eye(3) + weight[:, None, None] * (pitch(LEVEL) - np.eye(3))
    return np.einsum("vij,vj->vi", turns, points - NECK_PIVOT) + NECK_PIVOT, turns


def _eye_profile(offset: np.ndarray) -> np.ndarray:
    """The eyeball's radius over the angle from its axis; the source's eye looks a little inwards at rest, ours straight ahead."""
    radius = np.linalg.norm(offset, axis=1)
    axis = offset[np.argmax(radius)] / radius.max()
    profile = np.stack([np.arccos(np.clip(offset @ axis / radius, -1, 1)), radius], 1)
    return profile[np.argsort(profile[:, 0])]


def _shape(name: str, names: list[str], expressions: np.ndarray) -> np.ndarray:
    if name == "tongueOut":
        return np.zeros_like(expressions[0])
    if f"{name}_L" in names:
        return expressions[names.index(f"{name}_L")] + expressions[names.index(f"{name}_R")]
    for ending, short in (("Left", "_L"), ("Right", "_R")):
        if name.endswith(ending) and name.removesuffix(ending) + short in names:
            return expressions[names.index(name.removesuffix(ending) + short)]
    return expressions[names.index(name)]


def _sphere_centre(points: np.ndarray) -> np.ndarray:
    """Centre of the sphere through the rear of an eyeball (least squares); the cornea bulges and is left out."""
    rear = points[points[:, 2] < np.median(points[:, 2])]
    solution = np.linalg.lstsq(np.column_stack([2 * rear, np.ones(len(rear))]), np.sum(rear * rear, axis=1), rcond=None)[0]
    return solution[:3]


def from_tongue_tip(source: Source) -> np.ndarray:
    """Metres along the surface from the tip of the tongue [V]; 1 off the gums and tongue."""
    inside = (source.triangles >= GUMS_AND_TONGUE.start).all(1) & (source.triangles < GUMS_AND_TONGUE.stop).all(1)
    edges = source.triangles[inside][:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    lengths = np.linalg.norm(source.vertices[edges[:, 0]] - source.vertices[edges[:, 1]], axis=1)
    graph = sparse.csr_matrix((lengths, edges.T), shape=(len(source.vertices),) * 2)
    tip = np.argmin(np.linalg.norm(source.vertices[GUMS_AND_TONGUE] - TONGUE_TIP, axis=1)) + GUMS_AND_TONGUE.start
    return np.minimum(dijkstra(graph, directed=False, indices=tip), 1.0)


def shape_partner(name: str) -> str:
    """The shape on the other side (itself for shapes of the middle)."""
    for left, right in (("Left", "Right"), ("_L", "_R")):
        if name.endswith(left):
            return name.removesuffix(left) + right
        if name.endswith(right):
            return name.removesuffix(right) + left
    return name
