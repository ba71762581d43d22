"""Edge-collapse decimation in a space of position and motion (Garland & Heckbert 1998, "Simplifying surfaces with color and texture").

The features of a vertex are its position and how it moves, so detail survives where the face moves and not only where it bends.
Collapses keep the surface manifold, keep the outline (mid-plane and open boundaries) and never turn a triangle over.
"""

import heapq
from dataclasses import dataclass

import numpy as np
from scipy import sparse

INTERIOR, MIDDLE, OPEN, CORNER = 0, 1, 2, 3
_BOUNDARY_WEIGHT = 3.0
_LENGTH_WEIGHT = 2e-3
_MIN_NORMAL_COSINE = 0.3
_MIN_SHAPE = 0.06


@dataclass(frozen=True)
class HalfMesh:
    """Half of a symmetric surface (x >= 0), as rows of barycentric weights over the source's vertices."""

    weights: sparse.csr_matrix
    """[H, source vertices]; rows sum to 1."""
    triangles: np.ndarray
    """[G, 3]."""
    middle: np.ndarray
    """[H] whether the vertex lies on the mid-plane."""


def decimate(vertices: np.ndarray, features: np.ndarray, importance: np.ndarray, triangles: np.ndarray, target: int) -> HalfMesh:
    """Reduce the surface `triangles` [F 3] (half of a head, x >= 0) to `target` vertices.

    Args:
        vertices: [V 3] source positions.
        features: [V D] the space whose shape is kept (position first, then scaled motion).
        importance: [V] weight of the error at each vertex.
        triangles: [F 3] the part of the source to keep.
        target: number of vertices to stop at.
    """
    used = np.unique(triangles)
    local = np.full(len(vertices), -1)
    local[used] = np.arange(len(used))
    mesh = _Collapser(vertices[used], features[used], importance[used], local[triangles])
    mesh.run(target)
    return mesh.result(used, len(vertices))


class _Collapser:
    """The running state of one decimation."""

    def __init__(self, vertices: np.ndarray, features: np.ndarray, importance: np.ndarray, triangles: np.ndarray):
        count = len(vertices)
        self.points, self.features = vertices.copy(), features.copy()
        self.weights = [{vertex: 1.0} for vertex in range(count)]
        self.triangles = {number: tuple(int(v) for v in corners) for number, corners in enumerate(triangles)}
        self.fans: list[set[int]] = [set() for _ in range(count)]
        for number, corners in self.triangles.items():
            for vertex in corners:
                self.fans[vertex].add(number)
        edges, uses = np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0, return_counts=True)
        self.kind = self._kinds(edges[uses == 1])
        self.quadrics = _surface_quadrics(vertices, features, importance, triangles)
        _add_boundary_quadrics(self.quadrics, features, importance, edges[uses == 1])
        self.alive = np.ones(count, bool)
        self.version = np.zeros(count, int)
        self.heap: list[tuple[float, int, int, int, int, float]] = []
        self.importance = importance
        for a, b in edges:
            self._push(int(a), int(b))

    def _kinds(self, boundary: np.ndarray) -> np.ndarray:
        kind = np.zeros(len(self.points), int)
        on_middle = np.abs(self.points[:, 0]) < 1e-5
        inner = on_middle[boundary].all(1)
        kind[boundary[inner].ravel()] = MIDDLE
        outer = boundary[~inner].ravel()
        kind[outer] = np.where(on_middle[outer], CORNER, OPEN)
        return kind

    def run(self, target: int) -> None:
        """Collapse the cheapest edges until `target` vertices are left or nothing can be collapsed."""
        left = int(self.alive.sum())
        while left > target and self.heap:
            _, a, b, version_a, version_b, share = heapq.heappop(self.heap)
            if self.alive[a] and self.alive[b] and (self.version[a], self.version[b]) == (version_a, version_b):
                left -= self._collapse(a, b, share)

    def result(self, used: np.ndarray, n_source: int) -> HalfMesh:
        """The reduced surface."""
        keep = np.flatnonzero(self.alive)
        number = np.full(len(self.alive), -1)
        number[keep] = np.arange(len(keep))
        rows, columns, values = [], [], []
        for row, vertex in enumerate(keep):
            for source, weight in self.weights[vertex].items():
                rows.append(row)
                columns.append(used[source])
                values.append(weight)
        weights = sparse.csr_matrix((values, (rows, columns)), shape=(len(keep), n_source))
        triangles = number[np.array(list(self.triangles.values()))]
        return HalfMesh(weights, triangles, np.isin(self.kind[keep], (MIDDLE, CORNER)))

    def _neighbours(self, vertex: int) -> set[int]:
        return {corner for number in self.fans[vertex] for corner in self.triangles[number]} - {vertex}

    def _push(self, a: int, b: int) -> None:
        """Queue the edge with the best of the placements that its ends allow (share = how far from a to b)."""
        shares = self._shares(a, b)
        if not shares:
            return
        quadric = self.quadrics[a] + self.quadrics[b]
        cost, best = min((self._cost(quadric, a, b, share), share) for share in shares)
        length = float(np.sum((self.points[a] - self.points[b]) ** 2))
        cost += _LENGTH_WEIGHT * length * length * 0.5 * (self.importance[a] + self.importance[b])
        heapq.heappush(self.heap, (cost, a, b, int(self.version[a]), int(self.version[b]), best))

    def _cost(self, quadric: np.ndarray, a: int, b: int, share: float) -> float:
        place = np.append((1 - share) * self.features[a] + share * self.features[b], 1.0)
        return max(float(place @ quadric @ place), 0.0)

    def _shares(self, a: int, b: int) -> tuple[float, ...]:
        kinds = self.kind[a], self.kind[b]
        on_boundary = len(self.fans[a] & self.fans[b]) == 1
        if kinds == (INTERIOR, INTERIOR):
            return (0.0, 0.5, 1.0)
        if INTERIOR in kinds:
            return (1.0,) if kinds[0] == INTERIOR else (0.0,)
        if not on_boundary or kinds == (CORNER, CORNER):
            return ()
        if CORNER in kinds:
            return (1.0,) if kinds[1] == CORNER else (0.0,)
        return (0.0, 0.5, 1.0) if kinds[0] == kinds[1] else ()

    def _collapse(self, a: int, b: int, share: float) -> int:
        """Merge b into a; 0 if that would fold or pinch the surface."""
        shared = self.fans[a] & self.fans[b]
        if len(self._neighbours(a) & self._neighbours(b)) != len(shared) or len(self.fans[a] | self.fans[b]) - len(shared) < 2:
            return 0
        if self._joins_boundaries(a, b):
            return 0
        place = (1 - share) * self.points[a] + share * self.points[b]
        if any(self._spoils(number, vertex, place) for vertex in (a, b) for number in self.fans[vertex] - shared):
            return 0
        self._merge(a, b, share, place, shared)
        for vertex in self._neighbours(a):
            self._push(min(a, vertex), max(a, vertex))
        return 1

    def _joins_boundaries(self, a: int, b: int) -> bool:
        """Whether moving an interior vertex onto the outline would draw an edge across to another vertex of the outline."""
        if INTERIOR not in (self.kind[a], self.kind[b]) or self.kind[a] == self.kind[b]:
            return False
        kept, gone = (a, b) if self.kind[b] == INTERIOR else (b, a)
        new = self._neighbours(gone) - self._neighbours(kept) - {kept}
        return any(self.kind[vertex] != INTERIOR for vertex in new)

    def _merge(self, a: int, b: int, share: float, place: np.ndarray, shared: set[int]) -> None:
        self.points[a] = place
        self.features[a] = (1 - share) * self.features[a] + share * self.features[b]
        mixed = {source: (1 - share) * weight for source, weight in self.weights[a].items()}
        for source, weight in self.weights[b].items():
            mixed[source] = mixed.get(source, 0.0) + share * weight
        self.weights[a] = {source: weight for source, weight in mixed.items() if weight > 0}
        self.quadrics[a] = self.quadrics[a] + self.quadrics[b]
        self.kind[a] = max(self.kind[a], self.kind[b])
        for number in shared:
            for vertex in self.triangles.pop(number):
                self.fans[vertex].discard(number)
        for number in self.fans[b]:
            self.triangles[number] = tuple(a if vertex == b else vertex for vertex in self.triangles[number])
        self.fans[a] |= self.fans[b]
        self.alive[b] = False
        self.version[a] += 1

    def _spoils(self, number: int, moving: int, place: np.ndarray) -> bool:
        """Whether moving one corner would turn the triangle over or make it a sliver."""
        corners = self.triangles[number]
        before = self.points[list(corners)]
        after = np.array([place if vertex == moving else point for vertex, point in zip(corners, before, strict=True)])
        old, new = _cross(before), _cross(after)
        size = np.sqrt(new @ new)
        longest = max(float(np.sum((after[i] - after[i - 1]) ** 2)) for i in range(3))
        return bool(old @ new < _MIN_NORMAL_COSINE * np.sqrt(old @ old) * size or size < _MIN_SHAPE * longest)


def _cross(corners: np.ndarray) -> np.ndarray:
    (ax, ay, az), (bx, by, bz) = corners[1] - corners[0], corners[2] - corners[0]
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def _surface_quadrics(vertices: np.ndarray, features: np.ndarray, importance: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Squared distance to the planes of the triangles around each vertex (eq. 2-4 there), [V D+1 D+1]."""
    p, q, r = (features[triangles[:, corner]] for corner in range(3))
    first = _unit(q - p)
    second = r - p
    second = _unit(second - first * np.sum(first * second, axis=1, keepdims=True))
    area = 0.5 * np.linalg.norm(np.cross(*(vertices[triangles[:, c]] - vertices[triangles[:, 0]] for c in (1, 2))), axis=1)
    return _flat_quadrics(p, [first, second], area * importance[triangles].mean(1), triangles, len(features))


def _add_boundary_quadrics(quadrics: np.ndarray, features: np.ndarray, importance: np.ndarray, edges: np.ndarray) -> None:
    start, along = features[edges[:, 0]], features[edges[:, 1]] - features[edges[:, 0]]
    weight = _BOUNDARY_WEIGHT * np.sum(along * along, axis=1) * importance[edges].mean(1)
    quadrics += _flat_quadrics(start, [_unit(along)], weight, edges, len(features))


def _flat_quadrics(origin: np.ndarray, axes: list[np.ndarray], weight: np.ndarray, members: np.ndarray, count: int) -> np.ndarray:
    """Squared distance to the flats through `origin` spanned by orthonormal `axes`, summed at their member vertices."""
    size = origin.shape[1]
    matrix = np.tile(np.eye(size), (len(origin), 1, 1)) - sum(np.einsum("ni,nj->nij", axis, axis) for axis in axes)
    linear = -np.einsum("nij,nj->ni", matrix, origin)
    full = np.zeros((len(origin), size + 1, size + 1))
    full[:, :size, :size], full[:, :size, size], full[:, size, :size] = matrix, linear, linear
    full[:, size, size] = -np.einsum("ni,ni->n", linear, origin)
    total = np.zeros((count, size + 1, size + 1))
    for corner in range(members.shape[1]):
        np.add.at(total, members[:, corner], full * weight[:, None, None])
    return total


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
