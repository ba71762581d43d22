"""Build the generic head that ships, from ICT-FaceKit light (MIT): `python tools/build_generic_head.py --heads ../shared/data/heads`.

The topology is made here (decimated in a space of position and motion, mirrored exactly, with eyeballs and shoulders of its own); the
source's shapes and identity modes are carried over, given a jaw joint, and corrected so that lips and lids really close.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from generic_head_closures import LIP_REACH, contacts, lid_sides, lip_sides, settled, spread_weights, with_contact
from generic_head_landmarks import mediapipe478, multipie68
from generic_head_mesh import Mesh, build_mesh
from generic_head_parts import PART_NAMES, label_parts, texture_coordinates
from generic_head_rig import MIDWAY, Rig, build_rig
from generic_head_source import EYE_LEFT, EYE_RIGHT, SHAPES, Source, from_tongue_tip, read_source
from safetensors.numpy import save_file

N_MODES = 80
_METADATA = {
    "version": 1,
    "licence": "MIT (derived from ICT-FaceKit light, Copyright (c) 2020 USC Institute for Creative Technologies)",
    "source": "ICT-FaceKit light: neutral, expression shapes, identity modes",
}


def main() -> None:
    """Read the source, build, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=Path, required=True, help="folder with ict_facekit_light.npz")
    parser.add_argument("--landmarks", type=Path, help="MediaPipe's places on the source (.npz: mi, vi, ba)")
    parser.add_argument("-o", "--output", type=Path, default=Path("emohead/assets/generic_head.safetensors"))
    arguments = parser.parse_args()
    start = time.perf_counter()
    landmarks = arguments.landmarks or arguments.heads.parent.parent / "reference/fit_prototype/corr.npz"
    tensors, metadata = build(read_source(arguments.heads, n_modes=N_MODES), landmarks)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, arguments.output, metadata=metadata)
    size = arguments.output.stat().st_size / 1e6
    vertices, triangles = len(tensors["neutral"]), len(tensors["triangles"])
    print(f"{arguments.output}: {vertices} vertices, {triangles} triangles, {size:.1f} MB, {time.perf_counter() - start:.0f} s")


def build(source: Source, correspondence: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors and the metadata of the asset."""
    mesh = build_mesh(source)
    from_tip = mesh.weights @ from_tongue_tip(source)
    rig = with_contact(build_rig(source, mesh), mesh, from_tip)
    points_478 = mediapipe478(source, mesh, correspondence, rig.joints[3:])
    points_68 = multipie68(source, mesh)
    parts = label_parts(rig, mesh, points_478.points(rig.neutral, mesh.triangles), from_tip)
    around_eye = [parts == PART_NAMES.index(name) for name in ("eyelid_left", "socket_left")]
    rig = settled(rig, mesh, *around_eye)
    tensors = {
        "neutral": rig.neutral.astype(np.float32),
        "triangles": mesh.triangles.astype(np.int32),
        "mirror": mesh.mirror.astype(np.int32),
        "vertex_part": parts.astype(np.uint8),
        "uv": texture_coordinates(rig, mesh).astype(np.float32),
        "shapes": rig.shapes.astype(np.float16),
        "midway": rig.midway.astype(np.float16),
        "modes": _identity_modes(source, mesh, rig).astype(np.float16),
        "joints": rig.joints.astype(np.float32),
        "joint_regressor": _joint_regressor(rig, mesh).astype(np.float32),
        "skin_weights": rig.weights.astype(np.float32),
        "jaw": np.array([rig.jaw_open, *rig.jaw_side, *rig.jaw_forward], np.float32),
        **_lid_contact(rig, mesh),
        **_lip_contact(rig, mesh),
        "multipie68_triangle": points_68.triangle.astype(np.int32),
        "multipie68_barycentric": points_68.barycentric.astype(np.float32),
        "mediapipe478_triangle": points_478.triangle.astype(np.int32),
        "mediapipe478_barycentric": points_478.barycentric.astype(np.float32),
    }
    metadata = _METADATA | {"part_names": PART_NAMES, "shape_names": SHAPES, "midway_names": MIDWAY}
    # One key, because the file format does not keep the order of several.
    return tensors, {"generic_head": json.dumps(metadata)}


def _identity_modes(source: Source, mesh: Mesh, rig: Rig) -> np.ndarray:
    """Identity modes [I V 3]; eyeballs only move and grow, so that they stay round."""
    modes = mesh.carry(source.modes)
    for component, area, joint in ((4, EYE_LEFT, rig.joints[3]), (5, EYE_RIGHT, rig.joints[4])):
        members = mesh.component == component
        offset = source.vertices[area] - joint
        shift = source.modes[:, area].mean(1)
        growth = np.einsum("nvc,vc->n", source.modes[:, area] - shift[:, None], offset) / np.sum(offset * offset)
        modes[:, members] = shift[:, None] + growth[:, None, None] * (mesh.vertices[members] - joint)
    return modes


def _joint_regressor(rig: Rig, mesh: Mesh) -> np.ndarray:
    """Weights [5 V] over vertices whose displacement moves each joint."""
    skin = mesh.component == 0
    x, y, z = rig.neutral.T
    _, neck, jaw, _, _ = rig.joints
    hinge = skin & (np.hypot(y - jaw[1], z - jaw[2]) < 0.02) & (np.abs(x) > 0.055) & (np.abs(x) < 0.08)
    around_neck = skin & (np.abs(y + 0.4 * z - neck[1] - 0.4 * neck[2]) < 0.025) & (z < 0.0)
    chest = (rig.weights[:, 0] > 0.5) & skin
    regressor = np.stack([region / region.sum() for region in (chest, around_neck, hinge, mesh.component == 4, mesh.component == 5)])
    for row, component in ((3, 4), (4, 5)):
        # The weighted mean of an eyeball's vertices is its centre, so growing it leaves the joint where it is.
        ball = np.flatnonzero(mesh.component == component)
        conditions = np.concatenate([np.ones((1, len(ball))), (rig.neutral[ball] - rig.joints[row]).T])
        regressor[row, ball] = np.linalg.pinv(conditions)[:, 0]
    return regressor


def _lid_contact(rig: Rig, mesh: Mesh) -> dict[str, np.ndarray]:
    """Both eyes' lids in a blink; the upper lid follows the lower one. The first half of each array is the left eye's."""
    upper, lower = lid_sides(rig, mesh)
    closed = rig.posed(eyeBlinkLeft=1.0)
    pairs = _pairs(closed, upper, lower, half_width=0.0135, centre=rig.joints[3, 0])
    vertices = np.flatnonzero(upper)
    share = -spread_weights(closed[vertices], closed[pairs[:, 0]])
    spread = np.zeros((2 * len(vertices), 2 * len(pairs)))
    spread[: len(vertices), : len(pairs)] = spread[len(vertices) :, len(pairs) :] = share
    return _contact("lid", np.concatenate([pairs, mesh.mirror[pairs]]), np.concatenate([vertices, mesh.mirror[vertices]]), spread)


def _lip_contact(rig: Rig, mesh: Mesh) -> dict[str, np.ndarray]:
    """The lips at rest: the upper one comes down a little, the lower one comes up the rest of the way."""
    upper, lower = lip_sides(rig, mesh)
    pairs = _pairs(rig.neutral, upper, lower, half_width=0.022, centre=0.0)
    above, below = np.flatnonzero(upper), np.flatnonzero(lower)
    down = -0.4 * spread_weights(rig.neutral[above], rig.neutral[pairs[:, 0]], LIP_REACH)
    up = 0.6 * spread_weights(rig.neutral[below], rig.neutral[pairs[:, 1]], LIP_REACH)
    return _contact("lip", pairs, np.concatenate([above, below]), np.concatenate([down, up]))


def _pairs(points: np.ndarray, upper: np.ndarray, lower: np.ndarray, *, half_width: float, centre: float) -> np.ndarray:
    pairs = np.stack(contacts(points, upper, lower, half_width, centre), 1)
    return pairs[np.unique(pairs[:, 0], return_index=True)[1]]


def _contact(name: str, pairs: np.ndarray, vertices: np.ndarray, spread: np.ndarray) -> dict[str, np.ndarray]:
    """Pairs (upper, lower) that meet [P 2], vertices that follow [U], and how far up each goes per metre that a pair is apart [U P]."""
    arrays = {"pairs": pairs.astype(np.int32), "vertices": vertices.astype(np.int32), "spread": spread.astype(np.float16)}
    return {f"{name}_{key}": value for key, value in arrays.items()}


if __name__ == "__main__":
    main()
