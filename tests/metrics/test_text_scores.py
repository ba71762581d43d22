"""Figures of understood sentences, on plans small enough to count by hand."""

import math

import pytest
import torch

from emohead.channels import AU_INDEX, N_AU
from emohead.errors import InputError
from emohead.metrics.text_scores import AnnotatedScores, Phases, TextScores, f1_score, mean_of


def phases(*rows: dict[str, float]) -> Phases:
    intensity = torch.zeros(len(rows), N_AU)
    for row, units in zip(intensity, rows, strict=True):
        for name, value in units.items():
            row[AU_INDEX[name]] = value
    return Phases(intensity)


SMILE, FROWN = {"AU12L": 0.6, "AU12R": 0.6}, {"AU4L": 0.8, "AU4R": 0.8}


def test_what_is_found_as_meant_is_perfect():
    meant = [phases(SMILE), phases(SMILE, FROWN), phases({"AU2L": 0.8}), phases()]
    scores = TextScores.of(meant, meant)
    assert (scores.n, scores.mae, scores.f1, scores.side, scores.order, scores.whole) == (4, 0.0, 1.0, 1.0, 1.0, 1.0)


def test_errors_are_counted_per_channel_and_pooled():
    scores = TextScores.of([phases(SMILE)], [phases({"AU12L": 0.6, "AU4L": 0.4})])
    assert scores.f1 == pytest.approx(2 / 4)  # one hit, one fault, one miss
    assert scores.mae == pytest.approx((0.6 + 0.4) / N_AU)
    assert scores.whole == 0.0 and math.isnan(scores.order) and math.isnan(scores.side)


def test_a_unit_counts_above_a_tenth():
    assert TextScores.of([phases({"AU12L": 0.11})], [phases({"AU12L": 0.09})]).f1 == 0.0
    assert TextScores.of([phases({"AU12L": 0.05})], [phases({})]).f1 == 1.0


def test_sides_and_order():
    left, right = phases({"AU2L": 0.8}), phases({"AU2R": 0.8})
    assert TextScores.of([left, left], [left, right]).side == 0.5
    assert TextScores.of([left], [phases({"AU2L": 0.8, "AU2R": 0.8})]).side == 0.0, "an even face leans to no side"
    assert TextScores.of([phases(SMILE, FROWN)], [phases(FROWN, SMILE)]).order == 0.0
    assert TextScores.of([phases(SMILE, FROWN)], [phases(SMILE, {"AU9L": 0.5}, FROWN)]).order == 1.0
    assert TextScores.of([phases(SMILE, FROWN)], [phases({**SMILE, **FROWN})]).order == 0.0, "all at once has no order"
    there_and_back = [phases(SMILE, {}, SMILE, FROWN, {})]
    assert TextScores.of(there_and_back, [phases(SMILE, SMILE, FROWN)]).order == 1.0, "rest is no phase, and a smile may come again"
    assert TextScores.of(there_and_back, [phases(SMILE, FROWN, SMILE)]).order == 0.0
    assert math.isnan(TextScores.of([phases({}, SMILE, {})], [phases(SMILE)]).order), "one movement has no order"


def test_a_whole_plan_has_the_units_of_every_phase():
    meant = [phases(SMILE, FROWN)]
    assert TextScores.of(meant, [phases({"AU12L": 0.3, "AU12R": 0.9}, FROWN)]).whole == 1.0
    assert TextScores.of(meant, [phases(SMILE)]).whole == 0.0
    assert TextScores.of(meant, [phases(SMILE, {**FROWN, "AU9L": 0.5})]).whole == 0.0


def test_two_annotators():
    first, second = [phases({**SMILE, "AU6L": 0.4})], [phases(SMILE)]
    found = [phases({**SMILE, "AU6L": 0.4})]
    scores = AnnotatedScores.of(first, second, found)
    assert scores.f1_both == 1.0, "what one annotator has is excused"
    assert scores.f1_any == 1.0
    assert AnnotatedScores.of(first, second, [phases(SMILE)]).f1_any == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert scores.mean.mae == pytest.approx(0.2 / N_AU, abs=1e-6)


def test_the_mean_of_annotations_with_other_numbers_of_phases():
    mean = mean_of(phases(SMILE, FROWN), phases(SMILE))
    assert mean.intensity.shape[0] == 2 and mean.peak[AU_INDEX["AU4L"]] == pytest.approx(0.4)
    assert mean_of(phases(), phases(SMILE)).peak[AU_INDEX["AU12L"]] == pytest.approx(0.3)


def test_f1_of_nothing_meant_and_nothing_found_is_one():
    nothing = torch.zeros(2, N_AU, dtype=torch.bool)
    assert f1_score(nothing, nothing) == 1.0


def test_unequal_lists_are_refused():
    with pytest.raises(InputError, match="equally many"):
        TextScores.of([phases(SMILE)], [])
