"""Odds of action units: shifts are found, applied, and taken back."""

import torch

from controllers.calibration import calibrated, fitted_shifts, uncalibrated
from emohead.channels import AU_INDEX, N_AU


def test_what_is_overlooked_becomes_likelier_and_what_is_overdone_less_likely():
    torch.manual_seed(0)
    odds = torch.randn(4000, N_AU)
    truth = odds.clone()
    left, right = AU_INDEX["AU6L"], AU_INDEX["AU6R"]
    truth[:, [left, right]] += 1.0
    truth[:, AU_INDEX["AU25"]] -= 0.5
    shifts = fitted_shifts(odds.sigmoid(), torch.rand(4000, N_AU) < truth.sigmoid())
    assert abs(shifts["AU6"] - 1.0) < 0.1 and abs(shifts["AU25"] + 0.5) < 0.1 and abs(shifts["AU1"]) < 0.1


def test_few_sentences_shift_little():
    shown, seen = torch.full((5, N_AU), 0.1), torch.ones(5, N_AU, dtype=torch.bool)
    assert 0.0 < fitted_shifts(shown, seen)["AU17"] < 0.3


def test_a_shift_is_taken_back_and_sides_are_alike():
    shown = torch.linspace(0.01, 0.99, 20)[:, None].expand(-1, N_AU)
    moved = calibrated(shown)
    assert torch.allclose(uncalibrated(moved), shown, atol=1e-4) and not torch.allclose(moved, shown, atol=0.01)
    assert torch.equal(moved[:, AU_INDEX["AU12L"]], moved[:, AU_INDEX["AU12R"]]) and (moved.diff(dim=0) > 0).all()
