"""Cuts are found, also between takes of one set; movement and slow changes of light are none."""

import torch

from recon.cuts import find_cuts, thumbnail


def _pictures(level: float, count: int, *, seed: int = 0) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    scene = torch.rand(18, 32, generator=random) * 60 + level
    return [scene + torch.randn(18, 32, generator=random) for _ in range(count)]


def test_cuts_between_scenes_and_within_one_set():
    assert find_cuts([*_pictures(20, 10), *_pictures(150, 10), *_pictures(20, 10)]) == [10, 20]
    same_set = _pictures(90, 15)
    moved = [picture.roll(3, 1) * 0.6 + same_set[0] * 0.4 for picture in same_set]
    assert find_cuts([*same_set, *moved]) == [15]


def test_movement_and_slow_light_are_no_cuts():
    assert find_cuts([picture.roll(number, 1) for number, picture in enumerate(_pictures(90, 20))]) == []
    assert find_cuts([picture + 3 * number for number, picture in enumerate(_pictures(60, 30))]) == []
    assert find_cuts([]) == [] and find_cuts(_pictures(20, 1)) == []


def test_a_thumbnail_is_grey():
    image = torch.zeros(90, 160, 3, dtype=torch.uint8)
    image[:, 80:] = torch.tensor([90, 60, 30], dtype=torch.uint8)
    small = thumbnail(image)
    assert small.shape == (18, 32) and torch.allclose(small[:, 20:], torch.tensor(60.0)) and float(small[:, :16].max()) == 0.0
