"""Action units to rig and back: tables agree, sides mirror, conflicts hold, what cannot be told apart is named."""

import pytest
import torch

from emohead.channels import AU_INDEX, AU_NAMES, N_AU, RIG_INDEX, RIG_NAMES
from emohead.errors import InputError
from emohead.head import action_units
from emohead.head.action_units import (
    CHANNELS,
    OPENFACE_AUS,
    au_to_rig,
    channel_names,
    from_openface,
    mirror,
    resolve_conflicts,
    rig_to_au,
    to_openface,
)
from emohead.head.au_table import ACTION_UNITS, POSE_CODES, REGIONS

TOLERANCE = 0.05
BASIC_EMOTIONS = {
    "happiness": {6: 0.8, 12: 0.9, 25: 0.4},
    "sadness": {1: 0.8, 4: 0.5, 15: 0.7, 17: 0.4, 7: 0.2},
    "surprise": {1: 0.9, 2: 0.9, 5: 0.5, 25: 0.6, 26: 0.7},
    "fear": {1: 0.8, 2: 0.5, 4: 0.5, 5: 0.8, 7: 0.3, 20: 0.7, 25: 0.6, 26: 0.3},
    "anger": {4: 0.9, 5: 0.4, 7: 0.7, 23: 0.6, 24: 0.4, 17: 0.3, 10: 0.2},
    "disgust": {9: 0.8, 10: 0.6, 4: 0.4, 17: 0.4, 15: 0.3, 7: 0.3},
}
"""Prototypes without AU11, which beside 4, 9 and 10 is one of the things the rig cannot show apart."""
CANNOT_BE_TOLD_APART = {
    "AU1L": {"AU1R"},  # ARKit has one browInnerUp.
    "AU1R": {"AU1L"},
    "AU27": {"AU26"},  # Both open the jaw; beyond .45 a full AU26 is assumed below AU27.
}
"""Channels that a single other channel may bring along in the round trip. In mixtures also 23 against 24+28, 25 against 10+16, 11 against
9+10 and 13 against 12+34 are exchangeable."""


def intensities(units: dict[int, float]) -> torch.Tensor:
    row = torch.zeros(1, N_AU)
    for number, value in units.items():
        row[0, [AU_INDEX[name] for name in channel_names(f"AU{number}")]] = value
    return row


def single(name: str, value: float) -> torch.Tensor:
    row = torch.zeros(1, N_AU)
    row[0, AU_INDEX[name]] = value
    return row


def test_every_channel_has_its_row_and_every_row_its_channel():
    assert tuple(channel.name for channel in CHANNELS) == AU_NAMES
    assert {channel.unit.number for channel in CHANNELS} == {unit.number for unit in ACTION_UNITS}
    assert all(unit.region in REGIONS for unit in ACTION_UNITS)
    assert len({code.number for code in POSE_CODES}) == len(POSE_CODES) == 12


@pytest.mark.parametrize("value", [0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("name", AU_NAMES)
def test_a_single_action_unit_survives_the_round_trip(name: str, value: float):
    wanted = single(name, value)
    error = (rig_to_au(au_to_rig(wanted)) - wanted).abs()[0]
    error[[AU_INDEX[other] for other in CANNOT_BE_TOLD_APART.get(name, ())]] = 0.0
    assert error.max() < TOLERANCE, f"{name} returns {dict(zip(AU_NAMES, error.tolist(), strict=True))}"


@pytest.mark.parametrize("gain", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("emotion", BASIC_EMOTIONS)
def test_an_emotion_survives_the_round_trip(emotion: str, gain: float):
    wanted = gain * intensities(BASIC_EMOTIONS[emotion])
    error = (rig_to_au(au_to_rig(wanted)) - wanted).abs()
    assert error.max() < TOLERANCE, f"{emotion}: {AU_NAMES[int(error.argmax())]} is off by {error.max():.3f}"


def test_the_inverse_explains_any_face_the_map_can_make():
    draw = torch.Generator().manual_seed(0)
    mixed = torch.rand(400, N_AU, generator=draw) * (torch.rand(400, N_AU, generator=draw) < 0.2)
    rig = au_to_rig(mixed)
    again = au_to_rig(rig_to_au(rig))
    assert (again - rig).abs().mean() < 0.005


def test_both_sides_together_equal_each_side_alone():
    for unit in ACTION_UNITS:
        names = channel_names(f"AU{unit.number}")
        if len(names) == 2 and unit.number not in (1, 30):  # 1 shares a centre channel, 30 is a direction, not a side.
            left, right = (au_to_rig(single(name, 0.7)) for name in names)
            assert torch.allclose(au_to_rig(intensities({unit.number: 0.7})), left + right, atol=1e-6), unit.number


def test_left_and_right_mirror():
    draw = torch.Generator().manual_seed(1)
    mixed = torch.rand(200, N_AU, generator=draw)
    swapped = [RIG_INDEX[_other_side(name)] for name in RIG_NAMES]
    # The sums run in another order: equal up to the rounding of float32.
    assert torch.allclose(au_to_rig(mirror(mixed)), au_to_rig(mixed)[:, swapped], rtol=0.0, atol=1e-6)
    assert torch.equal(mirror(mirror(mixed)), mixed)


def _other_side(name: str) -> str:
    for one, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name.removesuffix(one) + other
    return name


def test_one_side_alone_leaves_the_other_channels_at_rest():
    for name in AU_NAMES:
        if name.endswith("L") and name not in ("AU1L", "AU30L"):
            moved = [RIG_NAMES[i] for i in au_to_rig(single(name, 1.0))[0].nonzero().flatten()]
            assert moved and not any(channel.endswith("Right") for channel in moved), (name, moved)


def test_the_base_map_is_the_published_one():
    expected = {"AU4L": "browDownLeft", "AU5R": "eyeWideRight", "AU12L": "mouthSmileLeft", "AU30R": "jawRight", "AU18": "mouthPucker"}
    for name, channel in expected.items():
        assert au_to_rig(single(name, 0.5))[0, RIG_INDEX[channel]] == pytest.approx(0.5)
    assert au_to_rig(intensities({26: 1.0}))[0, RIG_INDEX["jawOpen"]] == pytest.approx(0.45)
    assert au_to_rig(intensities({27: 1.0}))[0, RIG_INDEX["jawOpen"]] == pytest.approx(1.0)
    assert au_to_rig(intensities({12: 1.0}))[0, RIG_INDEX["cheekSquintLeft"]] == pytest.approx(0.25)


def test_conflicting_muscles_yield():
    def resolved(units: dict[int, float], name: str) -> float:
        return float(resolve_conflicts(intensities(units))[0, AU_INDEX[name]])

    assert resolved({12: 1.0, 15: 1.0}, "AU12L") == pytest.approx(0.75)
    assert resolved({1: 1.0, 4: 1.0}, "AU1L") == pytest.approx(0.8)
    assert resolved({1: 1.0, 4: 1.0}, "AU4R") == pytest.approx(0.6)
    assert resolved({5: 1.0, 43: 1.0}, "AU5L") == 0.0
    assert resolved({5: 1.0, 6: 1.0}, "AU5L") == pytest.approx(0.6)
    assert resolved({24: 1.0, 25: 0.7}, "AU24") == pytest.approx(0.3)
    assert resolved({28: 1.0, 16: 1.0}, "AU16L") == 0.0
    assert resolved({20: 1.0, 18: 0.1}, "AU18") == pytest.approx(0.03, abs=0.002)
    assert resolved({20: 0.1, 22: 1.0}, "AU20L") == pytest.approx(0.03, abs=0.002)
    alone = intensities({12: 0.7})
    assert torch.equal(resolve_conflicts(alone), alone)


def test_intensities_stay_inside_their_limits():
    rig = au_to_rig(torch.full((1, N_AU), 1.0))
    assert rig.min() >= 0.0 and rig.max() <= 1.0
    back = rig_to_au(torch.ones(2, len(RIG_NAMES)))
    assert back.min() >= 0.0 and back.max() <= 1.0
    assert rig_to_au(torch.zeros(0, len(RIG_NAMES))).shape == (0, N_AU)
    assert all(channel.limits == (0.0, 1.0) for channel in CHANNELS)


def test_more_of_one_action_unit_never_moves_its_channels_less():
    steps = torch.linspace(0.0, 1.0, 21)
    for name in AU_NAMES:
        rig = au_to_rig(torch.cat([single(name, float(step)) for step in steps]))
        assert (rig.diff(dim=0) >= -1e-6).all(), name


def test_the_map_has_gradients():
    draw = torch.Generator().manual_seed(2)
    point = (0.15 + 0.4 * torch.rand(2, N_AU, generator=draw)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: action_units.resolve_conflicts(x), point)
    au_to_rig(point.float()).sum().backward()
    assert point.grad is not None and torch.isfinite(point.grad).all()


def test_openface_columns_both_ways():
    assert len(OPENFACE_AUS) == 17
    wanted = intensities({1: 0.4, 4: 0.6, 12: 0.8, 26: 0.5, 43: 1.0})
    columns = to_openface(wanted)
    assert columns[0, OPENFACE_AUS.index(12)] == pytest.approx(4.0)
    assert columns[0, OPENFACE_AUS.index(45)] == pytest.approx(5.0)
    assert torch.allclose(from_openface(columns), wanted)
    assert to_openface(single("AU12L", 1.0))[0, OPENFACE_AUS.index(12)] == pytest.approx(2.5)
    assert to_openface(intensities({27: 0.6}))[0, OPENFACE_AUS.index(26)] == pytest.approx(5.0)


def test_codes_name_channels():
    assert channel_names("au06") == ("AU6L", "AU6R")
    assert channel_names("AU12L") == ("AU12L",)
    assert channel_names("17") == ("AU17",)
    for wrong in ("AU3", "AU17L", "smile", "", "AU12LL"):
        with pytest.raises(InputError, match="unknown action unit"):
            channel_names(wrong)
