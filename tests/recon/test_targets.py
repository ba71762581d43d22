"""Replacing the wall behind a person by a flat colour."""

import torch

from recon.targets import clean_plate, over_flat_background
from recon.types import FrameSet


def _clip() -> tuple[FrameSet, torch.Tensor, torch.Tensor]:
    """A red disc with a soft edge that wanders over a graded wall; returns the clip, the wall and the true coverage."""
    size, n_frames = 32, 6
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    wall = torch.stack([rows, columns, rows + columns], -1) / (8.0 * size)
    person = torch.tensor([0.8, 0.1, 0.1])
    images, mattes = [], []
    for frame in range(n_frames):
        distance = ((rows - 16).float() ** 2 + (columns - 8 - 3 * frame).float() ** 2).sqrt()
        alpha = ((8 - distance) / 3).clamp(0, 1)
        images.append((alpha[..., None] * person + (1 - alpha[..., None]) * wall) * 255)
        mattes.append(alpha * 255)
    held_out = torch.arange(n_frames) >= n_frames - 1
    clip = FrameSet(
        25.0, torch.stack(images).round().to(torch.uint8), torch.stack(mattes).round().to(torch.uint8), torch.arange(len(mattes)), held_out
    )
    return clip, wall, torch.stack(mattes) / 255


def test_plate_is_the_wall_where_it_is_ever_uncovered():
    clip, wall, alpha = _clip()
    seen = (alpha[:-1] == 0).any(0)
    error = (clean_plate(clip) - wall).abs().amax(-1)
    assert error[seen].max() < 1 / 255


def test_soft_edges_lose_the_walls_colour():
    clip, _, alpha = _clip()
    background = torch.tensor([0.2, 0.6, 0.9])
    result = over_flat_background(clip, clean_plate(clip), background).float() / 255
    truth = alpha[..., None] * torch.tensor([0.8, 0.1, 0.1]) + (1 - alpha[..., None]) * background
    assert (result - truth).abs().max() < 0.03  # rounding of picture, matte and result; a smooth wall's nearest seen pixel


def test_held_out_frames_shape_no_plate():
    clip, _, _ = _clip()
    changed = clip.images.clone()
    changed[-1] = 0
    assert torch.equal(clean_plate(FrameSet(clip.fps, changed, clip.mattes, clip.index, clip.held_out)), clean_plate(clip))
