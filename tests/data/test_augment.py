"""Augmentation changes clips, keeps their shape, and is decided by its generator alone."""

import math

import pytest
import torch

from emohead.data.augment import AugmentConfig, augment, mask_features


def _clips() -> torch.Tensor:
    time = torch.arange(8000) / 16000
    return torch.stack([0.08 * torch.sin(2 * math.pi * hertz * time) for hertz in (150, 440, 1000, 3000)])


def test_seeded_and_finite():
    def run(seed):
        return augment(_clips(), AugmentConfig(), torch.Generator().manual_seed(seed))

    assert run(1).shape == _clips().shape
    assert torch.equal(run(1), run(1))
    assert not torch.allclose(run(1), run(2))
    assert run(3).isfinite().all()


def test_silent_clips_stay_finite():
    assert augment(torch.zeros(2, 4000), AugmentConfig(), torch.Generator().manual_seed(0)).isfinite().all()


def test_nothing_asked_for_changes_only_the_level():
    off = AugmentConfig(equaliser_db=0.0, band_limit=0.0, room=0.0, noise=0.0, gain_db=(0.0, 0.0), clipping=0.0, companding=0.0)
    clips = _clips()
    result = augment(clips, off, torch.Generator().manual_seed(0))
    assert torch.allclose(result / result.norm(dim=1, keepdim=True), clips / clips.norm(dim=1, keepdim=True), atol=1e-5)
    assert torch.allclose(result.square().mean(1).sqrt(), torch.tensor(off.reference_rms), atol=1e-4)


def test_companding_is_fine_grained():
    only = AugmentConfig(equaliser_db=0.0, band_limit=0.0, room=0.0, noise=0.0, gain_db=(0.0, 0.0), clipping=0.0, companding=1.0)
    off = AugmentConfig(equaliser_db=0.0, band_limit=0.0, room=0.0, noise=0.0, gain_db=(0.0, 0.0), clipping=0.0, companding=0.0)
    coded, plain = (augment(_clips(), config, torch.Generator().manual_seed(0)) for config in (only, off))
    # 8-bit mu-law has about 38 dB of signal to noise.
    ratio = 20 * torch.log10(plain.norm() / (coded - plain).norm())
    assert 25 < ratio < 45


def test_masks_cover_few_cells():
    features = torch.rand(8, 300, 80)
    masked = mask_features(features, torch.Generator().manual_seed(0))
    share = (masked != features).float().mean().item()
    assert 0.01 < share < 0.25
    assert masked.mean().item() == pytest.approx(0.5, abs=0.02)
