"""A performance at the pace of another recording of the same words."""

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.motion.phones import PHONES
from emohead.motion.timing import pace, retimed
from emohead.types import HeadMotion, PhonePosteriors


def heard(lengths: list[int], phones: list[int]) -> PhonePosteriors:
    """Phones that last so many hundredths of a second, heard with some doubt."""
    labels = torch.repeat_interleave(torch.tensor(phones), torch.tensor(lengths))
    probabilities = 0.7 * torch.nn.functional.one_hot(labels, len(PHONES)).float() + 0.3 / len(PHONES)
    return PhonePosteriors(100.0, probabilities, torch.zeros(len(labels)))


PHONES_SAID = [3, 9, 20, 5, 14, 30, 2, 11]


def test_the_same_recording_keeps_its_pace():
    said = heard([20] * 8, PHONES_SAID)
    assert torch.allclose(pace(said, said), (torch.arange(40) + 0.5) / 25.0, atol=0.01)


def test_what_is_said_later_is_done_later():
    slow, fast = heard([40, 20, 20, 40, 20, 20, 20, 20], PHONES_SAID), heard([20] * 8, PHONES_SAID)
    where = pace(fast, slow)
    assert bool((where.diff() >= 0).all()) and float(where[-1]) == pytest.approx(1.58, abs=0.05)
    motion = HeadMotion.neutral(40, 25.0)
    motion.rig[15:20, RIG_INDEX["browInnerUp"]] = 1.0  # with the fourth phone, .6 to .8 s
    moved = retimed(motion, fast, slow)
    raised = (moved.rig[:, RIG_INDEX["browInnerUp"]] > 0.5).nonzero()[:, 0] / 25.0
    assert moved.n_frames == 50
    assert float(raised.min()) == pytest.approx(0.8, abs=0.09) and float(raised.max()) == pytest.approx(1.2, abs=0.13)


def test_too_long_a_recording_is_refused():
    long = PhonePosteriors(100.0, torch.zeros(1, len(PHONES)).expand(61000, -1), torch.zeros(61000))
    with pytest.raises(InputError, match="up to 600 s"):
        pace(long, long)
