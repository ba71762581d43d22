"""Carving: a scalp outside the mattes moves in, one inside them stays."""

import torch

from emohead.head.generic import load_generic
from emohead.types import Camera, HeadMotion
from recon.silhouette import carve_scalp
from recon.types import FrameSet, TrackedSequence

SIZE, FOCAL, DISTANCE = 128, 300.0, 0.9


def _clip(top: float) -> tuple[TrackedSequence, FrameSet]:
    """A neutral head whose matte ends at the height `top` (metres)."""
    head = load_generic()
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[2, 3] = DISTANCE
    intrinsics = torch.tensor([[FOCAL, 0.0, 64.0], [0.0, FOCAL, 64.0], [0.0, 0.0, 1.0]])
    camera = Camera(world_to_camera[None], intrinsics[None], SIZE, SIZE)
    tracked = TrackedSequence(25.0, camera, head.identity(), HeadMotion.neutral(2, 25.0), torch.ones(2))
    mattes = torch.full((2, SIZE, SIZE), 255, dtype=torch.uint8)
    mattes[:, : int(64 - FOCAL * top / (DISTANCE + 0.07))] = 0  # the crown is some 7 cm behind the eyes
    images = torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)
    return tracked, FrameSet(25.0, images, mattes, torch.arange(2), torch.zeros(2, dtype=torch.bool))


def test_a_lower_crown_is_carved_and_nothing_else():
    head = load_generic()
    tracked, frames = _clip(top=0.10)
    carved = carve_scalp(head, tracked, frames)
    scalp = head.vertex_part == head.part_names.index("scalp")
    before, after = head.neutral[:, 1], (head.neutral + carved.offsets)[:, 1]
    assert before[scalp].max() > 0.112 and after[scalp].max() < 0.106
    assert carved.offsets[~scalp].abs().max() == 0
    low = scalp & (head.neutral[:, 1] < 0.0)
    assert carved.offsets[low].norm(dim=1).max() < 1e-3


def test_a_scalp_inside_the_mattes_stays():
    head = load_generic()
    tracked, frames = _clip(top=0.2)
    assert carve_scalp(head, tracked, frames).offsets.abs().max() == 0
