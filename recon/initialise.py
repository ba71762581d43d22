"""First guess of an avatar: Gaussians spread over the head model's triangles by part, coloured from the training frames."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from emohead.avatar.binding import triangle_frames
from emohead.avatar.corrections import Corrections
from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.head.base import HeadModel
from emohead.types import HeadMotion
from recon.types import FrameSet, TrackedSequence

SH_C0 = 0.28209479177387814
"""Constant of the degree-0 spherical harmonic: colour = 0.5 + SH_C0 * coefficient."""

_DARK_BEHIND, _DARKEST = 0.045, 0.2
"""Metres behind the front teeth, and the share of light that is left there."""


@dataclass(frozen=True)
class PartPlan:
    """How one part of the head is covered."""

    prefix: str
    """Parts whose names start so."""
    count: int
    """Gaussians to spread over its triangles that the camera can see."""
    freedom: float
    """How far a Gaussian may leave its starting point, metres."""
    correction_freedom: float
    """How far expression may move it on top, metres per latent at full strength."""
    opacity: float = 0.8
    """Starting opacity."""
    min_opacity: float = 0.0
    """Lower limit of the opacity: lids must hide the eyeball behind them."""
    lift: float = 0.0
    """Starting distance above the surface, metres."""
    color: tuple[float, float, float] | None = None
    """Starting colour where frames cannot tell (inside the mouth)."""
    only_behind: float = 1.0
    """Only triangles whose centre has a z below this (metres, head model at rest)."""
    inside_mouth: bool = False
    """Hidden while the lips are closed; what shines through them teaches nothing."""
    color_is_fixed: bool = False
    """Keep the starting colour: the clip never shows this part, and what hides behind others would learn their colour."""


PLANS: tuple[PartPlan, ...] = (
    PartPlan("face", 8500, 6e-3, 4e-3),
    PartPlan("lip", 2400, 3e-3, 4e-3, min_opacity=0.3),
    PartPlan("eyelid", 2600, 3e-3, 3e-3, min_opacity=0.5),
    PartPlan("brow", 1000, 5e-3, 4e-3),
    PartPlan("eye_", 1600, 1e-3, 5e-4, opacity=0.95, min_opacity=0.7),
    PartPlan("teeth", 1300, 2.5e-3, 2e-3, color=(0.62, 0.6, 0.6), inside_mouth=True),
    PartPlan("gums", 300, 3e-3, 2e-3, color=(0.3, 0.12, 0.12), inside_mouth=True),
    PartPlan("tongue", 400, 1e-3, 5e-4, opacity=0.9, min_opacity=0.5, color=(0.42, 0.19, 0.18), inside_mouth=True, color_is_fixed=True),
    PartPlan(
        "mouth_inner", 900, 1.5e-3, 5e-4, opacity=0.95, min_opacity=0.5, color=(0.06, 0.03, 0.03), only_behind=8e-3, inside_mouth=True
    ),
    PartPlan("scalp", 3000, 12e-3, 4e-3),
    PartPlan("scalp", 4500, 25e-3, 8e-3, opacity=0.5, lift=3e-3),
    PartPlan("ear", 1400, 8e-3, 4e-3),
    PartPlan("neck", 2000, 10e-3, 6e-3),
    PartPlan("torso", 5000, 60e-3, 2e-3),
)
"""Denser where people look: eyes, lids, lips."""


@dataclass(frozen=True)
class Layout:
    """Limits of every Gaussian during the fit, from the plan that made it."""

    start: Float[Tensor, "N 3"]
    """Starting offsets, metres."""
    freedom: Float[Tensor, " N"]
    """Metres."""
    correction_freedom: Float[Tensor, " N"]
    """Metres."""
    min_logit: Float[Tensor, " N"]
    """Lower limit of the opacity logit."""
    color_is_fixed: Bool[Tensor, " N"]
    """Gaussians that keep their colour."""
    may_move: Bool[Tensor, " N"]
    """Gaussians of the outside, which may go where more are needed; those behind lids and lips are hidden, but not idle."""
    inside_mouth: Bool[Tensor, " N"]
    """Gaussians that closed lips hide."""
    is_loose: Bool[Tensor, " N"]
    """Gaussians beside the mesh (`recon.loose_parts`)."""
    plan: Int[Tensor, " N"]
    """Index into `PLANS`."""


def initial_avatar(
    name: str,
    head: HeadModel,
    tracked: TrackedSequence,
    frames: FrameSet,
    *,
    background: Float[Tensor, "3"],
    generator: torch.Generator,
    also_seen: HeadMotion | None = None,
) -> tuple[GaussianAvatar, Layout]:
    """Spread Gaussians over the triangles that the camera sees and colour them.

    Args:
        name: of the avatar.
        head: the model the clip was tracked with.
        tracked: the tracked clip.
        frames: the clip; only its training frames are looked at.
        background: RGB 0..1.
        generator: of the random positions.
        also_seen: poses that no picture shows but that must be covered.
    """
    training = frames.training
    sample = training[:: max(1, len(training) // 40)]
    motion = _pick(tracked.motion, torch.tensor(sample))
    vertices = head(tracked.identity, motion).vertices
    rest = head(tracked.identity, HeadMotion.neutral(1, tracked.fps)).vertices
    shown = vertices if also_seen is None else torch.cat([vertices, head(tracked.identity, also_seen).vertices])
    visible = _visible_triangles(shown, head.triangles, tracked)
    triangle, plan = _spread(rest[0], head, visible, generator)
    barycentric = _random_barycentric(triangle.shape[0], generator)
    rest_size = triangle_frames(rest, head.triangles).size[0][triangle]
    per_triangle = torch.zeros(head.triangles.shape[0]).index_add_(0, triangle, torch.ones(triangle.shape[0]))[triangle]
    spacing = rest_size / (2.0 * per_triangle).sqrt()
    layout = _layout(plan)
    logits = torch.logit(torch.tensor([p.opacity for p in PLANS]))[plan]
    scales = torch.stack([0.75 * spacing, 0.75 * spacing, 0.25 * spacing], 1).clamp(2e-4, 8e-3)
    colors = _project_colors(vertices, head.triangles[triangle], barycentric, tracked, frames.images[sample], frames.mattes[sample])
    fixed = torch.tensor([p.color if p.color else (-1.0, 0.0, 0.0) for p in PLANS])[plan]
    depth = (rest[0][head.triangles[triangle]] * barycentric[..., None]).sum(1)[:, 2]
    colors = torch.where(fixed[:, :1] >= 0, fixed * _shade(depth, layout.inside_mouth)[:, None], colors)
    avatar = GaussianAvatar(
        name=name,
        head=head.name,
        identity=tracked.identity,
        camera=tracked.camera,
        background=background,
        triangle=triangle,
        barycentric=barycentric,
        rest_size=rest_size,
        offsets=layout.start.clone(),
        quats=torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(triangle.shape[0], 1),
        log_scales=scales.log(),
        opacity_logits=logits,
        sh=((colors - 0.5) / SH_C0)[:, None],
        corrections=Corrections.none(triangle.shape[0]),
    )
    return avatar, layout


def _shade(depth: Float[Tensor, " N"], inside_mouth: Bool[Tensor, " N"]) -> Float[Tensor, " N"]:
    """How much light reaches each place: less and less behind the front teeth; `depth` is along z, metres."""
    if not bool(inside_mouth.any()):
        return torch.ones_like(depth)
    behind = depth[inside_mouth].max() - depth
    return torch.where(inside_mouth, (1 - behind / _DARK_BEHIND).clamp(_DARKEST, 1), 1.0)


def _pick(motion: HeadMotion, frames: Tensor) -> HeadMotion:
    return HeadMotion(
        motion.fps,
        motion.rig[frames],
        motion.head_rotation[frames],
        motion.torso_rotation[frames],
        motion.translation[frames],
        motion.gaze[frames],
    )


def _visible_triangles(vertices: Tensor, triangles: Tensor, tracked: TrackedSequence) -> Tensor:
    """Triangles that turn towards the camera, inside the picture (and a margin), in at least one of the given frames."""
    camera = tracked.camera
    world_to_camera = camera.world_to_camera[0]
    eye = -world_to_camera[:3, :3].T @ world_to_camera[:3, 3]
    corners = vertices[:, triangles]  # [T, F, 3, 3]
    normal = torch.linalg.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    normal = torch.nn.functional.normalize(normal, dim=-1)
    centre = corners.mean(2)
    facing = (normal * torch.nn.functional.normalize(eye - centre, dim=-1)).sum(-1) > -0.15
    pixels = _pixels(centre, tracked)
    margin = 0.12 * camera.width
    size = torch.tensor([camera.width, camera.height])
    inside = ((pixels > -margin) & (pixels < size + margin)).all(-1)
    return (facing & inside).any(0)


def _spread(rest: Tensor, head: HeadModel, visible: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Triangle and plan of every Gaussian: systematic sampling by area inside each plan, so that coverage is even."""
    corners = rest[head.triangles]
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1) / 2
    part = head.vertex_part[head.triangles].mode(dim=1).values
    triangles, plans = [], []
    for number, plan in enumerate(PLANS):
        parts = torch.tensor([name.startswith(plan.prefix) for name in head.part_names])
        chosen = parts[part] & (visible | torch.tensor(plan.color is not None)) & (corners.mean(1)[:, 2] < plan.only_behind)
        if not bool(chosen.any()):
            continue
        cumulative = (area * chosen).double().cumsum(0)
        ticks = (torch.arange(plan.count, dtype=torch.float64) + torch.rand((), generator=generator).double()) / plan.count
        triangles.append(torch.searchsorted(cumulative, ticks * cumulative[-1]).clamp_max(area.shape[0] - 1))
        plans.append(torch.full((plan.count,), number))
    return torch.cat(triangles), torch.cat(plans)


def _random_barycentric(count: int, generator: torch.Generator) -> Tensor:
    """Uniform points on a triangle (the square-root map)."""
    first, second = torch.rand(2, count, generator=generator)
    root = first.sqrt()
    return torch.stack([1 - root, root * (1 - second), root * second], 1)


def _layout(plan: Tensor) -> Layout:
    table = torch.tensor([[p.lift, p.freedom, p.correction_freedom, max(p.min_opacity, 1e-3)] for p in PLANS])[plan]
    fixed = torch.tensor([p.color_is_fixed for p in PLANS])[plan]
    outside = torch.tensor([p.color is None and p.prefix != "eye_" for p in PLANS])[plan]
    inside = torch.tensor([p.inside_mouth for p in PLANS])[plan]
    start = torch.zeros(plan.shape[0], 3)
    start[:, 2] = table[:, 0]
    return Layout(start, table[:, 1], table[:, 2], torch.logit(table[:, 3]), fixed, outside, inside, torch.zeros_like(outside), plan)


def _project_colors(
    vertices: Tensor, corners: Tensor, barycentric: Tensor, tracked: TrackedSequence, images: Tensor, mattes: Tensor
) -> Tensor:
    """Colour of each Gaussian's place, averaged over frames with weight coverage * (cosine to the viewer)^2."""
    world_to_camera = tracked.camera.world_to_camera[0]
    eye = -world_to_camera[:3, :3].T @ world_to_camera[:3, 3]
    total, weight = torch.zeros(corners.shape[0], 3), torch.zeros(corners.shape[0], 1)
    for frame, image, matte in zip(vertices, images, mattes, strict=True):
        points = frame[corners]  # [N, 3, 3]
        normal = torch.nn.functional.normalize(torch.linalg.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), dim=-1)
        centre = (points * barycentric[:, :, None]).sum(1)
        cosine = (normal * torch.nn.functional.normalize(eye - centre, dim=-1)).sum(-1, keepdim=True).clamp_min(0.02)
        column, row = _pixels(centre, tracked).long().unbind(-1)
        pixel = row.clamp(0, image.shape[0] - 1), column.clamp(0, image.shape[1] - 1)
        share = (matte[pixel] > 250).float()[:, None] * cosine**2 + 1e-6
        total += image[pixel].float() / 255.0 * share
        weight += share
    return total / weight


def _pixels(world: Tensor, tracked: TrackedSequence) -> Tensor:
    world_to_camera, intrinsics = tracked.camera.world_to_camera[0], tracked.camera.intrinsics[0]
    in_camera = world @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    return in_camera[..., :2] / in_camera[..., 2:] * intrinsics.diagonal()[:2] + intrinsics[:2, 2]
