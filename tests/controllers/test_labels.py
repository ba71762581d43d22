"""Labels: names, intensities, near misses, and the tables behind them."""

from collections import Counter
from itertools import pairwise

import pytest
import torch

from controllers.labels import Label, LabelController, find_state, parse_label
from controllers.states import actions, states
from controllers.tables import read_table
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
    assert parse_label("happy:0.8") == Label("happy", intensity=0.8)


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


def test_the_21_categories_of_du_are_there():
    du = (
        "happy sad fearful angry surprised disgusted appalled hatred awed happily_surprised happily_disgusted sadly_fearful sadly_angry "
        "sadly_surprised sadly_disgusted fearfully_angry fearfully_surprised fearfully_disgusted angrily_surprised angrily_disgusted "
        "disgustedly_surprised"
    )
    assert len({find_state(name).name for name in du.split()}) == 21
    groups = Counter(row["group"] for row in read_table("emotions")["states"].values())
    # The other six of the 21 are among the basic ones, which have their EMFACS form.
    assert groups["basic"] == 7 and groups["compound"] == 21 - 6 and groups["state"] >= 26


def test_a_label_for_one_side():
    left, whole = (LabelController(label)(100, 25.0) for label in ("happy:0.8:left", "happy:0.8"))
    assert parse_label("happy:left:0.8") == parse_label("happy:0.8:left")
    corner = [AU_INDEX["AU12L"], AU_INDEX["AU12R"]]
    assert torch.equal(left.intensity[:, corner[0]], whole.intensity[:, corner[0]])
    assert left.weight[:, corner[1]].max() == 0.0
    # What leans to one side by nature goes to the side that is asked for.
    for name, channel in (("contemptuous", "AU14"), ("skeptical", "AU2")):
        sides = {side: LabelController(f"{name}:{side}").plan(4.0).events[0].au for side in ("left", "right")}
        assert sides["left"][f"{channel}L"] == pytest.approx(sides["right"][f"{channel}R"])
        assert f"{channel}R" not in sides["left"]


@pytest.mark.parametrize("label", ["va:0.6,-0.2", "vad:-0.5,0.6,0.3:0.8", "VA:-1,1:left", "va:0.3,0.3:right:1.3"])
def test_coordinates_are_labels(label: str):
    track = LabelController(label)(50, 25.0)
    assert track.intensity.max() > 0.05 and track.intensity.max() <= 1.0


@pytest.mark.parametrize(
    "wrong", ["va:", "va", "va:1", "va:1,2", "va:0,nan", "va:a,b", "vad:0,0", "va:0,0,0", "va:0.1,0.1:x", "va:0,0:left:right"]
)
def test_wrong_coordinates_are_refused_in_one_line(wrong: str):
    with pytest.raises(InputError, match=r"^label '[^\n]+$"):
        parse_label(wrong)


@pytest.mark.parametrize("odd", ["", "\x00", "<b>happy</b>", "🤯" * 5, "happy" * 2_000_000, ":::", "va:" + "9" * 5000 + ",0"])
def test_odd_labels_are_refused_in_one_short_line(odd: str):
    with pytest.raises(InputError) as refused:
        LabelController(odd)(10, 25.0)
    assert len(str(refused.value)) < 400
