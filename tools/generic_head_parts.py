"""Which semantic part each vertex of the generic head belongs to, and its texture coordinates."""

import numpy as np
from generic_head_mesh import Mesh
from generic_head_rig import Rig
from generic_head_source import EYE_SOCKETS, MOUTH_SOCKET, NARROW_FACE

PART_NAMES = (
    "face", "lips_upper", "lips_lower", "eyelid_left", "eyelid_right", "brow_left", "brow_right", "scalp", "ear_left", "ear_right",
    "neck", "torso", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "gums", "tongue", "mouth_inner", "socket_left", "socket_right",
)  # fmt: skip
_OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_BROW_LEFT = (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)
_BROW_MARGIN, _LID_REACH = 0.0035, 0.0245
_TONGUE = 0.038
_SKIN_UV, _ISLAND = 0.72, 0.24
_ISLANDS = {4: (0.75, 0.75), 5: (0.75, 0.5), 1: (0.75, 0.25), 2: (0.75, 0.0), 3: (0.5, 0.74)}
"""Lower left corners in texture space of the islands beside the skin, by component."""


def label_parts(rig: Rig, mesh: Mesh, landmarks: np.ndarray, from_tip: np.ndarray) -> np.ndarray:
    """Index into `PART_NAMES` of each vertex [V]; the right half is the image of the left.

    Args:
        rig: for the joints and how far each vertex follows the head and the jaw.
        mesh: the topology.
        landmarks: [478 3] MediaPipe's landmarks on the neutral mesh.
        from_tip: [V] metres along the surface from the tip of the tongue.
    """
    number = {name: index for index, name in enumerate(PART_NAMES)}
    part = np.full(len(mesh.vertices), number["face"])
    x, y, z = rig.neutral.T
    share = {name: _share(mesh, area) for name, area in (("face", NARROW_FACE), ("mouth", MOUTH_SOCKET), ("socket", EYE_SOCKETS))}
    outer = share["face"] < 0.5
    follows_torso = rig.weights[:, 0]
    part[outer & (follows_torso > 0.02)] = number["neck"]
    part[outer & (y + 0.5 * z < -0.11)] = number["neck"]
    part[outer & (y > 0.055 + 1.05 * z)] = number["scalp"]
    part[(mesh.component == 0) & (follows_torso > 0.97) | (mesh.component == 6)] = number["torso"]
    part[outer & (x > 0.068) & (np.hypot((z + 0.083) / 0.023, (y + 0.026) / 0.037) < 1)] = number["ear_left"]

    skin = (mesh.component == 0) & (share["face"] > 0.5) & (z > 0)
    lips = skin & (_distance_inside(rig.neutral[:, :2], landmarks[list(_OUTER_LIPS), :2]) < 0.0008)
    lips &= np.abs(y - landmarks[list(_OUTER_LIPS), 1].mean()) < 0.02
    part[lips] = np.where(rig.weights[lips, 2] < 0.42, number["lips_upper"], number["lips_lower"])
    brow = skin & (_distance_inside(rig.neutral[:, :2], landmarks[list(_BROW_LEFT), :2]) < _BROW_MARGIN)
    part[brow] = number["brow_left"]
    offset = rig.neutral - rig.joints[3]
    lid = (mesh.component == 0) & (np.linalg.norm(offset, axis=1) < _LID_REACH) & (offset[:, 2] > -0.004) & (offset[:, 1] < 0.014)
    part[lid & ~brow] = number["eyelid_left"]
    part[(mesh.component == 0) & (share["socket"] > 0.5)] = number["socket_left"]
    part[(mesh.component == 0) & (share["mouth"] > 0.5)] = number["mouth_inner"]

    for component, name in ((1, "gums"), (2, "teeth_upper"), (3, "teeth_lower"), (4, "eye_left"), (5, "eye_right")):
        part[mesh.component == component] = number[name]
    part[(mesh.component == 1) & (from_tip < _TONGUE)] = number["tongue"]
    part[(mesh.component == 1) & (from_tip < 0.075) & (y > -0.0795) & (rig.weights[:, 2] > 0.5) & (np.abs(x) < 0.02)] = number["tongue"]
    image = np.array([number[mirrored_part(name)] for name in PART_NAMES])
    return np.where(mesh.left, part, image[part[mesh.mirror]])


def mirrored_part(name: str) -> str:
    """The part on the other side (itself for parts of the middle)."""
    if name.endswith("_left"):
        return name.removesuffix("_left") + "_right"
    return name.removesuffix("_right") + "_left" if name.endswith("_right") else name


def texture_coordinates(rig: Rig, mesh: Mesh) -> np.ndarray:
    """Coordinates [V 2] in 0..1: the skin seen from above its crown and unrolled (no seam), the other parts as flat islands."""
    uv = np.zeros((len(mesh.vertices), 2))
    skin = (mesh.component == 0) | (mesh.component == 6)
    offset = rig.neutral[skin] - [0.0, -0.03, -0.07]
    from_crown = np.arctan2(np.linalg.norm(offset[:, [0, 2]], axis=1), offset[:, 1]) / np.pi
    azimuth = np.arctan2(offset[:, 0], offset[:, 2])
    uv[skin] = _SKIN_UV * (0.5 + 0.5 * from_crown[:, None] * np.stack([np.sin(azimuth), -np.cos(azimuth)], 1))
    for component, corner in _ISLANDS.items():
        members = mesh.component == component
        axes = [0, 1] if component in (4, 5) else [0, 2]
        flat = rig.neutral[members][:, axes]
        uv[members] = corner + _ISLAND * (flat - flat.min(0)) / np.ptp(flat, axis=0).max()
    return uv


def _share(mesh: Mesh, area: slice) -> np.ndarray:
    return np.asarray(mesh.weights[:, area].sum(1)).ravel()


def _distance_inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Distance [n] from a closed polygon in the plane, 0 inside it."""
    start, along = polygon, np.roll(polygon, -1, axis=0) - polygon
    offset = points[:, None] - start[None]
    share = np.clip(np.sum(offset * along, axis=2) / np.sum(along * along, axis=1), 0, 1)
    distance = np.linalg.norm(offset - share[..., None] * along, axis=2).min(1)
    rises = (start[:, 1] > points[:, 1:2]) != (np.roll(start[:, 1], -1) > points[:, 1:2])
    slope = along[:, 0] / np.where(along[:, 1] == 0, 1e-12, along[:, 1])
    crossings = rises & (points[:, :1] < start[:, 0] + (points[:, 1:2] - start[:, 1]) * slope)
    return np.where(crossings.sum(1) % 2 == 1, 0.0, distance)
