"""An expression like a reference's."""

import pytest
import torch

from controllers.binding import load_space
from controllers.blend import crossfade
from controllers.labels import LabelController
from controllers.reference import ARTICULATORS, ReferenceController, expressions, place_of, read_reference
from emohead import assets
from emohead.channels import AU_INDEX
from emohead.errors import InputError
from emohead.media import read_audio
from emohead.types import AUTrack, HeadMotion, Waveform
from tests.contracts.controller import ControllerContract

SMILE, INNER_BROW = AU_INDEX["AU12L"], AU_INDEX["AU1L"]


def changing() -> AUTrack:
    """Five seconds of joy, then five of sadness."""
    return crossfade(LabelController("happy")(250, 25.0), LabelController("sad")(250, 25.0), start=4.5, length=1.0)


class TestMean(ControllerContract):
    def make(self) -> ReferenceController:
        return ReferenceController(read_reference(LabelController("happy")(100, 25.0)))


class TestCourse(ControllerContract):
    def make(self) -> ReferenceController:
        return ReferenceController(read_reference(changing()), course=True)


@pytest.mark.parametrize(("name", "shown"), [("happy", "AU12L"), ("sad", "AU15L"), ("angry", "AU4L"), ("surprised", "AU2L")])
def test_a_face_gives_its_emotion_and_strength(name: str, shown: str):
    full, faint = (expressions(read_reference(LabelController(name, gain)(100, 25.0)).mean())[0, AU_INDEX[shown]] for gain in (1.0, 0.45))
    wanted = LabelController(name)(100, 25.0).intensity[50:, AU_INDEX[shown]].mean()
    assert float((full - wanted).abs()) < 0.25 and float(faint) < 0.75 * float(full)


@pytest.mark.parametrize("course", [False, True])
def test_lips_jaw_gaze_and_head_are_left_alone(course: bool):
    track = ReferenceController(read_reference(LabelController("surprised")(100, 25.0)), course=course)(50, 25.0)
    assert not track.weight[:, [AU_INDEX[name] for name in ARTICULATORS]].any() and not track.pose_weight.any()


def test_a_course_is_stretched_over_the_clip():
    track = ReferenceController(read_reference(changing()), course=True)(500, 25.0)
    asked = track.intensity * track.weight
    assert asked[100:150, SMILE].mean() > 0.4 > 0.1 > asked[400:, SMILE].mean()
    assert asked[400:, INNER_BROW].mean() > 0.3 > asked[100:150, INNER_BROW].mean()
    mean = ReferenceController(read_reference(changing()))(500, 25.0)
    assert float(mean.intensity[100:150].mean(0).sub(mean.intensity[400:450].mean(0)).abs().max()) < 0.2


def test_a_gain_of_nothing_asks_for_nothing():
    reference = read_reference(LabelController("happy")(100, 25.0))
    assert not ReferenceController(reference, intensity=0.0)(50, 25.0).weight.any()
    with pytest.raises(InputError, match=r"between 0 and 1\.3, got 2"):
        ReferenceController(reference, intensity=2.0)(50, 25.0)


def test_a_motion_is_read_as_its_action_units():
    still = read_reference(HeadMotion.neutral(100, 25.0))
    assert float(still.mean().strength) < 0.3 and float(expressions(still.mean()).max()) < 0.2


def test_a_voice_with_pauses_is_read_where_somebody_speaks():
    voice, pause = read_audio(assets.find("sample_speech.wav")).samples[: 3 * 16_000], torch.zeros(5 * 16_000)
    reference = read_reference(Waveform(torch.cat([voice, pause, voice]), 16_000))
    assert torch.allclose(reference.shares.sum(1), torch.ones(len(reference.times)), atol=1e-4)
    assert bool((reference.times.diff() > 0).all()) and float(reference.times.diff().max()) > 0.2
    assert torch.allclose(place_of(Waveform(voice, 16_000), load_space()).norm(), torch.tensor(1.0), atol=1e-5)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Waveform(torch.zeros(80_000), 16_000), "silent"),
        (Waveform(0.1 * torch.randn(160_000, generator=torch.Generator().manual_seed(1)), 16_000), "no voice was heard"),
        (AUTrack.neutral(5, 25.0), "too short"),
        (HeadMotion.neutral(2, 25.0), "too short"),
    ],
)
def test_references_that_cannot_be_read(source: Waveform | AUTrack | HeadMotion, said: str):
    with pytest.raises(InputError, match=said):
        read_reference(source)
