"""Labels: names, intensities, near misses, and the tables behind them."""

from itertools import pairwise

import pytest

from controllers.labels import LabelController, find_state, parse_label
from controllers.states import actions, states
from emohead.channels import AU_INDEX
from emohead.errors import InputError


def test_the_basic_the_compound_and_more_are_there():
    for name in ("happy", "sad", "surprised", "fearful", "angry", "disgusted", "contemptuous", "neutral"):
        assert name in states()
    assert sum(len(name.split()) == 2 for name in states()) >= 12
    assert len(states()) >= 7 + 14 + 26
    assert all(states().values()) and len(actions()) >= 50


def test_names_words_and_intensities():
    assert find_state("Happy").name == "happy"
    assert find_state("fearfully_surprised").name == "fearfully surprised"
    assert find_state("joyful").name == "happy"
    assert find_state("over the moon").name == "happy"
    assert parse_label("happy:0.8") == ("happy", 0.8)


@pytest.mark.parametrize("wrong", ["happy:", "happy:x", "happy:-1", "happy:2", "happy:nan", "happy:0.5:1"])
def test_wrong_intensities_are_refused(wrong: str):
    with pytest.raises(InputError, match="intensity"):
        parse_label(wrong)


def test_an_unknown_label_lists_near_ones():
    with pytest.raises(InputError, match=r"unknown label 'hapy'; did you mean 'happy'"):
        LabelController("hapy")(10, 25.0)
    for wrong in ("", "left", "smile", "happy sad", "xyzzy"):
        with pytest.raises(InputError, match="unknown label"):
            find_state(wrong)


def test_intensity_is_strictly_monotone():
    peaks = [LabelController("happy", gain)(100, 25.0).intensity[:, AU_INDEX["AU12L"]].max() for gain in (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)]
    assert all(low < high for low, high in pairwise(peaks))


def test_a_mood_is_sustained_and_never_quite_still():
    smile = LabelController("happy")(500, 25.0).intensity[:, AU_INDEX["AU12L"]]
    settled = smile[25:]
    assert settled.min() > 0.9 * 0.7 and settled.max() > 0.9 * 0.97
    assert settled.std() > 0.01


def test_sides_are_alike_unless_the_prototype_says_so():
    track = LabelController("sad")(60, 25.0)
    assert (track.intensity[:, AU_INDEX["AU15L"]] == track.intensity[:, AU_INDEX["AU15R"]]).all()
    contempt = LabelController("contemptuous")(60, 25.0)
    assert contempt.intensity[:, AU_INDEX["AU14R"]].max() > 0.6
    assert contempt.weight[:, AU_INDEX["AU14L"]].max() == 0.0
