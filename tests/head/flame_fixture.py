"""A file in FLAME's format, made here: same keys, shapes and Python 2 pickle, but a procedural head and bases of our own.

The head has 5023 vertices and 9976 triangles: a skin of rings from the crown to the neck, and two closed eyeballs.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

EYE = np.array([0.0315, 0.0, 0.0])
FILE_ORIGIN = np.array([0.0, -0.027, 0.041])
"""Where the file puts the point between the eyes: like FLAME's, not at zero."""
_COLUMNS, _RINGS, N_SKIN = 60, 65, 3931


def flame_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """FLAME's seven arrays for a procedural head."""
    rng = np.random.default_rng(seed)
    vertices, triangles = head_mesh()
    weights = skinning_weights(vertices)
    bases = _smooth_fields(vertices, 400, rng) * np.geomspace(4e-3, 2e-4, 400)
    face = np.exp(-np.square(vertices - [0, -0.04, 0.02]).sum(1) / 0.06**2) * (weights[:, 3:].sum(1) == 0)
    bases[..., 300:] *= face[:, None, None]
    bases[..., 300] = weights[:, 2, None] * [0.0, -0.012, -0.004]
    corners = sum(np.exp(-np.square(vertices - [side * 0.025, -0.066, 0.02]).sum(1) / 0.015**2) for side in (-1, 1))
    bases[..., 301] = corners[:, None] * np.stack([0.004 * np.sign(vertices[:, 0]), np.full(len(vertices), 0.006), 0 * corners], 1)
    pose_bases = _smooth_fields(vertices, 36, rng) * 5e-4 * (weights[:, 3:].sum(1) == 0)[:, None, None]
    return {
        "v_template": vertices + FILE_ORIGIN,
        "shapedirs": bases,
        "posedirs": pose_bases,
        "J_regressor": _joint_regressor(vertices),
        "weights": weights,
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "f": triangles.astype(np.uint32),
    }


def head_mesh() -> tuple[np.ndarray, np.ndarray]:
    """Skin rings from crown (pole) to neck, then the left and the right eyeball."""
    ring, column = np.meshgrid(np.arange(1, _RINGS + 1), np.arange(_COLUMNS), indexing="ij")
    azimuth = 2 * np.pi * column / _COLUMNS
    depth = ring / _RINGS
    height = 0.125 - 0.33 * depth**1.1
    skull = 0.085 * np.sqrt(np.clip(1 - ((height - 0.0) / 0.135) ** 2, 0, 1))
    neck = 0.055 / (1 + np.exp((height + 0.1) / 0.01))
    radius = np.maximum(skull, neck) + 0.004
    x, z = radius * np.sin(azimuth) * 0.9, radius * np.cos(azimuth) * 1.05
    front = np.clip(np.cos(azimuth), 0, 1) ** 2
    bumps = (
        (0, -0.035, 0.022, 0.009, 0.014),
        (0, -0.068, 0.009, 0.02, 0.008),
        (0, -0.1, 0.03, 0.022, 0.016),
        (0, 0.02, 0.004, 0.03, 0.008),
    )
    for bump_x, bump_y, push, width, tall in bumps:
        z = z + push * front * np.exp(-(((x - bump_x) / width) ** 2) - ((height - bump_y) / tall) ** 2)
    grid = np.stack([x, height, z - 0.07], -1).reshape(-1, 3)
    vertices = np.concatenate([[[0, 0.133, -0.07]], grid])
    index = 1 + np.arange(_RINGS * _COLUMNS).reshape(_RINGS, _COLUMNS)
    triangles = _rings_to_triangles(index, top=0)
    vertices, triangles = _split_centroids(vertices, triangles, N_SKIN - len(vertices))
    for side in (1, -1):
        sphere, faces = ball(EYE * [side, 1, 1], 0.0125)
        triangles = np.concatenate([triangles, faces + len(vertices)])
        vertices = np.concatenate([vertices, sphere])
    return vertices, triangles


def _rings_to_triangles(index: np.ndarray, *, top: int, bottom: int | None = None) -> np.ndarray:
    """Rings run from +z over +x; counter-clockwise from outside when they go downward."""
    following = np.roll(index, -1, 1)
    upper, lower, upper_next, lower_next = index[:-1].ravel(), index[1:].ravel(), following[:-1].ravel(), following[1:].ravel()
    parts = [
        np.stack([np.full(index.shape[1], top), index[0], following[0]], 1),
        np.stack([upper, lower, lower_next], 1),
        np.stack([upper, lower_next, upper_next], 1),
    ]
    if bottom is not None:
        parts.append(np.stack([index[-1], np.full(index.shape[1], bottom), following[-1]], 1))
    return np.concatenate(parts)


def _split_centroids(vertices: np.ndarray, triangles: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Put a vertex into the middle of `count` triangles at the back of the head: +1 vertex, +2 triangles each."""
    chosen = np.argsort(vertices[triangles].mean(1)[:, 2])[:count]
    middle = np.arange(len(vertices), len(vertices) + count)
    a, b, c = triangles[chosen].T
    new = np.concatenate([np.stack([middle, a, b], 1), np.stack([middle, b, c], 1), np.stack([middle, c, a], 1)])
    return np.concatenate([vertices, vertices[triangles[chosen]].mean(1)]), np.concatenate([np.delete(triangles, chosen, 0), new])


def ball(centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """An eyeball of 546 vertices and 1088 triangles."""
    polar, azimuth = np.meshgrid(np.pi * np.arange(1, 18) / 18, 2 * np.pi * np.arange(32) / 32, indexing="ij")
    sphere = np.stack([np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)], -1).reshape(-1, 3)
    vertices = np.concatenate([[[0, 1, 0]], sphere, [[0, -1, 0]]]) * radius + centre
    return vertices, _rings_to_triangles(1 + np.arange(17 * 32).reshape(17, 32), top=0, bottom=17 * 32 + 1)


def skinning_weights(vertices: np.ndarray) -> np.ndarray:
    x, y, z = vertices.T
    head = 1 / (1 + np.exp(-(y + 0.13) / 0.012))
    jaw = 1 / (1 + np.exp((y + 0.068) / 0.007)) / (1 + np.exp(-(z + 0.025) / 0.008)) / (1 + np.exp(-(y + 0.13) / 0.006))
    weights = np.stack([1 - head, head * (1 - jaw), head * jaw, 0 * x, 0 * x], 1)
    weights[N_SKIN:] = 0
    weights[N_SKIN : N_SKIN + 546, 3] = 1
    weights[N_SKIN + 546 :, 4] = 1
    return weights


def _joint_regressor(vertices: np.ndarray) -> np.ndarray:
    """Each joint is the mean of the skin vertices in a slab around it (eyes: of the eyeball)."""
    x, y, z = vertices[:N_SKIN].T
    rows = np.zeros((5, len(vertices)))
    slabs = (y < -0.19, np.abs(y + 0.13) < 0.01, (np.abs(x) > 0.055) & (np.abs(y + 0.035) < 0.01) & (np.abs(z + 0.04) < 0.02))
    for joint, slab in enumerate(slabs):
        rows[joint, :N_SKIN] = slab / slab.sum()
    rows[3, N_SKIN : N_SKIN + 546] = 1 / 546
    rows[4, N_SKIN + 546 :] = 1 / 546
    return rows


def _smooth_fields(vertices: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random displacement fields of unit size that vary over about 5 cm."""
    frequency = rng.normal(0, 20, (3, 3, count))
    phase = rng.uniform(0, 2 * np.pi, (3, count))
    return np.sin(np.einsum("vi,ick->vck", vertices, frequency) + phase)


@dataclass(frozen=True)
class Chumpy:
    """An array to be pickled as a `chumpy.ch.Ch` object."""

    x: np.ndarray


@dataclass(frozen=True)
class ChumpySelect:
    """An array to be pickled as `chumpy.reordering.Select` of all its own elements."""

    x: np.ndarray


@dataclass(frozen=True)
class SparseColumns:
    """A matrix to be pickled as `scipy.sparse.csc.csc_matrix`."""

    dense: np.ndarray


def write_pickle(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write `arrays` as FLAME is distributed: chumpy objects, a sparse regressor, Python 2 strings and names."""
    content: dict[str, object] = dict(arrays)
    if "shapedirs" in arrays:
        content["shapedirs"] = Chumpy(arrays["shapedirs"])
    if "posedirs" in arrays:
        content["posedirs"] = ChumpySelect(arrays["posedirs"])
    if "J_regressor" in arrays:
        content["J_regressor"] = SparseColumns(arrays["J_regressor"])
    path.write_bytes(python2_pickle({**content, "bs_style": "lbs", "bs_type": "lrotmin", "J": Chumpy(np.zeros((5, 3)))}))
    return path


def python2_pickle(value: object) -> bytes:
    """Protocol 2 opcodes as Python 2 writes them; the classes need not be installed."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value: object) -> bytes:
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, (int, np.integer)):
        return b"J" + struct.pack("<i", int(value))
    if isinstance(value, (str, bytes)):
        raw = value.encode("latin1") if isinstance(value, str) else value
        return b"T" + struct.pack("<i", len(raw)) + raw
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_opcodes, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_opcodes, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_opcodes(key) + _opcodes(item) for key, item in value.items()) + b"u"
    if isinstance(value, np.ndarray):
        return _array_opcodes(np.ascontiguousarray(value))
    if isinstance(value, SparseColumns):
        from scipy.sparse import csc_matrix

        matrix = csc_matrix(value.dense)
        state = {"_shape": matrix.shape, "indptr": matrix.indptr, "indices": matrix.indices, "data": matrix.data, "maxprint": 50}
        return _object_opcodes(b"scipy.sparse.csc\ncsc_matrix\n", state)
    empty_set = b"c__builtin__\nset\n(]tR"
    if isinstance(value, Chumpy):
        inert = _opcodes({"x": value.x, "_itr": None, "_depends_on_deps": {}})[:-1]
        return _new_object(b"chumpy.ch\nCh\n") + inert + _opcodes("_dirty_vars") + empty_set + b"ub"
    if isinstance(value, ChumpySelect):
        flat = {"a": Chumpy(value.x), "idxs": np.arange(value.x.size), "preferred_shape": value.x.shape}
        return _object_opcodes(b"chumpy.reordering\nSelect\n", flat)
    raise TypeError(type(value))


def _new_object(name: bytes) -> bytes:
    """copy_reg._reconstructor(class, object, None)"""
    return b"ccopy_reg\n_reconstructor\n(c" + name + b"c__builtin__\nobject\nNtR"


def _object_opcodes(name: bytes, state: dict) -> bytes:
    return _new_object(name) + _opcodes(state) + b"b"


def _array_opcodes(array: np.ndarray) -> bytes:
    dtype = b"cnumpy\ndtype\n" + _opcodes((array.dtype.str[1:], 0, 1)) + b"R" + _opcodes((3, "<", None, None, None, -1, -1, 0)) + b"b"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + _opcodes((0,)) + _opcodes("b") + b"tR"
    return made + b"(" + _opcodes(1) + _opcodes(array.shape) + dtype + b"\x89" + _opcodes(array.tobytes()) + b"tb"
