"""Slope, rank correlation and leakage of faces that obey, half obey, ignore, or do too much."""

import math

import pytest
import torch

from emohead.channels import AU_INDEX, N_AU
from emohead.errors import InputError
from emohead.head.action_units import au_to_rig
from emohead.metrics.obedience import LEVELS, OPEN_CHOICE, frame_spearman, measure_obedience, obedience, spearman
from emohead.motion.rules import RuleConfig
from emohead.types import AUTrack, HeadMotion
from tests.tiny import voice


def _faithful(prompt: AUTrack) -> HeadMotion:
    motion = HeadMotion.neutral(prompt.n_frames, prompt.fps)
    motion.rig[:] = au_to_rig(prompt.intensity)
    return motion


@pytest.mark.parametrize("unit", OPEN_CHOICE)
def test_a_face_that_obeys_exactly(unit: str):
    found = measure_obedience(_faithful, unit, n_frames=30, fps=25.0)
    assert found.slope == pytest.approx(1.0, abs=0.02) and found.spearman == pytest.approx(1.0)
    assert found.leakage == pytest.approx(0.0, abs=1e-3) and found.largest_leak < 0.02


def test_rank_correlation_alone_deceives():
    obtained = torch.zeros(len(LEVELS), N_AU)
    obtained[:, AU_INDEX["AU4L"]] = 1e-4 * torch.tensor(LEVELS)
    found = obedience(LEVELS, obtained, ["AU4L"])
    assert found.spearman == pytest.approx(1.0) and found.slope == pytest.approx(1e-4, rel=1e-3)


def test_leakage_is_what_else_moves():
    obtained = torch.zeros(len(LEVELS), N_AU)
    obtained[:, AU_INDEX["AU17"]] = 0.45 * torch.tensor(LEVELS)
    found = obedience(LEVELS, obtained, ["AU4L", "AU4R"])
    assert found.slope == 0.0 and found.spearman == 0.0
    assert found.largest_leak == pytest.approx(0.45, abs=0.02) and found.leakage == pytest.approx(0.45 / 44, abs=5e-3)


def test_requests_that_make_no_sense():
    with pytest.raises(InputError, match="row of intensities per level"):
        obedience([0.0, 1.0], torch.zeros(3, N_AU), ["AU4L"])
    with pytest.raises(InputError, match="unknown action unit"):
        measure_obedience(_faithful, "AU99", n_frames=30, fps=25.0)


def test_spearman_shares_ranks_of_ties():
    assert spearman(torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 4, 9, 16])) == pytest.approx(1.0)
    assert spearman(torch.tensor([1.0, 2, 3, 4]), torch.tensor([4.0, 3, 2, 1])) == pytest.approx(-1.0)
    assert spearman(torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 1, 2, 2])) == pytest.approx(2 / 5**0.5, abs=1e-6)
    assert spearman(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 3.0])) == 0.0


def test_frames_follow_a_course():
    prompt = AUTrack.neutral(60, 25.0)
    prompt.intensity[:, AU_INDEX["AU12L"]] = torch.linspace(0, 0.8, 60)
    prompt.weight[:, AU_INDEX["AU12L"]] = 1.0
    assert frame_spearman(prompt, _faithful(prompt)) == pytest.approx(1.0, abs=0.01)
    assert math.isnan(frame_spearman(AUTrack.neutral(60, 25.0), _faithful(prompt)))


def test_the_rule_engine_obeys_its_brows():
    audio = voice(2.0)
    found = measure_obedience(lambda prompt: RuleConfig().build()(audio, [], prompt=prompt, fps=25.0), "AU4", n_frames=50, fps=25.0)
    assert 0.85 < found.slope < 1.15 and found.spearman > 0.97
