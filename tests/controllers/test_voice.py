"""The expression that a voice suggests."""

from pathlib import Path

import pytest
import torch

from controllers.control import control
from controllers.voice import VoiceController
from emohead.channels import AU_INDEX
from emohead.errors import InputError
from emohead.media import read_audio
from tests.shared import shared_data
from tests.tiny import voice


def test_a_voice_asks_only_for_what_carries_emotion():
    track = VoiceController(voice(1.0), 0.5)(30, 30.0)
    full = VoiceController(voice(1.0))(30, 30.0)
    assert track.n_frames == 30 and torch.allclose(track.intensity, 0.5 * full.intensity, atol=1e-6)
    assert not track.weight[:, AU_INDEX["AU26"]].any() and bool(track.weight[:, AU_INDEX["AU4L"]].all())
    assert not VoiceController(voice(1.0), 0.0)(30, 30.0).weight.any()
    with pytest.raises(InputError, match=r"must be 0\.\.1, got 2"):
        VoiceController(voice(1.0), 2.0)


def test_what_is_asked_for_wins_over_the_voice():
    asked = control(25, 25.0, sliders=("AU4=0.9",), guessed=(VoiceController(voice(1.0)),)).track
    heard = VoiceController(voice(1.0))(25, 25.0)
    assert torch.allclose(asked.intensity[:, AU_INDEX["AU4L"]], torch.tensor(0.9))
    assert torch.allclose(asked.intensity[:, AU_INDEX["AU1L"]], heard.intensity[:, AU_INDEX["AU1L"]])


def test_sadness_is_heard_in_acted_speech():
    # Recordings that the network was trained on: this checks the way from sound to brows, not the network.
    sad, neutral = (read_audio(Path(shared_data(f"speech/emodb/{name}.flac"))) for name in ("03a02Ta", "03a01Nc"))
    inner_brows = [float(VoiceController(audio)(50, 25.0).intensity[:, AU_INDEX["AU1L"]].mean()) for audio in (sad, neutral)]
    assert inner_brows[0] > inner_brows[1] + 0.2
