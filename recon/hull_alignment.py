"""Where the head is inside a visual hull, without any landmark: a similarity that lays a head model's outline on the silhouettes.

The hull says where to start; Gauss-Newton from several yaws does the rest. Outlines are compared as signed distances, as in silhouette
registration since Lavallee and Szeliski, "Recovering the position and orientation of free-form objects from image contours using 3D
distance maps" (1995).
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.head.base import HeadModel
from emohead.head.skinning import axis_angle_to_rotations
from emohead.types import Camera, HeadIdentity, HeadMotion
from recon.silhouette import carve_inwards
from recon.visual_hull import Hull, HullSurface, project_depth, up_of

_HEAD = ("face", "scalp", "ear", "lip", "brow", "head", "jaw")
"""Parts, by prefix, whose outline is compared; the last two are those of a FLAME head without the rig's parts."""
_OUTER = (*_HEAD, "neck", "torso")
_MIDDLE = (0.0, -0.01, -0.06)
"""About the middle of a head, metres from between its eyes: rotations and scales are sought about it."""
_YAWS, _STARTING_SCALES = 12, (0.88, 1.0, 1.14)
_BINS = 90
_DEEP = 1.1
"""The top of a body counts as its head down to this many times its width."""
_FIRST, _THEN = 12, 25
_HAIR, _HAIR_JUDGED = 0.1, 0.3
"""Weight of a scalp that lies inside the silhouette, while fitting and while fits are compared: hair is thick, and no head model has
any, but with much less a small head anywhere inside the person would do."""
_COLOR = 0.01
"""Metres of outline that a difference in colour of 1 is worth where front and back are told apart."""
_SURE = 1e-3
"""Metres by which the best yaw must be better than its opposites."""


@dataclass(frozen=True)
class Alignment:
    """A head model's place in the cameras' world: `world = scale * rotation @ head + translation`."""

    scale: float
    """Units of the cameras' world per metre."""
    rotation: Float[Tensor, "3 3"]
    """Head to world."""
    translation: Float[Tensor, "3"]
    """Of the head's origin, in the cameras' world."""
    error: float
    """Root mean square of what its outline misses, robust, metres."""
    margin: float
    """By how much, in metres of outline and colour, the head is better this way than turned by more than a right angle."""

    @property
    def is_sure(self) -> bool:
        """Whether silhouettes and colours tell the face from the back of the head."""
        return self.margin >= _SURE

    def to_world(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
        """Head model's points in the cameras' world."""
        return self.scale * points @ self.rotation.T + self.translation

    def to_head(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
        """World points in the head model's metres."""
        return (points - self.translation) @ self.rotation / self.scale

    def cameras_of_head(self, cameras: Camera) -> Camera:
        """The cameras in the head model's world."""
        to_camera = cameras.world_to_camera.clone()
        to_camera[:, :3, 3] = (to_camera[:, :3, :3] @ self.translation + to_camera[:, :3, 3]) / self.scale
        to_camera[:, :3, :3] = to_camera[:, :3, :3] @ self.rotation
        return Camera(to_camera, cameras.intrinsics, cameras.width, cameras.height)


@dataclass(frozen=True)
class _Outlines:
    """What the outline of the mesh is compared with."""

    vertices: Float[Tensor, "n 3"]
    is_head: Tensor
    is_scalp: Tensor
    distances: Float[Tensor, "C H W"]
    cameras: Camera
    up: Float[Tensor, "3"]


@dataclass(frozen=True)
class _Pose:
    """A similarity about the middle of the head."""

    scale: float
    rotation: Tensor
    middle: Tensor

    def moved(self, step: Float[Tensor, "k 7"], points: Tensor) -> Float[Tensor, "k n 3"]:
        """Points in the world after small steps: log scale, rotation about the world's axes, shift in metres of the head."""
        rotations = axis_angle_to_rotations(step[:, 1:4]) @ self.rotation
        scales = self.scale * step[:, :1, None].exp()
        return scales * (points - torch.tensor(_MIDDLE)) @ rotations.mT + self.middle + self.scale * step[:, None, 4:]

    def stepped(self, step: Float[Tensor, " 7"]) -> "_Pose":
        rotation = axis_angle_to_rotations(step[None, 1:4])[0] @ self.rotation
        return _Pose(self.scale * math.exp(float(step[0])), rotation, self.middle + self.scale * step[4:])


def align(head: HeadModel, hull: Hull, skin: HullSurface, distances: Float[Tensor, "C H W"], cameras: Camera) -> Alignment:
    """Lay the mean head at rest into a hull.

    Args:
        head: the head model.
        hull: of the same silhouettes.
        skin: its surface; the face is unlike the crown in colour, the back of the head mostly is not.
        distances: `recon.visual_hull.signed_distances` of the mattes.
        cameras: the camera of each.
    """
    vertices = head(head.identity(), HeadMotion.neutral(1, 25.0)).vertices[0]
    outer, is_head, scalp = (_part_of(head, names) for names in (_OUTER, _HEAD, ("scalp",)))
    up = up_of(cameras)
    outlines = _Outlines(vertices[outer], is_head[outer], scalp[outer], distances, cameras, up)
    some = replace(outlines, vertices=vertices[outer][::3], is_head=is_head[outer][::3], is_scalp=scalp[outer][::3])
    found = []
    for start in _starts(vertices[outer], hull, up):
        pose = _settled(start, some, _FIRST, 0.02)
        found.append((_miss(pose, some) - _COLOR * _face_shows(pose, skin), pose))
    best_score, best = min(found, key=lambda pair: pair[0])
    opposite = [score for score, pose in found if float((pose.rotation[:, 2] * best.rotation[:, 2]).sum()) < 0]
    pose = _settled(best, outlines, _THEN, 0.006)
    margin = min(opposite, default=math.inf) - best_score
    translation = pose.middle - pose.scale * pose.rotation @ torch.tensor(_MIDDLE)
    return Alignment(pose.scale, pose.rotation, translation, _miss(pose, outlines), margin)


def carve_by_silhouettes(head: HeadModel, found: Alignment, distances: Float[Tensor, "C H W"], cameras: Camera) -> HeadIdentity:
    """The mean head with its scalp moved inwards until no camera has it outside the silhouette.

    Args:
        head: the head model.
        found: where it is.
        distances: `recon.visual_hull.signed_distances` of the mattes.
        cameras: the camera of each.
    """
    still, size = HeadMotion.neutral(1, 25.0), torch.tensor([cameras.width, cameras.height])

    def outside(identity: HeadIdentity, chosen: Tensor) -> Tensor:
        pixels, _ = project_depth(found.to_world(head(identity, still).vertices[0, chosen]), cameras)
        shown = ((pixels >= 0) & (pixels < size)).all(-1)
        beyond = _sampled(distances, torch.arange(len(pixels))[:, None], pixels) > 0
        return (beyond & shown).float().mean(0)

    return carve_inwards(head, head.identity(), outside)


def _part_of(head: HeadModel, prefixes: tuple[str, ...]) -> Tensor:
    return torch.tensor([name.startswith(prefixes) for name in head.part_names])[head.vertex_part]


def _starts(vertices: Tensor, hull: Hull, up: Tensor) -> list[_Pose]:
    """The mean head upright in the top of the hull, turned to all sides and in a few sizes."""
    across = torch.linalg.qr(torch.stack([up, torch.eye(3)[int(up.abs().argmin())]], 1)).Q[:, 1]
    axes = torch.stack([across, up, torch.linalg.cross(across, up)], 1)
    top, width = _top(hull.centres @ axes)
    own_top, own_width = _top(vertices)
    shift = torch.tensor(_MIDDLE) - own_top
    poses = []
    for size in _STARTING_SCALES:
        for yaw in torch.linspace(0.0, 2 * math.pi, _YAWS + 1)[:-1].tolist():
            rotation = axis_angle_to_rotations(yaw * up[None])[0] @ axes
            scale = size * width / own_width
            poses.append(_Pose(scale, rotation, axes @ top + scale * rotation @ shift))
    return poses


def _top(points: Tensor) -> tuple[Tensor, float]:
    """Middle and width of the top part of a body whose up is y, as deep as its head: down to a little more than its own width.

    A slice is as wide as it is where it is narrowest: cameras from one side leave a hull that is too deep, but as wide as the person.
    """
    angles = torch.arange(12) * (math.pi / 12)
    directions = torch.stack([angles.cos(), torch.zeros(12), angles.sin()])
    height = points[:, 1]
    top = float(height.quantile(0.9995))
    step, width, depth = (top - float(height.min())) / 60, 0.0, 0.0
    while depth < _DEEP * width or width == 0.0:
        chosen = (height <= top - depth) & (height > top - depth - step)
        if int(chosen.sum()) < 3:
            break
        level = points[chosen] @ directions
        width, depth = max(width, float((level.amax(0) - level.amin(0)).min())), depth + step
    part = points[height > top - depth]
    return (part.amax(0) + part.amin(0)) / 2, width


def _settled(pose: _Pose, outlines: _Outlines, steps: int, wide: float) -> _Pose:
    """Gauss-Newton with weights that fade beyond `wide` metres; the rig's up holds the head upright softly."""
    probe = torch.cat([torch.zeros(1, 7), 1e-3 * torch.eye(7)])
    for _ in range(steps):
        camera, vertex = _rim(pose, outlines)
        if len(vertex) < 20:
            return pose
        residuals = _residuals(pose, outlines, camera, vertex, probe)
        weight = _weights(residuals[0], outlines, vertex, _HAIR) * _faded(residuals[0] / wide)
        slopes = (residuals[1:] - residuals[0]).T / 1e-3
        lean = torch.linalg.cross(pose.rotation[:, 1], outlines.up)
        prior = torch.zeros(7, 7)
        prior[1:4, 1:4] = 2e-5 * len(vertex) * (torch.eye(3) - torch.outer(outlines.up, outlines.up))
        normal = (slopes * weight[:, None]).T @ slopes + prior + 1e-6 * len(vertex) * torch.eye(7)
        pull = -(slopes * weight[:, None]).T @ residuals[0]
        pull[1:4] += prior[1:4, 1:4] @ lean
        step = torch.linalg.solve(normal, pull)
        pose = pose.stepped(step * min(1.0, 0.3 / float(step.norm().clamp_min(1e-9))))
    return pose


def _rim(pose: _Pose, outlines: _Outlines) -> tuple[Tensor, Tensor]:
    """Camera and vertex of the outline of the head: outermost in each direction around its middle, where neck and torso are not."""
    world = pose.moved(torch.zeros(1, 7), outlines.vertices)[0]
    pixels, _ = project_depth(world, outlines.cameras)
    around = pixels - project_depth(pose.middle[None], outlines.cameras)[0]
    sector = ((torch.atan2(around[..., 1], around[..., 0]) / (2 * math.pi) + 0.5) * _BINS).long().clamp(0, _BINS - 1)
    radius = around.norm(dim=-1)
    farthest = torch.zeros(len(pixels), _BINS).scatter_reduce(1, sector, radius, "amax")
    size = torch.tensor([outlines.cameras.width, outlines.cameras.height])
    shown = ((pixels >= 1) & (pixels < size - 1)).all(-1)
    chosen = (radius >= farthest.gather(1, sector)) & outlines.is_head & shown
    camera, vertex = torch.nonzero(chosen).unbind(1)
    return camera, vertex


def _residuals(pose: _Pose, outlines: _Outlines, camera: Tensor, vertex: Tensor, steps: Float[Tensor, "k 7"]) -> Float[Tensor, "k n"]:
    """How far outside the silhouettes (positive) or inside (negative) vertices are after small steps, metres of the head."""
    world = pose.moved(steps, outlines.vertices[vertex])
    to_camera, intrinsics = outlines.cameras.world_to_camera[camera], outlines.cameras.intrinsics[camera]
    in_camera = torch.einsum("nij,knj->kni", to_camera[:, :3, :3], world) + to_camera[:, :3, 3]
    depth = in_camera[..., 2].clamp_min(1e-6)
    focal = intrinsics.diagonal(dim1=1, dim2=2)[:, :2]
    pixels = in_camera[..., :2] / depth[..., None] * focal + intrinsics[:, :2, 2]
    return _sampled(outlines.distances, camera, pixels) * depth / focal[:, 0] / pose.scale


def _sampled(fields: Float[Tensor, "C H W"], camera: Tensor, pixels: Float[Tensor, "k n 2"]) -> Float[Tensor, "k n"]:
    """Bilinear values of each camera's field."""
    height, width = fields.shape[1:]
    place = (pixels - 0.5).clamp(torch.zeros(2), torch.tensor([width - 1.001, height - 1.001]))
    column, row = place.long().unbind(-1)
    across, down = (place - place.floor()).unbind(-1)
    upper = fields[camera, row, column] * (1 - across) + fields[camera, row, column + 1] * across
    lower = fields[camera, row + 1, column] * (1 - across) + fields[camera, row + 1, column + 1] * across
    return upper * (1 - down) + lower * down


def _weights(residual: Tensor, outlines: _Outlines, vertex: Tensor, hair: float) -> Tensor:
    return torch.where(outlines.is_scalp[vertex] & (residual < 0), hair, 1.0)


def _faded(ratio: Tensor) -> Tensor:
    """Hair may hide where the head ends, so what lies far inside is no evidence; what lies outside always is, if less surely."""
    return torch.where(ratio < 0, (1 + ratio.square()).pow(-2), (1 + ratio.abs()).reciprocal())


def _miss(pose: _Pose, outlines: _Outlines) -> float:
    """Root mean square of the outline's residuals, none counted for more than 2 cm; infinite without an outline."""
    camera, vertex = _rim(pose, outlines)
    if len(vertex) < 20:
        return math.inf
    residual = _residuals(pose, outlines, camera, vertex, torch.zeros(1, 7))[0]
    weight = _weights(residual, outlines, vertex, _HAIR_JUDGED)
    return float(((residual.clamp(-0.02, 0.02).square() * weight).sum() / weight.sum()).sqrt())


def _face_shows(pose: _Pose, skin: HullSurface) -> float:
    """How much more the face differs from the crown in colour than the back of the head does; a side that no camera sees counts 0."""
    points = (skin.points - pose.middle) @ pose.rotation / pose.scale + torch.tensor(_MIDDLE)
    seen = skin.colors.isfinite().all(1)
    x, y, z = points.unbind(1)
    level = seen & (x.abs() < 0.06)
    crown = level & (y > 0.07) & (z < -0.03)
    face = level & (y > -0.09) & (y < 0.04) & (z > -0.01)
    back = level & (y > -0.09) & (y < 0.06) & (z < -0.12)
    if int(crown.sum()) < 10:
        return 0.0
    usual = skin.colors[crown].median(0).values

    def unlike(chosen: Tensor) -> float:
        return float((skin.colors[chosen].median(0).values - usual).norm()) if int(chosen.sum()) >= 10 else 0.0

    return unlike(face) - unlike(back)
