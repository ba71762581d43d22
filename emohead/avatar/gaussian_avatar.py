"""The avatar: Gaussians bound to a head mesh, posed by `pose(mesh, motion)`; nothing is stored between calls."""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.avatar.binding import STRETCH_RANGE, barycentric_points, multiply_quats, rotate, triangle_frames
from emohead.avatar.corrections import Corrections
from emohead.errors import InputError
from emohead.types import Camera, HeadIdentity, HeadMesh, HeadMotion, Splats


@dataclass(frozen=True)
class GaussianAvatar:
    """One person's Gaussian head. Parameters are unactivated (logits, log scales) and local to a triangle of the head model."""

    name: str
    """What the avatar is called."""
    head: str
    """The head model it is bound to: `generic` or `flame`."""
    identity: HeadIdentity
    """Who the mesh is."""
    camera: Camera
    """The default view, one camera."""
    background: Float[Tensor, "3"]
    """Default background, RGB 0..1."""
    triangle: Int[Tensor, " N"]
    """Index of the triangle each Gaussian rides on."""
    barycentric: Float[Tensor, "N 3"]
    """Where on the triangle its frame sits."""
    rest_size: Float[Tensor, " N"]
    """Size (square root of twice the area, metres) of that triangle on the neutral head; stretch is relative to it."""
    offsets: Float[Tensor, "N 3"]
    """Mean in the triangle's frame, metres at rest."""
    quats: Float[Tensor, "N 4"]
    """Rotation against the triangle's frame, wxyz, not necessarily normalised."""
    log_scales: Float[Tensor, "N 3"]
    """Natural logarithm of the standard deviations in metres at rest."""
    opacity_logits: Float[Tensor, " N"]
    """Opacity before the sigmoid."""
    sh: Float[Tensor, "N K 3"]
    """Spherical-harmonic colour coefficients, K = 1, 4, 9 or 16."""
    corrections: Corrections
    """Expression-driven changes."""

    @property
    def n_gaussians(self) -> int:
        """Number of Gaussians `N`."""
        return self.triangle.shape[0]

    def pose(self, mesh: HeadMesh, motion: HeadMotion) -> Splats:
        """The avatar's Gaussians in every frame of `mesh`.

        Args:
            mesh: the head model's vertices doing `motion` with this avatar's identity, `T` frames.
            motion: the same `T` frames; drives the expression-dependent appearance.

        Returns:
            Splats with a leading frame axis `T`.

        Raises:
            InputError: the mesh has too few triangles for this avatar, or lengths differ.
        """
        if mesh.vertices.shape[0] != motion.n_frames:
            raise InputError(f"pose: mesh has {mesh.vertices.shape[0]} frames and motion has {motion.n_frames}; they must agree")
        if int(self.triangle.max()) >= mesh.triangles.shape[0]:
            raise InputError(f"avatar {self.name!r} is bound to another topology than the given mesh; use its own head model ({self.head})")
        latents = self.corrections.latents(motion)  # [T, Z]
        offsets = self.offsets + torch.einsum("tz,znd->tnd", latents, self.corrections.means)
        means, quats, scales = self._on_triangles(mesh, offsets)
        logits = self.opacity_logits + latents @ self.corrections.opacities
        colors = self.sh[:, 0] + torch.einsum("tz,znd->tnd", latents, self.corrections.colors)
        sh = torch.cat([colors[:, :, None], self.sh[:, 1:].expand(latents.shape[0], -1, -1, -1)], dim=2)
        return Splats(means=means, quats=quats, scales=scales, opacities=torch.sigmoid(logits), sh=sh)

    def _on_triangles(self, mesh: HeadMesh, offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        corners = mesh.triangles[self.triangle]
        if mesh.vertices.device.type == "cpu" and mesh.vertices.dtype == torch.float32 and not mesh.vertices.requires_grad:
            # numba is loaded only when something is posed.
            from emohead.avatar.fused import pose_on_triangles

            posed, _ = pose_on_triangles(mesh.vertices, corners, self.barycentric, self.rest_size, offsets, self.quats, self.log_scales)
            return posed[..., 0:3], posed[..., 3:7], posed[..., 7:10]
        used, which = torch.unique(self.triangle, return_inverse=True)
        frames = triangle_frames(mesh.vertices, mesh.triangles[used])
        frame_quats = frames.quats[:, which]  # [T, N, 4]
        stretch = (frames.size[:, which] / self.rest_size).clamp(*STRETCH_RANGE)[..., None]  # [T, N, 1]
        means = barycentric_points(mesh.vertices, corners, self.barycentric) + rotate(frame_quats, offsets * stretch)
        local_quats = torch.nn.functional.normalize(self.quats, dim=-1).expand_as(frame_quats)
        return means, multiply_quats(frame_quats, local_quats), self.log_scales.exp() * stretch

    def to(self, device: torch.device | str) -> "GaussianAvatar":
        """The same avatar on `device`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)}
        identity = HeadIdentity(self.identity.shape.to(device), self.identity.offsets.to(device))
        camera = replace(self.camera, world_to_camera=self.camera.world_to_camera.to(device), intrinsics=self.camera.intrinsics.to(device))
        return replace(self, identity=identity, camera=camera, corrections=self.corrections.to(device), **tensors)
