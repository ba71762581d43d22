"""One call from a voice to motion: recognised, aligned or given phones."""

import pytest
import torch

from emohead import assets
from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.motion.rules import RuleConfig
from emohead.motion.speech_to_motion import speech_to_motion
from emohead.types import Waveform
from tests.motion.voices import silence, spoken

shipped = pytest.mark.skipif(
    not any((folder / "phone_net.safetensors").is_file() for folder in assets.search_path()), reason="phone_net.safetensors is absent"
)


def test_given_phones_need_no_recogniser():
    audio, segments = spoken()
    motion = speech_to_motion(audio, transcript=segments, style="lively", seed=2)
    assert torch.equal(motion.rig, speech_to_motion(audio, transcript=segments, style="lively", seed=2).rig)
    assert motion.rig[:, RIG_INDEX["jawOpen"]].max() > 0.15


@shipped
def test_silence_is_heard_as_silence():
    audio, _ = silence(3.0)
    motion = speech_to_motion(audio, fps=30.0)
    assert motion.n_frames == 90 and motion.rig[:, RIG_INDEX["jawOpen"]].max() < 0.05


@shipped
@pytest.mark.parametrize("samples", [0, 400, 16_000])
def test_any_length_and_rate(samples: int):
    noise = 0.05 * torch.randn(samples, generator=torch.Generator().manual_seed(0))
    for sample_rate in (8_000, 48_000):
        motion = speech_to_motion(Waveform(noise, sample_rate), style=RuleConfig(head=0.5))
        assert motion.n_frames == max(1, round(samples / sample_rate * 25)) and torch.isfinite(motion.rig).all()


def test_bad_input_is_named():
    audio, segments = spoken()
    with pytest.raises(InputError, match="the transcript is empty"):
        speech_to_motion(audio, transcript="  ")
    with pytest.raises(InputError, match="unknown style"):
        speech_to_motion(audio, transcript=segments, style="whisper")
