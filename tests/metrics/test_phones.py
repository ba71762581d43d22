"""Scores of posteriors against labels whose right answer is known."""

import numpy as np
import pytest

from emohead.metrics.phones import closure_probability, runs, score_phones
from emohead.motion.phones import PHONE_INDEX, PHONES


def _labels(text: str) -> np.ndarray:
    return np.array([255 if phone == "?" else PHONE_INDEX[phone] for phone in text.split()], np.uint8)


def _certain(labels: np.ndarray) -> np.ndarray:
    return np.eye(len(PHONES), dtype=np.float32)[np.where(labels == 255, 0, labels)]


TRUTH = _labels("pau pau pau m m m ae ae ae ae p p p f f pau pau pau pau pau")


def test_perfect_posteriors_score_one():
    scores = score_phones([(_certain(TRUTH), TRUTH)], threshold=0.5)
    for name in ("phone_accuracy", "viseme_accuracy", "silence_recall", "silence_precision", "closure_recall", "closure_precision"):
        assert getattr(scores, name) == 1.0, name
    assert scores.n_closures == 2
    assert scores.seconds == pytest.approx(0.2)
    assert scores.closure_offset_ms == 0
    assert scores.labiodental_recall == 1.0


def test_viseme_counts_what_phone_does_not():
    said = _labels("pau pau pau b b b ae ae ae ae m m m v v pau pau pau pau pau")
    scores = score_phones([(_certain(said), TRUTH)], threshold=0.5)
    assert scores.viseme_accuracy == 1.0
    assert scores.phone_accuracy == pytest.approx(12 / 20)


def test_missed_and_false_closures():
    said = _labels("pau pau pau m m m ae ae ae ae t t t f f pau pau pau b b")
    scores = score_phones([(_certain(said), TRUTH)], threshold=0.5)
    assert scores.closure_recall == 0.5
    assert scores.closure_precision == 0.5


def test_a_late_closure_is_reported_in_milliseconds():
    said = np.roll(TRUTH, 1)
    assert score_phones([(_certain(said), TRUTH)], threshold=0.5).closure_offset_ms == pytest.approx(10, abs=5)


def test_unknown_frames_count_nowhere():
    labels = TRUTH.copy()
    labels[:10] = 255
    scores = score_phones([(_certain(_labels("b " * 20)), labels)], threshold=0.5)
    assert scores.seconds == pytest.approx(0.1)
    assert scores.silence_recall == 0.0
    assert np.isnan(score_phones([], threshold=0.5).viseme_accuracy)


def test_runs_and_closure_probability():
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert closure_probability(_certain(TRUTH)).tolist() == [float(PHONES[label] in "pbm") for label in TRUTH]
