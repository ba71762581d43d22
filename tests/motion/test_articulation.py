"""Coarticulation: the blend is a weighted mean of targets, posteriors and segments agree, and time is handled exactly."""

import pytest
import torch

from emohead.motion.articulation import (
    INNER_FPS,
    articulate_posteriors,
    articulate_segments,
    emphasise,
    fill_gaps,
    frame_times,
    part_before,
    sample,
    smooth,
    split_shapes,
)
from emohead.motion.phone_targets import ARTICULATORS, DIPHTHONGS, SHAPES, load_targets
from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.types import PhonePosteriors, PhoneSegment

TARGETS = load_targets()
JAW, ROUND = ARTICULATORS.index("jawOpen"), ARTICULATORS.index("mouthPucker")


def _word(*phones: str, length: float = 0.12, start: float = 0.3) -> list[PhoneSegment]:
    return [PhoneSegment(phone, start + index * length, start + (index + 1) * length) for index, phone in enumerate(phones)]


def _one_hot(segments: list[PhoneSegment], n_frames: int) -> PhonePosteriors:
    probabilities = torch.zeros(n_frames, len(PHONES))
    for segment in fill_gaps(segments, n_frames / 100):
        probabilities[round(segment.start * 100) : round(segment.end * 100), PHONE_INDEX[segment.phone]] = 1.0
    return PhonePosteriors(100.0, probabilities, torch.zeros(n_frames))


def test_every_phone_has_a_shape():
    assert set(PHONES) == set(SHAPES) | set(DIPHTHONGS) | {"hh"}
    assert torch.equal(TARGETS.spread.sum(1) > 0, torch.ones(len(PHONES), dtype=torch.bool))
    assert TARGETS.values.min() >= 0 and TARGETS.values.max() <= 1


def test_one_long_phone_reaches_its_target():
    shapes = articulate_segments([PhoneSegment("aa", 0.0, 4.0)], 400, TARGETS)
    assert torch.allclose(shapes[200], TARGETS.values[SHAPES.index("aa")], atol=1e-5)


def test_the_blend_stays_within_its_targets():
    segments = _word("hh", "ax", "l", "ow", "w", "er", "l", "d", "s", "ay", "m")
    shapes = articulate_segments(segments, 200, TARGETS)
    assert shapes.min() >= 0 and (shapes <= TARGETS.values.amax(0) + 1e-6).all()


def test_jaw_opens_on_the_vowel_and_lips_round_before_a_rounded_one():
    open_word, round_word = _word("t", "aa", "t"), _word("t", "iy", "t", "uw", "t")
    jaw = articulate_segments(open_word, 110, TARGETS)[:, JAW]
    assert 0.42 <= (int(jaw.argmax()) + 0.5) / INNER_FPS <= 0.54
    rounding = articulate_segments(round_word, 130, TARGETS)[:, ROUND]
    # In the /t/ that ends 60 ms before the /uw/'s centre the lips are already on their way.
    assert rounding[round(0.60 * 100)] > 0.35 * rounding.max()


def test_hh_takes_the_shape_that_follows():
    shapes = split_shapes(_word("hh", "aa"))
    assert [shape.phone for shape in shapes] == ["aa", "aa"]
    assert [shape.phone for shape in split_shapes(_word("hh"))] == ["ax"]


def test_diphthongs_are_split_without_a_gap():
    first, second = split_shapes([PhoneSegment("ay", 1.0, 2.0)])
    assert (first.phone, second.phone, first.end) == ("aa", "ih", second.start)
    assert first.end == pytest.approx(1.6)


def test_certain_posteriors_say_nearly_what_segments_say():
    segments = _word("b", "ae", "t", "ah", "p", "uw", "l", "s", "iy", "m", "ao", "n", length=0.11)
    one = articulate_segments(segments, 190, TARGETS)[:, JAW]
    other = articulate_posteriors(_one_hot(segments, 190), TARGETS)[:, JAW]
    assert torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.93


def test_a_phone_acts_on_both_sides_of_its_time():
    """The kernel once ran backwards in time; rounding decays more slowly after its phone (theta .014) than tongue sounds do."""
    shapes = articulate_posteriors(_one_hot([PhoneSegment("aa", 0.5, 0.6)], 120), TARGETS)[:, JAW]
    assert abs(int(shapes.argmax()) - 54.5) <= 2


def test_an_hour_in_blocks_equals_the_whole():
    segments = _word(*["m", "aa", "t", "iy"] * 40, length=0.1)
    whole = articulate_segments(segments, 1700, TARGETS)
    shifted = [PhoneSegment(s.phone, s.start + 3.0, s.end + 3.0) for s in segments]
    later = articulate_segments(shifted, 2000, TARGETS)
    # Blocks are cut at other places, but the same words get the same shapes.
    assert torch.allclose(later[320:1980], whole[20:1680], atol=2e-4)


def test_louder_is_wider_only_for_what_opens():
    shapes = torch.full((50, len(ARTICULATORS)), 0.2)
    louder = emphasise(shapes, torch.full((50,), 0.5), amount=0.4)
    assert torch.allclose(louder[:, JAW], torch.tensor(0.24)) and torch.equal(louder[:, ROUND], shapes[:, ROUND])


def test_sampling_is_exact_on_straight_lines():
    line = (frame_times(50, 100.0) * 3.0).float()[:, None]
    assert torch.allclose(sample(line, 100.0, frame_times(12, 25.0)), (frame_times(12, 25.0) * 3.0).float()[:, None], atol=1e-5)


def test_smoothing_keeps_level_and_time():
    pulse = torch.zeros(101, 1)
    pulse[50] = 1.0
    out = smooth(pulse, 100.0, 0.02)
    assert out.sum() == pytest.approx(1.0, abs=1e-5) and int(out.argmax()) == 50
    assert torch.allclose(smooth(torch.full((9, 2), 0.3), 100.0, 0.05), torch.full((9, 2), 0.3))


def test_lips_part_before_speech_and_earlier_before_a_closure():
    still, open_start = torch.zeros(200, len(ARTICULATORS)), torch.zeros(200)
    closure = open_start.clone()
    closure[98:105] = 1.0
    free, shut = (part_before(still, [1.0], weight, amount=1.0)[:, JAW] for weight in (open_start, closure))
    assert free.max() == shut.max() == pytest.approx(0.12) and free[:60].max() == 0.0
    assert int(shut.argmax()) < int(free.argmax()) < 100 and shut[98:].max() < 0.02
    assert torch.equal(part_before(still, [], open_start, amount=1.0), still)
