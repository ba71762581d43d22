"""What every speech encoder must hold to. A new encoder's test subclasses `EncoderContract` and supplies `encoder`."""

import pytest
import torch

from emohead.motion.features.base import SpeechEncoder
from emohead.types import Waveform


def speechlike(seconds: float, rate: int = 16000) -> Waveform:
    """Bursts of harmonics over faint noise."""
    time = torch.arange(int(seconds * rate)) / rate
    voice = torch.stack([torch.sin(6.2832 * 120 * k * time) / k for k in range(1, 20)]).sum(0)
    noise = 1e-4 * torch.randn(time.shape, generator=torch.Generator().manual_seed(0))
    return Waveform(0.05 * voice * (torch.sin(25.13 * time) > -0.3).float() + noise, rate)


class EncoderContract:
    """Shapes, frame times, determinism and bad audio."""

    @pytest.fixture
    def encoder(self) -> SpeechEncoder:
        raise NotImplementedError

    @pytest.mark.parametrize(("seconds", "rate"), [(0.0, 16000), (0.00005, 48000), (0.05, 16000), (1.0, 22050), (1.234, 48000)])
    def test_length_follows_the_duration(self, encoder, seconds, rate):
        audio = speechlike(seconds, rate)
        features = encoder(audio)
        assert features.shape == (max(1, int(-(-audio.duration * encoder.fps // 1))), encoder.dim)
        assert features.isfinite().all()

    def test_the_same_audio_gives_the_same_features(self, encoder):
        assert torch.equal(encoder(speechlike(1.0)), encoder(speechlike(1.0)))

    def test_a_click_is_heard_at_its_time(self, encoder):
        samples = torch.zeros(16000)
        samples[8080] = 1.0  # 0.505 s.
        features = encoder(Waveform(samples, 16000))
        change = (features - features[:1]).abs().sum(1)
        assert (change.argmax().item() + 0.5) / encoder.fps == pytest.approx(0.505, abs=1 / encoder.fps)

    def test_bad_samples_are_not_passed_on(self, encoder):
        samples = speechlike(0.5).samples.clone()
        samples[100:200] = torch.nan
        samples[300] = torch.inf
        assert encoder(Waveform(samples, 16000)).isfinite().all()
