"""Beats by construction: a head that reverses at known times, a voice with known bursts."""

import math

import pytest
import torch

from emohead.metrics.beats import beat_alignment, head_beats, voice_beats
from emohead.types import HeadMotion, Waveform


def test_a_swinging_head_beats_at_its_turning_points():
    motion = HeadMotion.neutral(200, 25.0)
    times = (torch.arange(200) + 0.5) / 25
    motion.head_rotation[:, 1] = math.radians(6) * torch.cos(2 * math.pi * 0.5 * times)
    beats = head_beats(motion)
    assert len(beats) == pytest.approx(8, abs=1)
    assert all(abs(beat - round(beat)) < 0.08 for beat in beats)


def test_a_still_or_drifting_head_has_no_beats():
    assert head_beats(HeadMotion.neutral(100, 25.0)) == []
    motion = HeadMotion.neutral(100, 25.0)
    motion.head_rotation[:, 0] = math.radians(1) * torch.linspace(0, 1, 100)
    assert head_beats(motion) == [] and head_beats(HeadMotion.neutral(2, 25.0)) == []


def test_a_voice_beats_where_it_is_loud():
    times = torch.arange(4 * 16_000) / 16_000
    wanted = [0.5, 1.5, 2.5, 3.5]
    level = 0.01 + sum(0.5 * torch.exp(-((times - peak) ** 2) / (2 * 0.05**2)) for peak in wanted)
    beats = voice_beats(Waveform(level * torch.sin(2 * math.pi * 150 * times), 16_000))
    assert beats == pytest.approx(wanted, abs=0.03)


def test_alignment_falls_with_distance():
    assert beat_alignment([1.0, 2.0], [1.0, 2.0, 5.0]) == pytest.approx(1.0)
    assert beat_alignment([1.12], [1.0]) == pytest.approx(math.exp(-0.5), rel=1e-4)
    assert beat_alignment([1.0, 9.0], [1.0]) == pytest.approx(0.5)
    assert math.isnan(beat_alignment([], [1.0])) and math.isnan(beat_alignment([1.0], []))
