"""The torso's velocities: the torso follows them rigidly, the face does not."""

from dataclasses import replace

import torch

from emohead.head.generic import load_generic
from emohead.types import HeadMotion
from recon.body import UNITS, rigid_basis, torso_share
from tests.tiny import tiny_generic_avatar


def test_a_torso_follows_rigidly_and_a_face_does_not():
    head = load_generic()
    triangle = torch.arange(0, head.triangles.shape[0], 11)[:1300]
    avatar = tiny_generic_avatar(len(triangle))
    avatar = replace(avatar, triangle=triangle, barycentric=torch.full((len(triangle), 3), 1 / 3))
    share = torso_share(head, avatar)
    part = head.vertex_part[head.triangles[avatar.triangle, 0]]
    names = [head.part_names[index] for index in part.tolist()]
    torso = torch.tensor([name.startswith("torso") for name in names])
    face = torch.tensor([name.startswith("face") for name in names])
    assert torso.any() and face.any()
    assert share[torso].mean() > 0.9 and share[face].mean() < 0.1
    basis = rigid_basis(head, avatar)
    shift = basis @ torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 0.0])  # up by one unit
    assert torch.allclose(shift.norm(dim=1), share * UNITS[4], atol=1e-6)
    # A small turn about the neck moves a torso's Gaussian by its distance from the axis.
    rest = head(avatar.identity, HeadMotion.neutral(1, 25.0)).vertices[0]
    place = (rest[head.triangles[avatar.triangle]] * avatar.barycentric[..., None]).sum(1) - head.joints(avatar.identity)[1]
    turned = basis @ torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    assert torch.allclose(turned.norm(dim=1), share * UNITS[1] * place[:, [0, 2]].norm(dim=1), atol=1e-5)
