"""Lip metrics count what is seen: closures by label, false ones, lag and correlation on speech frames."""

import math

import pytest
import torch

from emohead.metrics.lip import ClosureScore, best_lag, closure_score, correlation, lag_correlation, smooth3, speech_mask
from emohead.types import PhoneSegment

SENTENCE = [
    PhoneSegment("pau", 0.0, 0.4), PhoneSegment("m", 0.4, 0.5), PhoneSegment("aa", 0.5, 0.8), PhoneSegment("p", 0.8, 0.9),
    PhoneSegment("iy", 0.9, 1.2), PhoneSegment("pau", 1.2, 2.0),
]  # fmt: skip


def _gap(*shut: float, fps: float = 50.0) -> torch.Tensor:
    gap = torch.full((round(2.0 * fps),), 0.01)
    for time in shut:
        gap[int(time * fps)] = 0.0
    return gap


def test_closures_hit_missed_and_false():
    score = closure_score(_gap(0.45, 0.65), 50.0, SENTENCE)
    assert (score.hit, score.labelled, score.true_events, score.events) == (1, 2, 1, 2)
    assert score.recall == 0.5 and score.precision == 0.5


def test_shut_lips_in_a_pause_count_neither_way():
    assert closure_score(_gap(0.1, 1.5), 50.0, SENTENCE) == ClosureScore(0, 2, 0, 0)


def test_a_closure_may_miss_by_the_tolerance_and_no_more():
    assert closure_score(_gap(0.385), 50.0, SENTENCE).hit == 1
    assert closure_score(_gap(0.34), 50.0, SENTENCE).hit == 0


def test_scores_add_up():
    total = closure_score(_gap(0.45), 50.0, SENTENCE) + closure_score(_gap(), 50.0, SENTENCE)
    assert (total.recall, total.precision) == (0.25, 1.0)
    assert ClosureScore().recall == 1.0


def test_speech_mask_has_margins():
    mask = speech_mask(SENTENCE, 100, 50.0)
    times = (torch.arange(100) + 0.5) / 50
    assert torch.equal(mask, (times > 0.3) & (times < 1.3))
    assert not speech_mask([PhoneSegment("pau", 0.0, 1.0)], 50, 50.0).any()


def test_a_late_mouth_has_a_positive_lag():
    times = torch.arange(100) / 25
    real = torch.sin(2 * math.pi * 2.3 * times) + 0.3 * torch.sin(2 * math.pi * 1.1 * times)
    late = torch.cat([real[:2], real[:-2]])
    everywhere = torch.ones(100, dtype=torch.bool)
    assert best_lag(late, real, everywhere, fps=25.0) == pytest.approx(0.08)
    assert lag_correlation(late, real, everywhere, shift=2) == pytest.approx(1.0, abs=1e-6)
    assert lag_correlation(late, real, everywhere, shift=0) < 0.6


def test_correlation_needs_movement():
    assert correlation(torch.ones(10), torch.rand(10)) == 0.0


def test_smoothing_keeps_a_level():
    assert torch.allclose(smooth3(torch.full((7,), 2.0)), torch.full((7,), 2.0))
    assert smooth3(torch.tensor([0.0, 0.0, 4.0, 0.0, 0.0])).tolist() == [0.0, 1.0, 2.0, 1.0, 0.0]
