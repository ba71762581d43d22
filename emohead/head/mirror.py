"""Which vertex of a nearly symmetric mesh is the mirror image of which."""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

_N_CANDIDATES = 8


def mirror_map(vertices: Float[Tensor, "V 3"]) -> Int[Tensor, " V"]:
    """For each vertex, the vertex nearest to its image under x -> -x; always an involution, even where the mesh is not symmetric.

    Pairs are taken in the order of their distance, so that exact pairs cannot be broken by approximate ones.
    """
    points = vertices.double().numpy()
    n_candidates = min(_N_CANDIDATES, len(points))
    distance, candidate = map(np.asarray, KDTree(points).query(points * [-1.0, 1.0, 1.0], k=n_candidates))
    mirror = np.full(len(points), -1)
    source = np.repeat(np.arange(len(points)), n_candidates)
    target = candidate.ravel()
    for pair in np.lexsort((target, source, distance.ravel())):
        a, b = source[pair], target[pair]
        if mirror[a] < 0 and mirror[b] < 0:
            mirror[a], mirror[b] = b, a
    left_over = mirror < 0
    mirror[left_over] = np.flatnonzero(left_over)
    return torch.from_numpy(mirror)
