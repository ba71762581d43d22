"""A tiny real avatar on an octahedron, for tests of posing and of the file format."""

import torch

from emohead.avatar import Corrections, GaussianAvatar
from emohead.avatar.binding import triangle_frames
from emohead.avatar.corrections import N_FEATURES
from emohead.types import Camera, HeadIdentity

OCTAHEDRON = 0.1 * torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
TRIANGLES = torch.tensor([[4, 0, 2], [4, 2, 1], [4, 1, 3], [4, 3, 0], [5, 2, 0], [5, 1, 2], [5, 3, 1], [5, 0, 3]])


def tiny_avatar(*, n: int = 20, bases: int = 1, latents: int = 2, seed: int = 0) -> GaussianAvatar:
    """`n` random Gaussians bound to an octahedron of radius 10 cm."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    triangle = torch.randint(0, len(TRIANGLES), (n,), generator=random)
    barycentric = torch.rand(n, 3, generator=random)
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[2, 3] = 0.6
    corrections = Corrections(
        torch.zeros(N_FEATURES), 0.1 * normal(N_FEATURES, latents), -torch.ones(latents), torch.ones(latents),
        1e-3 * normal(latents, n, 3), 0.1 * normal(latents, n, 3), 0.1 * normal(latents, n),
    )  # fmt: skip
    return GaussianAvatar(
        name="tiny",
        head="generic",
        identity=HeadIdentity(torch.zeros(2), torch.zeros(6, 3)),
        camera=Camera(world_to_camera[None], torch.tensor([[[80.0, 0, 32], [0, 80.0, 32], [0, 0, 1]]]), 64, 64),
        background=torch.tensor([0.5, 0.5, 0.5]),
        triangle=triangle,
        barycentric=barycentric / barycentric.sum(1, keepdim=True),
        rest_size=triangle_frames(OCTAHEDRON[None], TRIANGLES).size[0, triangle],
        offsets=2e-3 * normal(n, 3),
        quats=normal(n, 4),
        log_scales=torch.log(torch.tensor(0.01)) + 0.2 * normal(n, 3),
        opacity_logits=normal(n),
        sh=normal(n, bases, 3),
        corrections=corrections,
    )
