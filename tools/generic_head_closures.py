"""Contact on the generic head: lips and lids that really meet, lids that stay outside the eyeball, and a tongue that comes out."""

from dataclasses import replace

import numpy as np
from generic_head_mesh import EYE_RADIUS, Mesh, near_lips
from generic_head_rig import MIDWAY, Rig, smoothed
from generic_head_source import EYE_SOCKETS, SHAPES, shape_partner

LIP_LINE = -0.0715
"""Metres: height of the line between the closed lips."""
_OVERLAP = 0.0002
"""Metres: surfaces that close overlap by this much."""
_COLUMN = 0.0016
_CLEARANCE, _SOCKET_CLEARANCE = 0.0004, 0.0001
LIP_REACH, _LID_REACH = 0.0035, 0.0022
_ROUNDS = 12
_GAZED = {"eyeLookDownLeft": (0.0, 0.45), "eyeLookUpLeft": (0.0, -0.45), "eyeLookOutLeft": (0.6, 0.0), "eyeLookInLeft": (-0.6, 0.0)}
"""Gaze (yaw, pitch) of the left eye at which each lid shape is used in full."""
_TONGUE_OUT = 0.034
_TONGUE_LENGTH = 0.037
"""Metres along the surface from the tip to where its underside joins the floor of the mouth."""
_TONGUE_HEIGHT = -0.0755


def with_contact(rig: Rig, mesh: Mesh, from_tip: np.ndarray) -> Rig:
    """The rig with all of this module's corrections; `from_tip` [V] is the way along the surface from the tip of the tongue."""
    rig = replace(rig, neutral=rig.neutral.copy(), shapes=rig.shapes.copy(), midway=rig.midway.copy())
    upper, lower = lip_sides(rig, mesh)
    rig.neutral[:] += _symmetric(mesh, meet(rig.neutral, upper, lower, half_width=0.022, centre=0.0, reach=LIP_REACH))
    _open_lids(rig, mesh)
    _close_lids(rig, mesh)
    _close_lips(rig, mesh, upper, lower)
    rig.shapes[SHAPES.index("tongueOut")] = _tongue_out(rig, mesh, from_tip)
    return rig


def lip_sides(rig: Rig, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the upper and the lower lip, with the inner side that touches."""
    x, y, z = mesh.vertices.T
    lips = (mesh.component == 0) & (np.abs(x) < 0.027) & (np.abs(y - LIP_LINE) < 0.013) & (z > 0.012)
    return lips & (rig.weights[:, 2] < 0.42), lips & (rig.weights[:, 2] >= 0.42)


def lid_sides(rig: Rig, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the upper and the lower lid of the left eye, without the socket behind them."""
    offset = mesh.vertices - rig.joints[3]
    socket = np.asarray(mesh.weights[:, EYE_SOCKETS].sum(1)).ravel() > 0.5
    lids = (mesh.component == 0) & ~socket & (np.linalg.norm(offset, axis=1) < 0.024) & (offset[:, 2] > -0.002)
    lids &= mesh.left
    above = offset[:, 1] > -0.002 + 0.08 * offset[:, 0]
    return lids & above, lids & ~above


def contacts(points: np.ndarray, upper: np.ndarray, lower: np.ndarray, half_width: float, centre: float) -> tuple[np.ndarray, np.ndarray]:
    """In each narrow column, the lowest vertex of `upper` and the highest of `lower`: where the two would meet."""
    pairs = []
    for x in np.arange(-half_width, half_width + 1e-9, _COLUMN):
        near = np.abs(points[:, 0] - centre - x) < 0.8 * _COLUMN
        above, below = np.flatnonzero(near & upper), np.flatnonzero(near & lower)
        if len(above) and len(below):
            pairs.append((above[np.argmin(points[above, 1])], below[np.argmax(points[below, 1])]))
    first, second = np.array(pairs).T
    return first, second


def meet(
    points: np.ndarray, upper: np.ndarray, lower: np.ndarray, *, half_width: float, centre: float, reach: float, share: float = 0.4
) -> np.ndarray:
    """Displacement [V 3] that closes every gap between `upper` and `lower`; `share` of it is the upper side's."""
    moved = points.copy()
    for _ in range(_ROUNDS):
        first, second = contacts(moved, upper, lower, half_width, centre)
        gap = np.maximum(moved[first, 1] - moved[second, 1] + _OVERLAP, 0.0)
        for side, centres, amount in ((upper, first, -share), (lower, second, 1 - share)):
            field = spread_weights(points[side], points[centres], reach) @ np.outer(gap * amount, [0, 1, 0])
            moved[side] += field
    return moved - points


def spread_weights(points: np.ndarray, centres: np.ndarray, reach: float = _LID_REACH) -> np.ndarray:
    """Weights [n m] that blend values between the centres and fade with the distance from the nearest."""
    squared = np.sum((points[:, None] - centres[None]) ** 2, axis=2)
    weight = np.exp(-0.5 * squared / reach**2)
    narrow = np.exp(-0.5 * (squared - squared.min(1, keepdims=True)) / (0.5 * reach) ** 2)
    return weight.max(1, keepdims=True) * narrow / narrow.sum(1, keepdims=True)


def _symmetric(mesh: Mesh, field: np.ndarray) -> np.ndarray:
    return 0.5 * (field + field[mesh.mirror] * [-1, 1, 1])


def _mirrored_shape(rig: Rig, mesh: Mesh, name: str) -> None:
    rig.shapes[SHAPES.index(shape_partner(name))] = rig.shapes[SHAPES.index(name)][mesh.mirror] * [-1, 1, 1]


def _outside_eye(
    points: np.ndarray, centre: np.ndarray, *, gaze: tuple[float, float] = (0.0, 0.0), clearance: float = _CLEARANCE
) -> np.ndarray:
    """Displacement [n 3] that lifts points out of the left eyeball and its cornea, plus a film's width."""
    offset = points - centre
    radius = np.linalg.norm(offset, axis=1, keepdims=True)
    axis = np.array([np.sin(gaze[0]) * np.cos(gaze[1]), -np.sin(gaze[1]), np.cos(gaze[0]) * np.cos(gaze[1])])
    from_axis = np.arccos(np.clip(offset @ axis / radius[:, 0], -1, 1))
    wanted = EYE_RADIUS + clearance + 0.0006 * np.exp((np.cos(from_axis) - 1) / 0.32**2)
    return offset / radius * np.maximum(wanted[:, None] - radius, 0.0)


def settled(rig: Rig, mesh: Mesh, lids: np.ndarray, sockets: np.ndarray) -> Rig:
    """The rig whose left lids and socket (masks [V]), and their images, rest where the running model would push them."""
    rest = np.zeros_like(rig.neutral)
    rest[lids] = _outside_eye(rig.neutral[lids], rig.joints[3])
    rest[sockets] = _outside_eye(rig.neutral[sockets], rig.joints[3], clearance=_SOCKET_CLEARANCE)
    return replace(rig, neutral=rig.neutral + rest + rest[mesh.mirror] * [-1, 1, 1])


def _open_lids(rig: Rig, mesh: Mesh) -> None:
    """Lids at rest, and in the shapes that follow the gaze, stay outside the eye."""
    lids = np.logical_or(*lid_sides(rig, mesh))
    rest = np.zeros_like(rig.neutral)
    rest[lids] = _outside_eye(rig.neutral[lids], rig.joints[3])
    rig.neutral[:] += rest + rest[mesh.mirror] * [-1, 1, 1]
    for name in ("eyeWideLeft", "eyeSquintLeft", *_GAZED):
        shape = rig.shapes[SHAPES.index(name)]
        shape[lids] += _outside_eye((rig.neutral + shape)[lids], rig.joints[3], gaze=_GAZED.get(name, (0.0, 0.0)))
        _mirrored_shape(rig, mesh, name)


def _close_lids(rig: Rig, mesh: Mesh) -> None:
    """At eyeBlink 1 the lids meet; on the way they pass over the eye, not through it."""
    upper, lower = lid_sides(rig, mesh)
    lids = upper | lower
    blink = rig.shapes[SHAPES.index("eyeBlinkLeft")]
    closed = rig.neutral + blink
    for _ in range(3):
        closed = closed + meet(closed, upper, lower, half_width=0.0135, centre=rig.joints[3, 0], reach=_LID_REACH, share=0.7)
        closed[lids] += _outside_eye(closed[lids], rig.joints[3])
    blink[:] = closed - rig.neutral
    _mirrored_shape(rig, mesh, "eyeBlinkLeft")
    left, right = (MIDWAY.index(f"eyeBlink{side}") for side in ("Left", "Right"))
    rig.midway[left, lids] = _outside_eye((rig.neutral + 0.5 * blink)[lids], rig.joints[3])
    rig.midway[right] = rig.midway[left][mesh.mirror] * [-1, 1, 1]


def _close_lips(rig: Rig, mesh: Mesh, upper: np.ndarray, lower: np.ndarray) -> None:
    """Lips stay at rest when mouthClose follows jawOpen, fully and halfway.

    The source's mouthClose says how the chin below is drawn along; its lips themselves rise too far over each other.
    """
    held = _held_share(rig, mesh)
    for amount, offsets in ((1.0, rig.shapes[SHAPES.index("mouthClose")]), (0.5, rig.midway[MIDWAY.index("mouthClose")])):
        offsets[:] += rig.unposed(rig.neutral + (1 - held) * (rig.posed(jawOpen=amount) - rig.neutral), jawOpen=amount, mouthClose=amount)
        posed = rig.posed(jawOpen=amount, mouthClose=amount)
        field = meet(posed, upper, lower, half_width=0.022, centre=0.0, reach=LIP_REACH)
        offsets += _symmetric(mesh, rig.unposed(posed + field, jawOpen=amount, mouthClose=amount))


def _held_share(rig: Rig, mesh: Mesh) -> np.ndarray:
    """How much of the opening each vertex is spared [V 1]: all at the lips, less down the chin."""
    opened = rig.posed(jawOpen=1.0) - rig.neutral
    closed = rig.posed(jawOpen=1.0, mouthClose=1.0) - rig.neutral - opened
    share = np.clip(-np.sum(opened * closed, axis=1) / np.maximum(np.sum(opened * opened, axis=1), 1e-8), 0, 1)
    share[mesh.component != 0] = 0.0
    share = smoothed(mesh, np.maximum(share, near_lips(mesh.vertices) * (mesh.component == 0)), rounds=3)
    return np.maximum(share, np.clip(1.4 * near_lips(mesh.vertices), 0, 1) * (mesh.component == 0))[:, None]


def _tongue_out(rig: Rig, mesh: Mesh, from_tip: np.ndarray) -> np.ndarray:
    """The tongue slides forward over the lower teeth, thins and dips at the tip; its root stays (no source has this shape)."""
    share = 1 - np.clip(from_tip / _TONGUE_LENGTH, 0, 1)
    share = np.where(mesh.component == 1, share * share * (3 - 2 * share), 0.0)
    height = rig.neutral[:, 1] - _TONGUE_HEIGHT
    rise = 0.012 * share * (1 - share**3) - 0.35 * height * share
    return np.stack([-0.15 * rig.neutral[:, 0] * share, rise, _TONGUE_OUT * share], axis=1)
