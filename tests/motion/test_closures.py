"""The constraints hold at the output's frame rate, however short the phone and wherever it falls between frames."""

import pytest
import torch

from emohead.channels import N_RIG, RIG_INDEX
from emohead.motion.closures import constraints_of_posteriors, constraints_of_segments, hold
from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.types import PhonePosteriors, PhoneSegment


@pytest.mark.parametrize("fps", [24.0, 25.0, 30.0, 50.0, 60.0])
@pytest.mark.parametrize("phone", ["p", "b", "m"])
def test_no_closure_falls_between_frames(phone: str, fps: float):
    for offset in torch.linspace(0.5, 0.5 + 1 / fps, 17).tolist():
        weight = constraints_of_segments([PhoneSegment(phone, offset, offset + 0.03)], round(2 * fps), fps).bilabial
        assert weight.max() == 1.0
        on_screen = int(weight.argmax()) / fps
        assert offset - 1 / fps - 0.02 <= on_screen <= offset + 0.05


def test_a_stop_closes_early_in_its_phone_and_a_nasal_throughout():
    stop = constraints_of_segments([PhoneSegment("p", 1.0, 1.2)], 200, 100.0).bilabial
    nasal = constraints_of_segments([PhoneSegment("m", 1.0, 1.2)], 200, 100.0).bilabial
    centre = lambda weight: float((weight * torch.arange(200)).sum() / weight.sum()) / 100 + 0.005  # noqa: E731
    assert centre(stop) == pytest.approx(1.06, abs=0.006)
    assert centre(nasal) == pytest.approx(1.10, abs=0.006)


def test_doubtful_closures_are_graded():
    def weight(probability: float) -> float:
        rows = torch.zeros(100, len(PHONES))
        rows[:, PHONE_INDEX["aa"]] = 1.0
        rows[48:54, PHONE_INDEX["aa"]] = 1 - probability
        rows[48:54, PHONE_INDEX["b"]] = probability
        speech = PhonePosteriors(100.0, rows, torch.zeros(100))
        return float(constraints_of_posteriors(speech, 25, 25.0, threshold=0.4).bilabial.max())

    assert weight(0.2) == 0.0 and weight(0.9) == 1.0
    assert 0.0 < weight(0.3) < weight(0.4) < weight(0.5) < 1.0


def test_held_lips_are_shut_whatever_was_composed():
    rig = torch.rand(40, N_RIG, generator=torch.Generator().manual_seed(0))
    segments = [PhoneSegment("m", 0.2, 0.5), PhoneSegment("aa", 0.5, 1.6)]
    held = hold(rig, constraints_of_segments(segments, 40, 25.0), torch.zeros(40))
    frame = 8
    assert held[frame, RIG_INDEX["mouthClose"]] == held[frame, RIG_INDEX["jawOpen"]] <= 0.2
    assert held[frame, RIG_INDEX["mouthLowerDownLeft"]] == 0.0 < held[frame, RIG_INDEX["mouthShrugLower"]]
    assert torch.equal(held[30], rig[30])


def test_lower_lip_goes_to_the_teeth_and_sibilants_narrow_the_jaw():
    rig = torch.zeros(50, N_RIG)
    rig[:, RIG_INDEX["jawOpen"]] = rig[:, RIG_INDEX["mouthLowerDownLeft"]] = 0.5
    held = hold(rig, constraints_of_segments([PhoneSegment("f", 0.4, 0.5), PhoneSegment("s", 1.4, 1.5)], 50, 25.0), torch.zeros(50))
    at_f, at_s = 11, 36
    assert held[at_f, RIG_INDEX["mouthRollLower"]] >= 0.35 and held[at_f, RIG_INDEX["mouthLowerDownLeft"]] < 0.1
    assert held[at_s, RIG_INDEX["jawOpen"]] == pytest.approx(0.12, abs=0.03)


def test_the_constraints_change_nothing_without_their_phones():
    rig = torch.rand(30, N_RIG, generator=torch.Generator().manual_seed(1))
    assert torch.equal(hold(rig, constraints_of_segments([PhoneSegment("aa", 0.0, 1.0)], 30, 25.0), torch.zeros(30)), rig)


def test_sounds_without_a_closure_do_not_look_shut():
    rig = torch.zeros(50, N_RIG)
    rig[:, RIG_INDEX["mouthShrugLower"]] = 0.4
    nothing = constraints_of_segments([], 50, 25.0)
    talking = torch.cat([torch.zeros(25), torch.ones(25)])
    lower = hold(rig, nothing, talking)[:, RIG_INDEX["mouthLowerDownLeft"]]
    assert lower[:25].max() == 0.0 and lower[25:].min() > 0.8
