"""On the mesh, every action unit moves its own region and, if it has a side, its own side."""

from dataclasses import replace
from functools import lru_cache

import pytest
import torch

from emohead.channels import AU_INDEX, AU_NAMES, N_AU
from emohead.head import generic
from emohead.head.action_units import CHANNELS, Channel, au_to_rig
from emohead.types import HeadMotion

INSIDE, OTHER_SIDE = 0.80, 0.05
BOTH_SIDES_BY_DESIGN = {"AU1L", "AU1R", "AU30L", "AU30R"}
"""ARKit has one browInnerUp for both sides; the jaw moves to a side as a whole."""

# Boxes in millimetres on the mean head (origin between the eyeballs): least |x|, greatest |x|, least y, greatest y.
# The mouth's corners are at (25, -73), the brows at y 16 to 25, the nose's tip at -36, the chin at -113.
BOXES = {
    "brow": ((0, 90, 4, 120), (0, 18, -12, 4)),
    "eye": ((0, 65, -40, 14),),
    "nose": ((0, 58, -85, 22),),
    "cheek": ((12, 90, -80, 14),),
    "upper lip": ((0, 45, -85, -12),),
    "mouth": ((0, 65, -125, -35),),
    "chin": ((0, 90, -140, -55),),
    "jaw": ((0, 90, -190, -45),),
    "tongue": ((0, 40, -140, -45),),
    "puffed cheek": ((0, 90, -120, -20),),
}
"""AU9's region reaches to the upper lip and over the triangle below the eye, which its muscle raises (levator labii superioris alaeque
nasi); the eye's reaches over the lower lid's pouch, which AU7 tightens."""


@lru_cache(maxsize=1)
def _moved() -> torch.Tensor:
    """Area-weighted displacement energy of each vertex for each action unit alone at full intensity, `[A, V]`."""
    head = generic.load_generic()
    motion = replace(HeadMotion.neutral(N_AU, 25.0), rig=au_to_rig(torch.eye(N_AU)))
    at_rest = head(head.identity(), HeadMotion.neutral(1, 25.0)).vertices
    displacement = head(head.identity(), motion).vertices - at_rest  # [A, V, 3]
    corners = head.neutral[head.triangles]  # [F, 3, 3]
    areas = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1) / 2
    weights = torch.zeros(len(head.neutral)).index_add(0, head.triangles.reshape(-1), areas.repeat_interleave(3))
    return displacement.square().sum(-1) * weights


def _in_region(region: str) -> torch.Tensor:
    x, y = (1000 * generic.load_generic().neutral[:, :2]).T
    inside = [(x.abs() >= a) & (x.abs() <= b) & (y >= c) & (y <= d) for a, b, c, d in BOXES[region]]
    return torch.stack(inside).any(0)


def shares(channel: Channel) -> tuple[float, float]:
    """Share of a channel's displacement energy inside its region, and on the other side of the face."""
    energy = _moved()[AU_INDEX[channel.name]]
    inside = energy[_in_region("puffed cheek" if channel.name == "AU34" else channel.unit.region)].sum() / energy.sum()
    x = generic.load_generic().neutral[:, 0] * (-1.0 if channel.side == "R" else 1.0)
    return float(inside), float(energy[x < 0].sum() / energy.sum())


@pytest.mark.parametrize("name", AU_NAMES)
def test_an_action_unit_moves_its_own_region(name: str):
    channel = CHANNELS[AU_INDEX[name]]
    inside, other_side = shares(channel)
    assert inside > INSIDE, f"{name} has {inside:.1%} of its energy in its region ({channel.unit.region})"
    if channel.side and name not in BOTH_SIDES_BY_DESIGN:
        assert other_side < OTHER_SIDE, f"{name} has {other_side:.1%} of its energy on the other side"


def test_one_sided_action_units_are_mirror_images():
    head = generic.load_generic()
    energy = _moved()
    for name in AU_NAMES:
        if name.endswith("L"):
            left, right = energy[AU_INDEX[name]], energy[AU_INDEX[name[:-1] + "R"]]
            assert torch.allclose(left[head.mirror], right, rtol=1e-2, atol=1e-3 * float(left.max())), name
