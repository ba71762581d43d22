"""What both engines make of recordings that are hardly a voice."""

import warnings

import numpy as np
import pytest
import torch

from emohead.channels import RIG_NAMES
from emohead.errors import InputError
from emohead.media import read_audio
from emohead.motion.speech_to_motion import speech_to_motion
from emohead.types import Waveform
from tests.shared import shared_data

pytest.importorskip("diffusers")
MOUTH = [index for index, name in enumerate(RIG_NAMES) if name.startswith(("mouth", "jaw"))]


def noise(seconds: float, rate: int, *, loud: float = 0.1) -> Waveform:
    generator = torch.Generator().manual_seed(0)
    return Waveform(loud * torch.randn(round(seconds * rate), generator=generator), rate)


def chords() -> Waveform:
    times = np.arange(4 * 16000) / 16000
    tones = [np.sin(2 * np.pi * pitch * part * times) / part for pitch in (220, 277, 330) for part in range(1, 7)]
    return Waveform(torch.tensor(0.03 * np.sum(tones, 0), dtype=torch.float32), 16000)


@pytest.mark.parametrize("engine", ["rules", "diffusion"])
class TestBothEngines:
    def test_silence_keeps_the_mouth_still(self, engine: str):
        motion = speech_to_motion(Waveform(torch.zeros(16000 * 4), 16000), engine=engine)
        assert float(motion.rig[:, MOUTH].std(0).max()) <= 0.05 and float(motion.rig[:, MOUTH].std(0).mean()) <= 0.01

    def test_fifty_milliseconds_make_a_frame(self, engine: str):
        assert speech_to_motion(noise(0.05, 16000), engine=engine).n_frames == 1

    @pytest.mark.parametrize("rate", [8000, 192000])
    def test_any_sample_rate(self, engine: str, rate: int):
        assert speech_to_motion(noise(0.6, rate), engine=engine).n_frames == 15

    def test_not_a_number_is_refused(self, engine: str):
        broken = noise(0.5, 16000)
        broken.samples[100] = torch.nan
        with pytest.raises(InputError, match="NaN or infinite"):
            speech_to_motion(broken, engine=engine)

    def test_music_is_named(self, engine: str):
        with pytest.warns(UserWarning, match="hardly speech"):
            speech_to_motion(chords(), engine=engine)


def test_speech_is_not_doubted():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        speech_to_motion(read_audio(shared_data("speech/jfk.flac")))
