"""The generic head's topology: source halves decimated, eyeballs and shoulders made here, mirrored to an exactly symmetric mesh."""

from dataclasses import dataclass

import numpy as np
from generic_head_decimate import HalfMesh, decimate
from generic_head_source import (
    EYE_SOCKETS,
    GUMS_AND_TONGUE,
    LOWER_TEETH,
    MOUTH_SOCKET,
    NARROW_FACE,
    SHAPES,
    SKIN,
    UPPER_TEETH,
    Source,
    shape_partner,
)
from scipy import sparse

_PARTS = ((SKIN, 2700), (GUMS_AND_TONGUE, 330), (UPPER_TEETH, 260), (LOWER_TEETH, 240))
_MOTIONS = ("jawOpen", "mouthClose", "eyeBlinkLeft", "mouthSmileLeft", "mouthPucker", "browInnerUp")
_MOTION_SCALE = 0.6
_EYE_RINGS = np.radians([7, 14, 20, 25, 31, 40, 52, 66, 82, 100, 122, 150])
_EYE_SEGMENTS = 20
EYE_RADIUS = 0.0155
_CORNEA = 0.0006
"""Metres: how far the cornea stands out; less than in life, so that lids need no bump that follows the gaze."""
_TORSO_RINGS = 8
_BUST = np.array([0.215, -0.30, -0.10])
"""Metres: half width, height and depth of the middle of the outline where the bust ends."""
_BUST_DEPTH = 0.095
_BUST_EXPONENT = 2.6


@dataclass(frozen=True)
class Mesh:
    """A symmetric mesh that knows which part of the source each of its vertices follows."""

    vertices: np.ndarray
    """[V 3] metres."""
    triangles: np.ndarray
    """[F 3]."""
    mirror: np.ndarray
    """[V] an exact involution."""
    weights: sparse.csr_matrix
    """[V, source vertices]; rows sum to 1, or to less where the mesh leaves the source (eyeballs 0, shoulders fading to 0)."""
    component: np.ndarray
    """[V] 0 skin, 1 gums and tongue, 2 upper teeth, 3 lower teeth, 4 left eye, 5 right eye, 6 shoulders."""
    left: np.ndarray
    """[V] whether the vertex is in the half that was built (x >= 0)."""

    def carry(self, values: np.ndarray) -> np.ndarray:
        """Values at the source's vertices [n V 3], interpolated here."""
        flat = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
        return np.moveaxis((self.weights @ flat).reshape(len(self.vertices), len(values), 3), 0, 1)

    def carry_shapes(self, shapes: np.ndarray) -> np.ndarray:
        """`SHAPES` interpolated here, exactly symmetric: the right half is the image of the left half of the other side's shape."""
        here = self.carry(shapes)
        partner = [SHAPES.index(shape_partner(name)) for name in SHAPES]
        image = here[partner][:, self.mirror] * [-1, 1, 1]
        middle = self.mirror == np.arange(len(self.mirror))
        share = np.where(middle, 0.5, self.left.astype(float))[:, None]
        return share * here + (1 - share) * image


def build_mesh(source: Source) -> Mesh:
    """Decimate, add eyeballs and shoulders, mirror."""
    features, importance = _features(source), _importance(source)
    pieces = [(number, _decimated(source, features, importance, part, target)) for number, (part, target) in enumerate(_PARTS)]
    weights = sparse.vstack([piece.weights for _, piece in pieces]).tocsr()
    vertices = weights @ source.vertices
    start = np.cumsum([0] + [piece.weights.shape[0] for _, piece in pieces])
    triangles = [piece.triangles + first for (_, piece), first in zip(pieces, start[:-1], strict=True)]
    middle = np.concatenate([piece.middle for _, piece in pieces])
    component = np.repeat([number for number, _ in pieces], np.diff(start))
    vertices[middle, 0] = 0.0

    torso, torso_triangles, torso_weights = _shoulders(vertices, triangles[0], middle, weights)
    eye, eye_triangles = _eyeball(source)
    triangles += [np.where(torso_triangles < 0, -torso_triangles - 1, torso_triangles + len(vertices))]
    triangles += [eye_triangles + len(vertices) + len(torso)]
    component = np.concatenate([component, np.full(len(torso), 6), np.full(len(eye), 4)])
    middle = np.concatenate([middle, np.abs(torso[:, 0]) < 1e-9, np.zeros(len(eye), bool)])
    weights = sparse.vstack([weights, torso_weights, sparse.csr_matrix((len(eye), weights.shape[1]))]).tocsr()
    return _mirrored(np.concatenate([vertices, torso, eye]), np.concatenate(triangles), middle, component, weights, source.mirror)


def _mirrored(
    vertices: np.ndarray, triangles: np.ndarray, middle: np.ndarray, component: np.ndarray, weights: sparse.csr_matrix, twin: np.ndarray
) -> Mesh:
    count, off = len(vertices), np.flatnonzero(~middle)
    image = np.arange(count)
    image[off] = count + np.arange(len(off))
    mirror = np.concatenate([image, off])
    right = component[off].copy()
    right[right == 4] = 5
    to_twin = sparse.csr_matrix((np.ones(len(twin)), (np.arange(len(twin)), twin)), shape=(len(twin), len(twin)))
    return Mesh(
        vertices=np.concatenate([vertices, vertices[off] * [-1, 1, 1]]),
        triangles=np.concatenate([triangles, image[triangles][:, [0, 2, 1]]]),
        mirror=mirror,
        weights=sparse.vstack([weights, weights[off] @ to_twin]).tocsr(),
        component=np.concatenate([component, right]),
        left=np.arange(len(mirror)) < count,
    )


def _features(source: Source) -> np.ndarray:
    """Position and how far the vertex moves in the main directions of motion, in metres."""
    motion = [_MOTION_SCALE * source.shapes[SHAPES.index(name)] for name in _MOTIONS]
    return np.concatenate([source.vertices, *motion], axis=1)


def _importance(source: Source) -> np.ndarray:
    """How much an error counts: the face before the scalp, lips and lids before the face, hidden surfaces little."""
    importance = np.full(len(source.vertices), 0.6)
    importance[NARROW_FACE] = 2.0
    blink = np.linalg.norm(source.shapes[[SHAPES.index("eyeBlinkLeft"), SHAPES.index("eyeBlinkRight")]], axis=2).max(0)
    importance += 120.0 * np.clip(blink / 0.006, 0, 1)
    importance += 25.0 * near_lips(source.vertices)
    importance[MOUTH_SOCKET] = np.minimum(importance[MOUTH_SOCKET], 0.15) + 4.0 * near_lips(source.vertices)[MOUTH_SOCKET]
    importance[EYE_SOCKETS] = 0.1
    return importance


def near_lips(points: np.ndarray) -> np.ndarray:
    """1 at the lips (rest position), falling to 0 within about a centimetre."""
    lips = points - [0.0, -0.0715, 0.03]
    distance = np.sqrt((lips[:, 0] / 0.031) ** 2 + (lips[:, 1] / 0.013) ** 2 + (np.minimum(lips[:, 2], 0) / 0.022) ** 2)
    return np.clip(1.6 - distance, 0, 1) ** 2 * (3 - 2 * np.clip(1.6 - distance, 0, 1))


def _decimated(source: Source, features: np.ndarray, importance: np.ndarray, part: slice, target: int) -> HalfMesh:
    inside = (source.triangles[:, 0] >= part.start) & (source.triangles[:, 0] < part.stop)
    triangles = source.triangles[inside]
    left = source.vertices[triangles][:, :, 0].mean(1) > 1e-6
    return decimate(source.vertices, features, importance, triangles[left], target)


def _eyeball(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """The left eyeball: rings about its forward axis, with the source's cornea; vertices and triangles."""
    angles, radii = source.eye_profile.T
    poles = np.array([0.0, np.pi])
    all_radii = np.interp(np.concatenate([poles[:1], _EYE_RINGS, poles[1:]]), angles, _running_median(radii))
    all_radii = np.minimum(all_radii, EYE_RADIUS + _CORNEA)
    turn = 2 * np.pi * np.arange(_EYE_SEGMENTS) / _EYE_SEGMENTS
    circle = np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], 1)
    rings = [
        radius * (np.sin(angle) * circle + np.cos(angle) * np.array([0, 0, 1.0]))
        for angle, radius in zip(_EYE_RINGS, all_radii[1:-1], strict=True)
    ]
    vertices = np.concatenate([[[0, 0, all_radii[0]]], *rings, [[0, 0, -all_radii[-1]]]]) + source.eye_centre
    k = np.arange(_EYE_SEGMENTS)
    after, last = (k + 1) % _EYE_SEGMENTS, len(vertices) - 1
    triangles = [np.stack([np.zeros_like(k), 1 + k, 1 + after], 1)]
    for ring in range(len(_EYE_RINGS) - 1):
        a, b = 1 + ring * _EYE_SEGMENTS, 1 + (ring + 1) * _EYE_SEGMENTS
        triangles += [np.stack([a + k, b + k, b + after], 1), np.stack([a + k, b + after, a + after], 1)]
    rim = 1 + (len(_EYE_RINGS) - 1) * _EYE_SEGMENTS
    triangles += [np.stack([rim + k, np.full_like(k, last), rim + after], 1)]
    return vertices, np.concatenate(triangles)


def _running_median(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, 7, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 15), axis=1)


def _shoulders(
    vertices: np.ndarray, triangles: np.ndarray, middle: np.ndarray, weights: sparse.csr_matrix
) -> tuple[np.ndarray, np.ndarray, sparse.csr_matrix]:
    """Rings from the edge of the source's chest to the outline of a bust, on smooth curves; the source has no shoulders.

    Returns:
        New vertices [n 3]; triangles whose index -k-1 means vertex k of the given mesh; weights that fade over the rings.
    """
    chain, inner = _outline(vertices, triangles, middle)
    edge = vertices[chain]
    angle = np.arctan2(edge[:, 0], edge[:, 2] - _BUST[2])
    shape = np.stack([np.sin(angle), np.cos(angle)], 1)
    shape = np.sign(shape) * np.abs(shape) ** (2 / _BUST_EXPONENT)
    end = np.stack([_BUST[0] * shape[:, 0], np.full(len(edge), _BUST[1]), _BUST[2] + _BUST_DEPTH * shape[:, 1]], 1)
    outward = edge - inner
    outward[[0, -1], 0] = end[[0, -1], 0] = 0.0
    outward = _unit(_along_chain(_unit(outward)))
    outward[[0, -1], 0] = 0.0
    reach = np.linalg.norm(end - edge, axis=1, keepdims=True)
    controls = [edge, edge + 0.45 * reach * outward, end + 0.45 * reach * [0, 1.0, 0], end]
    parameter = (np.arange(1, _TORSO_RINGS + 1) / _TORSO_RINGS)[:, None, None]
    basis = [(1 - parameter) ** 3, 3 * parameter * (1 - parameter) ** 2, 3 * parameter**2 * (1 - parameter), parameter**3]
    rings = sum(share * control for share, control in zip(basis, controls, strict=True))
    count = len(chain)
    number = np.concatenate([-chain[None] - 1, np.arange(_TORSO_RINGS * count).reshape(_TORSO_RINGS, count)])
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    quads = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    fade = (1 - parameter[:, 0, 0]) ** 2
    return rings.reshape(-1, 3), quads, sparse.vstack([weights[chain] * share for share in fade]).tocsr()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _along_chain(values: np.ndarray, rounds: int = 12) -> np.ndarray:
    """Smoothed along a chain that is continued by its mirror image at both ends."""
    flip = np.array([-1.0, 1.0, 1.0])
    for _ in range(rounds):
        padded = np.concatenate([values[1:2] * flip, values, values[-2:-1] * flip])
        values = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    return values


def _outline(vertices: np.ndarray, triangles: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The open edge of the half skin from front to back, and for each of its vertices the mean of its inner neighbours [n 3]."""
    directed = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edges = {(int(a), int(b)) for a, b in directed}
    after = {a: b for a, b in edges if (b, a) not in edges and not (middle[a] and middle[b])}
    (start,) = set(after) - set(after.values())
    chain = [start]
    while chain[-1] in after:
        chain.append(after[chain[-1]])
    if vertices[chain[0], 2] < vertices[chain[-1], 2]:
        chain.reverse()
    return np.array(chain), np.array(_inner_neighbours(vertices, directed, chain))


def _inner_neighbours(vertices: np.ndarray, directed: np.ndarray, chain: list[int]) -> list[np.ndarray]:
    """For each vertex of the chain the mean of its neighbours off the chain; a corner without any takes its neighbour's direction."""
    inner: list[np.ndarray] = []
    for vertex in chain:
        near = np.unique(directed[(directed == vertex).any(1)])
        near = near[~np.isin(near, chain)]
        inner.append(vertices[near].mean(0) if len(near) else vertices[vertex] * np.nan)
    known = [place for place, point in enumerate(inner) if np.isfinite(point[0])]
    for place, vertex in enumerate(chain):
        nearest = min(known, key=lambda other: abs(other - place))
        if nearest != place:
            inner[place] = vertices[vertex] + inner[nearest] - vertices[chain[nearest]]
    return inner
