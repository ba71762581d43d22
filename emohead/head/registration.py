"""Bring one head surface onto another: similarity, then smooth deformation, then a point on it for every vertex of the other.

Vertices are matched by position, by normal and by how they move when the jaw opens; the last tells the lips apart, which touch.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import KDTree

NORMAL_SCALE = 0.01
"""Metres that a unit difference of normals counts as in matching."""
JAW_SCALE = 0.2
"""Metres that a metre of difference of jaw motion counts as in matching."""

STIFFNESS = (300.0, 30.0)
"""Weight of the displacement's roughness against the matches, first and last step."""


@dataclass(frozen=True)
class Surface:
    """A triangle mesh and the motion of its vertices under an opening jaw."""

    vertices: Float[np.ndarray, "V 3"]
    """Metres."""
    triangles: Int[np.ndarray, "F 3"]
    """Vertex indices."""
    jaw_motion: Float[np.ndarray, "V 3"]
    """Displacement at jawOpen 1, metres."""
    active: Bool[np.ndarray, " V"]
    """Vertices that take part: skin and lips, not eyeballs, teeth or tongue."""

    def features(self) -> Float[np.ndarray, "V 9"]:
        """Coordinates in which matches are nearest neighbours."""
        return np.concatenate([self.vertices, NORMAL_SCALE * vertex_normals(self.vertices, self.triangles), JAW_SCALE * self.jaw_motion], 1)


@dataclass(frozen=True)
class Similarity:
    """`x -> scale * rotation @ x + translation`."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, " 3"]

    def __call__(self, points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
        """Transformed points."""
        return self.scale * points @ self.rotation.T + self.translation


@dataclass(frozen=True)
class Attachment:
    """A point on a triangle of another mesh, for each vertex."""

    corners: Int[np.ndarray, "V 3"]
    """Vertex indices of the triangle."""
    barycentric: Float[np.ndarray, "V 3"]
    """Weights of the corners."""
    distance: Float[np.ndarray, " V"]
    """From the vertex to the point, metres."""

    def interpolate(self, values: Float[np.ndarray, "*K N 3"]) -> Float[np.ndarray, "*K V 3"]:
        """Values at the corners, interpolated at the points."""
        return np.einsum("...vkc,vk->...vc", values[..., self.corners, :], self.barycentric)


def fit_similarity(source: Float[np.ndarray, "N 3"], target: Float[np.ndarray, "N 3"], weights: Float[np.ndarray, " N"]) -> Similarity:
    """The weighted least-squares similarity from paired points (Umeyama 1991, eq. 40-42)."""
    weights = weights / weights.sum()
    source_mean, target_mean = weights @ source, weights @ target
    centred = source - source_mean
    u, singular, vt = np.linalg.svd((target - target_mean).T @ (weights[:, None] * centred))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = (u * signs) @ vt
    scale = float((singular * signs).sum() / (weights @ np.square(centred).sum(1)))
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


def register(
    source: Surface,
    target: Surface,
    *,
    start: Similarity,
    landmarks: tuple[Int[np.ndarray, " L"], Float[np.ndarray, "L 3"]] | None = None,
) -> tuple[Similarity, Surface]:
    """Deform `source` onto `target`; returns the similarity part and the deformed surface.

    Iterative closest points, rigid with scale at first, then with a displacement field whose stiffness falls step by step
    (Amberg, Romdhani and Vetter 2007, with a uniform Laplacian as the stiffness term). Each match is weighted down by its
    distance. `landmarks` are (vertex of the source, point on the target) pairs; they pull less and less, as in that paper.
    """
    tree = KDTree(target.features()[target.active])
    goals, goal_normals = target.vertices[target.active], vertex_normals(target.vertices, target.triangles)[target.active]
    pairs = landmarks if landmarks is not None else (np.zeros(0, int), np.zeros((0, 3)))
    similarity = start
    if len(pairs[0]):
        similarity = fit_similarity(source.vertices[pairs[0]], pairs[1], np.ones(len(pairs[0])))
    for reach in np.geomspace(0.03, 0.01, 20):
        moved = _transformed(source, similarity)
        index, weights = _match(moved, tree, goals, goal_normals, reach)
        points = np.concatenate([source.vertices, source.vertices[pairs[0]]])
        wanted = np.concatenate([goals[index], pairs[1]])
        similarity = fit_similarity(
            points, wanted, np.concatenate([weights, np.full(len(pairs[0]), weights.sum() / max(1, len(pairs[0])))])
        )
    moved = _transformed(source, similarity)
    laplacian = mesh_laplacian(len(source.vertices), source.triangles)
    roughness = (laplacian.T @ laplacian).tocsc()
    rest = moved.vertices
    for stiffness, pull, reach in zip(np.geomspace(*STIFFNESS, 15), np.linspace(10, 0.1, 15), np.geomspace(0.015, 0.008, 15), strict=True):
        index, weights = _match(moved, tree, goals, goal_normals, reach)
        right = weights[:, None] * (goals[index] - rest)
        np.add.at(weights, pairs[0], pull)
        np.add.at(right, pairs[0], pull * (pairs[1] - rest[pairs[0]]))
        # A little of the identity keeps parts without any match where the similarity put them.
        system = stiffness * roughness + sparse.diags(weights + 1e-4)
        displacement = splu(system.tocsc()).solve(right)
        moved = replace(moved, vertices=rest + displacement)
    return similarity, moved


def attach(points: Surface, mesh: Surface, *, n_candidates: int = 6) -> Attachment:
    """For each vertex of `points`, the nearest point on the triangles around its best-matching active vertices of `mesh`."""
    usable = mesh.triangles[mesh.active[mesh.triangles].all(1)]
    tree = KDTree(mesh.features()[mesh.active])
    _, nearest = tree.query(points.features(), k=n_candidates)
    candidates = np.flatnonzero(mesh.active)[nearest]
    around, degree = _triangles_around(usable, len(mesh.vertices))
    best = Attachment(
        np.repeat(candidates[:, :1], 3, 1),
        np.tile([1.0, 0.0, 0.0], (len(points.vertices), 1)),
        np.linalg.norm(mesh.vertices[candidates[:, 0]] - points.vertices, axis=1),
    )
    for rank in range(n_candidates):
        for slot in range(around.shape[1]):
            rows = np.flatnonzero(degree[candidates[:, rank]] > slot)
            corners = usable[around[candidates[rows, rank], slot]]
            barycentric = closest_barycentric(points.vertices[rows], mesh.vertices[corners])
            distance = np.linalg.norm(np.einsum("vkc,vk->vc", mesh.vertices[corners], barycentric) - points.vertices[rows], axis=1)
            better = distance < best.distance[rows]
            best.corners[rows[better]], best.barycentric[rows[better]] = corners[better], barycentric[better]
            best.distance[rows[better]] = distance[better]
    return best


def closest_barycentric(points: Float[np.ndarray, "N 3"], corners: Float[np.ndarray, "N 3 3"]) -> Float[np.ndarray, "N 3"]:
    """Barycentric weights of the point of each triangle nearest to each point (inside, or the best of its edges)."""
    origin, first, second = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    offset = points - origin
    aa, ab, bb = (np.einsum("nc,nc->n", p, q) for p, q in ((first, first), (first, second), (second, second)))
    ap, bp = np.einsum("nc,nc->n", first, offset), np.einsum("nc,nc->n", second, offset)
    area = np.maximum(aa * bb - ab * ab, 1e-30)
    v, w = (bb * ap - ab * bp) / area, (aa * bp - ab * ap) / area
    result = np.stack([1 - v - w, v, w], 1)
    outside = np.flatnonzero(result.min(1) < 0)
    closest = np.full(len(outside), np.inf)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        edge = corners[outside, end] - corners[outside, start]
        along = np.einsum("nc,nc->n", edge, points[outside] - corners[outside, start]) / np.maximum(np.square(edge).sum(1), 1e-30)
        along = np.clip(along, 0, 1)
        distance = np.square(corners[outside, start] + along[:, None] * edge - points[outside]).sum(1)
        better = distance < closest
        weights = np.zeros((len(outside), 3))
        weights[:, start], weights[:, end] = 1 - along, along
        result[outside[better]] = weights[better]
        closest = np.minimum(closest, distance)
    return result


def vertex_normals(vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]) -> Float[np.ndarray, "V 3"]:
    """Area-weighted unit normals."""
    a, b, c = vertices[triangles[:, 0]], vertices[triangles[:, 1]], vertices[triangles[:, 2]]
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], np.cross(b - a, c - a))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def mesh_laplacian(n_vertices: int, triangles: Int[np.ndarray, "F 3"]) -> sparse.csr_matrix:
    """The uniform Laplacian: vertex minus the mean of its neighbours."""
    rows = triangles[:, [0, 1, 2, 1, 2, 0]].ravel()
    columns = triangles[:, [1, 2, 0, 0, 1, 2]].ravel()
    adjacency = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (n_vertices, n_vertices))
    adjacency.data[:] = 1.0
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    return sparse.csr_matrix(sparse.identity(n_vertices) - sparse.diags(1 / degree) @ adjacency)


def _transformed(surface: Surface, similarity: Similarity) -> Surface:
    turned = similarity.scale * surface.jaw_motion @ similarity.rotation.T
    return replace(surface, vertices=similarity(surface.vertices), jaw_motion=turned)


def _match(
    surface: Surface, tree: KDTree, goals: np.ndarray, goal_normals: np.ndarray, reach: float
) -> tuple[Int[np.ndarray, " V"], Float[np.ndarray, " V"]]:
    """Best match of each vertex, and its weight: a Gaussian of the distance, 0 for inactive vertices and facing-away normals."""
    features = surface.features()
    index = np.asarray(tree.query(features)[1])
    distance = np.linalg.norm(goals[index] - surface.vertices, axis=1)
    facing = np.einsum("vc,vc->v", features[:, 3:6] / NORMAL_SCALE, goal_normals[index])
    return index, np.exp(-0.5 * (distance / reach) ** 2) * (facing > 0.3) * surface.active


def _triangles_around(triangles: np.ndarray, n_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """For each vertex, the triangles that touch it (padded) and how many they are."""
    vertex = triangles.ravel()
    order = np.argsort(vertex, kind="stable")
    degree = np.bincount(vertex, minlength=n_vertices)
    start = np.concatenate([[0], np.cumsum(degree)[:-1]])
    around = np.zeros((n_vertices, degree.max()), int)
    slot = np.arange(len(vertex)) - start[vertex[order]]
    around[vertex[order], slot] = order // 3
    return around, degree
