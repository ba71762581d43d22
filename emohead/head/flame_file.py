"""FLAME files as the user has them (.pkl or .npz), checked key by key and turned into tensors."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.archives import DAMAGED_ARRAYS
from emohead.errors import InputError
from emohead.head import flame_pickle

N_VERTICES, N_TRIANGLES, N_JOINTS = 5023, 9976, 5
N_SHAPE, N_EXPRESSION = 300, 100
PARENTS = (-1, 0, 1, 1, 1)
"""Parent of each joint: global, neck, jaw and the two eyes."""

_SHAPES: dict[str, tuple[int, ...]] = {
    "v_template": (N_VERTICES, 3),
    "shapedirs": (N_VERTICES, 3, N_SHAPE + N_EXPRESSION),
    "posedirs": (N_VERTICES, 3, 9 * (N_JOINTS - 1)),
    "J_regressor": (N_JOINTS, N_VERTICES),
    "weights": (N_VERTICES, N_JOINTS),
    "kintree_table": (2, N_JOINTS),
    "f": (N_TRIANGLES, 3),
}
_INTEGER_KEYS = ("kintree_table", "f")
_TRIANGLE_KEYS = ("lmk_face_idx", "static_lmk_faces_idx", "full_lmk_faces_idx")
_BARYCENTRIC_KEYS = ("lmk_b_coords", "static_lmk_bary_coords", "full_lmk_bary_coords")


@dataclass(frozen=True)
class FlameData:
    """The content of a FLAME file (`V` = 5023, `F` = 9976, `J` = 5), in the file's own frame: metres, +y up, +z out of the face."""

    template: Float[Tensor, "V 3"]
    """The mean head, metres."""
    shape_directions: Float[Tensor, "V 3 300"]
    """Displacement per identity coefficient, metres."""
    expression_directions: Float[Tensor, "V 3 100"]
    """Displacement per expression coefficient, metres."""
    pose_directions: Float[Tensor, "V 3 36"]
    """Displacement per entry of (R - I) of the neck, jaw and eye rotations (row-major), metres."""
    joint_regressor: Float[Tensor, "J V"]
    """Joint positions as weighted sums of vertices."""
    weights: Float[Tensor, "V J"]
    """Skinning weights; rows sum to 1."""
    triangles: Int[Tensor, "F 3"]
    """Vertex indices."""
    sha256: str
    """Of the file it came from."""


@dataclass(frozen=True)
class LandmarkEmbedding:
    """Where landmarks lie on the mesh; `L` is 51 (without the jaw line) or 68 in the order of the Multi-PIE markup."""

    triangle: Int[Tensor, " L"]
    """Triangle index of each landmark."""
    barycentric: Float[Tensor, "L 3"]
    """Weights of that triangle's corners."""


def read_flame(path: str | Path) -> FlameData:
    """Read FLAME 2020 or 2023: the distributed .pkl (through a restricted unpickler) or an .npz with the same keys.

    Raises:
        InputError: the file is absent, damaged, names code, or a key is missing or has the wrong shape or values.
    """
    path = _existing(path)
    arrays = _read_arrays(path)
    for key, wanted in _SHAPES.items():
        _check_array(path, key, arrays.get(key), wanted)
    _check_values(path, arrays)
    tensors = {key: torch.from_numpy(arrays[key].astype(np.int64 if key in _INTEGER_KEYS else np.float32)) for key in _SHAPES}
    return FlameData(
        template=tensors["v_template"],
        shape_directions=tensors["shapedirs"][..., :N_SHAPE].contiguous(),
        expression_directions=tensors["shapedirs"][..., N_SHAPE:].contiguous(),
        pose_directions=tensors["posedirs"],
        joint_regressor=tensors["J_regressor"],
        weights=tensors["weights"],
        triangles=tensors["f"],
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def read_landmark_embedding(path: str | Path) -> LandmarkEmbedding:
    """Read a static landmark embedding: FLAME's .pkl, an .npz with the same keys, or an .npy of rows (triangle, 3 barycentrics).

    Raises:
        InputError: the file is absent, damaged, holds a pickled .npy, or its landmarks do not lie on FLAME's triangles.
    """
    path = _existing(path)
    if path.suffix == ".npy":
        rows = _load_numpy(path)["array"]
        _check_array(path, "array", rows, (rows.shape[0] if rows.ndim else 0, 4))
        triangle, barycentric = rows[:, 0], rows[:, 1:]
    else:
        arrays = _read_arrays(path)
        triangle = next((arrays[key].reshape(-1) for key in _TRIANGLE_KEYS if key in arrays), None)
        barycentric = next((arrays[key].reshape(-1, 3) for key in _BARYCENTRIC_KEYS if key in arrays), None)
        if triangle is None or barycentric is None:
            raise InputError(f"{path} has the keys {sorted(arrays)}; a landmark embedding needs lmk_face_idx and lmk_b_coords")
    if len(triangle) != len(barycentric) or len(triangle) not in (51, 68):
        raise InputError(f"{path} has {len(triangle)} triangles and {len(barycentric)} barycentrics; 51 or 68 of each are needed")
    if not ((triangle >= 0) & (triangle < N_TRIANGLES)).all() or np.abs(barycentric.sum(1) - 1).max() > 1e-2:
        raise InputError(f"{path}: triangles must be 0..{N_TRIANGLES - 1} and barycentrics must sum to 1; use FLAME's own embedding")
    return LandmarkEmbedding(torch.from_numpy(triangle.astype(np.int64)), torch.from_numpy(barycentric.astype(np.float32)))


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the FLAME file that you downloaded (generic_model.pkl)")
    return path


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".pkl":
        return flame_pickle.read_arrays(path)
    if path.suffix == ".npz":
        return _load_numpy(path)
    raise InputError(f"{path} ends in {path.suffix or 'nothing'!r}; FLAME files are read from .pkl or .npz")


def _load_numpy(path: Path) -> dict[str, np.ndarray]:
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > flame_pickle.MAX_BYTES:
                raise InputError(f"{path} unpacks to {unpacked} bytes, too many for a FLAME file; write it again from FLAME's .pkl")
            with np.load(path, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        return {"array": np.load(path, allow_pickle=False)}
    except DAMAGED_ARRAYS as error:
        raise InputError(f"{path} is cut short, damaged or holds pickled objects ({error}); write it again as plain arrays") from error


def _check_array(path: Path, key: str, array: np.ndarray | None, wanted: tuple[int, ...]) -> None:
    if array is None:
        raise InputError(f"{path} has no array {key!r} (wanted shape {list(wanted)}); give FLAME 2020 or 2023, not another model")
    if array.shape != wanted:
        raise InputError(f"{path}: {key!r} must have shape {list(wanted)}, got {list(array.shape)}; give FLAME 2020 or 2023")
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        raise InputError(f"{path}: {key!r} must hold finite numbers (type {array.dtype}); download the file again")


def _check_values(path: Path, arrays: dict[str, np.ndarray]) -> None:
    triangles = arrays["f"]
    if triangles.min() < 0 or triangles.max() >= N_VERTICES:
        raise InputError(f"{path}: 'f' must index {N_VERTICES} vertices, got {triangles.min()}..{triangles.max()}; download the file again")
    parents = tuple(int(parent) for parent in arrays["kintree_table"][0, 1:])
    if parents != PARENTS[1:]:
        raise InputError(f"{path}: 'kintree_table' must have the parents {PARENTS[1:]}, got {parents}; give FLAME, not another model")
    if np.abs(arrays["weights"].sum(1) - 1).max() > 1e-3:
        raise InputError(f"{path}: 'weights' must sum to 1 for each vertex; download the file again")
    left, right = (arrays["J_regressor"] @ arrays["v_template"])[3:]
    if not 0.04 < np.linalg.norm(left - right) < 0.09:
        distance = np.linalg.norm(left - right)
        raise InputError(f"{path}: the eye joints must be .04-.09 m apart, got {distance:.4g}; 'v_template' must be in metres")
