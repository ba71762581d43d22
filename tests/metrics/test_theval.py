"""THEval's geometric measures on motions whose answer is known."""

import math

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.head.generic import load_generic
from emohead.metrics.theval import GeometricScores, closeness, geometric_scores, mean_scores, overall
from emohead.metrics.vertices import face_vertices
from emohead.types import HeadMotion, PhoneSegment, Waveform

HEAD = load_generic()
SPEECH = [PhoneSegment("pau", 0.0, 1.0), PhoneSegment("aa", 1.0, 3.0), PhoneSegment("pau", 3.0, 4.0)]


def _clip(jaw: torch.Tensor) -> GeometricScores:
    motion = HeadMotion.neutral(100, 25.0)
    motion.rig[:, RIG_INDEX["jawOpen"]] = jaw
    times = torch.arange(4 * 16_000) / 16_000
    loud = ((times >= 1) & (times < 3)).float() * torch.sin(2 * math.pi * 200 * times) * 0.5
    return geometric_scores(HEAD, face_vertices(HEAD, motion), motion, Waveform(loud, 16_000), SPEECH)


def test_a_mouth_that_follows_beats_one_that_does_not():
    talking = torch.zeros(100)
    talking[25:75] = 0.5
    good, late = _clip(talking), _clip(talking.roll(30))
    assert good.lip_audio_distance < 0.1 < late.lip_audio_distance
    assert good.lip_dynamics == pytest.approx(late.lip_dynamics, rel=1e-4) and good.lip_dynamics > 0.5
    assert good.silent_lip_instability == pytest.approx(0.0, abs=0.02)
    assert good.head_motion == 0.0 and good.eyebrow_dynamics == pytest.approx(0.0, abs=1e-4)


def test_lips_that_chatter_in_silence_are_unstable():
    chatter = 0.3 * (torch.arange(100) % 3 == 0).float()
    assert _clip(chatter + 0.1 * (torch.arange(100) % 2)).silent_lip_instability > 0.05


def test_scores_are_closeness_to_the_truth():
    assert closeness(1.5, 1.0) == pytest.approx(0.5) and closeness(1.0, 1.0) == 1.0 and math.isnan(closeness(1.0, 0.0))
    one, other = GeometricScores(1.0, 2.0, 3.0, math.nan, 1.0), GeometricScores(2.0, 2.0, 3.0, 1.0, 1.0)
    assert overall(one, other) == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert mean_scores([one, other]).lip_dynamics == 1.5 and mean_scores([one, other]).silent_lip_instability == 1.0
