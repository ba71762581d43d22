"""Gaussians follow their triangles: rotation, translation and stretch of the mesh are those of the splats."""

from dataclasses import replace

import pytest
import torch

from emohead.avatar.binding import multiply_quats, rotate, rotations_to_quats, triangle_frames
from emohead.errors import InputError
from emohead.types import HeadMesh, HeadMotion
from tests.avatar.tiny_avatar import OCTAHEDRON, TRIANGLES, tiny_avatar


def _random_rotations(count: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    orthogonal, _ = torch.linalg.qr(torch.randn(count, 3, 3, generator=random, dtype=torch.float64))
    return orthogonal * torch.linalg.det(orthogonal)[:, None, None]


def test_quats_rotate_like_their_matrices():
    signs = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1]], dtype=torch.float64)
    rotations = torch.cat([_random_rotations(50), torch.diag_embed(signs)])  # half turns are where a single formula fails
    vectors = torch.randn(len(rotations), 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    quats = rotations_to_quats(rotations)
    assert torch.allclose(rotate(quats, vectors), torch.einsum("bij,bj->bi", rotations, vectors), atol=1e-12)
    composed = multiply_quats(quats, quats.flip(0))
    assert torch.allclose(rotate(composed, vectors), rotate(quats, rotate(quats.flip(0), vectors)), atol=1e-12)


def test_degenerate_triangles_stay_finite():
    vertices = torch.zeros(1, 3, 3)
    frames = triangle_frames(vertices, torch.tensor([[0, 1, 2]]))
    assert torch.isfinite(frames.quats).all() and torch.isfinite(frames.size).all()


def test_rigid_motion_moves_splats_rigidly():
    avatar = tiny_avatar()
    rotation, shift = _random_rotations(1)[0].float(), torch.tensor([0.1, -0.2, 0.3])
    mesh = HeadMesh(torch.stack([OCTAHEDRON, OCTAHEDRON @ rotation.T + shift]), TRIANGLES)
    splats = avatar.pose(mesh, HeadMotion.neutral(2, 25.0))
    assert torch.allclose(splats.means[1], splats.means[0] @ rotation.T + shift, atol=1e-6)
    assert torch.allclose(splats.scales[1], splats.scales[0], rtol=1e-4)
    axis = torch.eye(3)[0].expand(avatar.n_gaussians, 3)
    assert torch.allclose(rotate(splats.quats[1], axis), rotate(splats.quats[0], axis) @ rotation.T, atol=1e-5)


def test_stretch_scales_and_is_clamped():
    avatar = replace(tiny_avatar(), offsets=torch.zeros(20, 3), corrections=tiny_avatar(latents=0).corrections)
    mesh = HeadMesh(torch.stack([OCTAHEDRON, 1.5 * OCTAHEDRON, 10 * OCTAHEDRON]), TRIANGLES)
    splats = avatar.pose(mesh, HeadMotion.neutral(3, 25.0))
    assert torch.allclose(splats.scales[1], 1.5 * splats.scales[0], rtol=1e-4)
    assert torch.allclose(splats.scales[2], 2.0 * splats.scales[0], rtol=1e-4)


def test_batch_equals_single_frames_and_rejects_other_lengths():
    avatar = tiny_avatar(bases=4)
    mesh = HeadMesh(OCTAHEDRON * torch.tensor([1.0, 1.1, 0.9])[:, None, None], TRIANGLES)
    motion = replace(HeadMotion.neutral(3, 25.0), rig=torch.rand(3, 52, generator=torch.Generator().manual_seed(3)))
    batch = avatar.pose(mesh, motion)
    single = avatar.pose(HeadMesh(mesh.vertices[1:2], TRIANGLES), motion.frames(1, 2))
    for name in ("means", "quats", "scales", "opacities", "sh"):
        assert torch.allclose(getattr(batch, name)[1], getattr(single, name)[0], atol=1e-6), name
    with pytest.raises(InputError, match="must agree"):
        avatar.pose(mesh, motion.frames(0, 2))


def test_corrections_are_clamped_to_what_training_saw():
    avatar = tiny_avatar()
    wild = replace(HeadMotion.neutral(1, 25.0), rig=torch.full((1, 52), 100.0))
    latents = avatar.corrections.latents(wild)
    assert (latents <= avatar.corrections.high).all() and (latents >= avatar.corrections.low).all()
    assert avatar.corrections.latents(HeadMotion.neutral(1, 25.0)).abs().max() == 0


def test_pose_is_differentiable():
    avatar = tiny_avatar()
    offsets = avatar.offsets.clone().requires_grad_()
    vertices = OCTAHEDRON[None].clone().requires_grad_()
    splats = replace(avatar, offsets=offsets).pose(HeadMesh(vertices, TRIANGLES), HeadMotion.neutral(1, 25.0))
    (splats.means.square().sum() + splats.quats[..., 0].sum() + splats.scales.sum()).backward()
    for gradient in (offsets.grad, vertices.grad):
        assert gradient is not None and torch.isfinite(gradient).all() and gradient.abs().max() > 0


def test_fused_path_equals_torch_path_forward_and_backward():
    """The fused kernel computes in float32 what `binding` computes; 1e-6 m and 1e-5 are its rounding."""
    avatar = tiny_avatar(n=200, bases=4)
    random = torch.Generator().manual_seed(4)
    vertices = OCTAHEDRON + 0.02 * torch.randn(3, 6, 3, generator=random)
    motion = replace(HeadMotion.neutral(3, 25.0), rig=torch.rand(3, 52, generator=random))
    weights = {name: torch.randn(3, 200, size, generator=random) for name, size in (("means", 3), ("quats", 4), ("scales", 3))}
    names = ("offsets", "quats", "log_scales")
    results = []
    for differentiable_mesh in (False, True):  # a mesh that requires a gradient takes the torch path
        leaves = {name: getattr(avatar, name).clone().requires_grad_() for name in names}
        mesh = HeadMesh(vertices.clone().requires_grad_(differentiable_mesh), TRIANGLES)
        splats = replace(avatar, **leaves).pose(mesh, motion)
        loss = sum((getattr(splats, name) * weight).sum() for name, weight in weights.items())
        results.append((splats, torch.autograd.grad(loss, list(leaves.values()))))
    (fused, fused_gradients), (plain, plain_gradients) = results
    for name in ("means", "quats", "scales"):
        assert torch.allclose(getattr(fused, name), getattr(plain, name), atol=1e-5), name
    for name, one, two in zip(names, fused_gradients, plain_gradients, strict=True):
        assert torch.allclose(one, two, rtol=1e-4, atol=1e-4 * two.abs().max().item()), name
