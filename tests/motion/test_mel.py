"""The log-mel front end: its frames, its level that neither gain nor a cough moves, and bad samples."""

import math

import pytest
import torch

from emohead.motion.features.mel import LogMel, MelConfig, frame_rms, mel_filters, speech_level
from emohead.types import Waveform
from tests.contracts.encoder import EncoderContract

RATE = 16000


def _speechlike(seconds: float, seed: int = 0) -> torch.Tensor:
    """Syllables of a few harmonics at 4 Hz over faint noise."""
    time = torch.arange(int(seconds * RATE)) / RATE
    voice = torch.stack([torch.sin(2 * math.pi * 120 * k * time) / k for k in range(1, 20)]).sum(0)
    syllables = (torch.sin(2 * math.pi * 4 * time) > -0.3).float() * (time % 2 < 1.5)
    return 0.05 * voice * syllables + 1e-4 * torch.randn(time.shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def encoder() -> LogMel:
    return MelConfig().build()


class TestContract(EncoderContract):
    """The log-mel front end is a speech encoder."""

    @pytest.fixture
    def encoder(self) -> LogMel:
        return MelConfig().build()


@pytest.mark.parametrize(("n_samples", "n_frames"), [(0, 1), (1, 1), (160, 1), (161, 2), (800, 5), (16000, 100)])
def test_one_frame_per_ten_milliseconds(encoder, n_samples, n_frames):
    features = encoder(Waveform(torch.zeros(n_samples), RATE))
    assert features.shape == (n_frames, encoder.dim)
    assert features.isfinite().all()


def test_frames_are_centred_in_their_ten_milliseconds(encoder):
    samples = torch.zeros(RATE)
    samples[int(0.505 * RATE)] = 1.0  # The middle of frame 50.
    loudness = encoder.features(samples[None])[0].sum(1)
    around = loudness[48:53] - loudness[0]
    assert around.argmax() == 2
    assert torch.allclose(around[1], around[3], atol=1e-3)


@pytest.mark.parametrize("gain", [0.01, 0.3, 3.0])
def test_gain_does_not_matter(encoder, gain):
    samples = _speechlike(3)
    assert torch.allclose(encoder(Waveform(samples, RATE)), encoder(Waveform(samples * gain, RATE)), atol=1e-3)


def test_sample_rate_does_not_matter(encoder):
    # A tone below both Nyquist limits; what differs is spectral leakage far below it.
    def tone(rate):
        return encoder(Waveform(0.1 * torch.sin(2 * math.pi * 440 * torch.arange(rate * 2) / rate), rate))

    reference, other = tone(RATE), tone(44100)
    assert reference.shape == other.shape
    assert (reference - other)[5:-5, :30].abs().mean() < 0.01


def test_a_cough_moves_the_level_by_less_than_a_decibel():
    quiet = _speechlike(6)
    loud = quiet.clone()
    loud[3 * RATE : 3 * RATE + RATE // 10] += 0.9 * torch.randn(RATE // 10, generator=torch.Generator().manual_seed(1))
    levels = [speech_level(frame_rms(samples, 160)) for samples in (quiet, loud)]
    assert abs(20 * math.log10(levels[1] / levels[0])) < 1.0


def test_silence_and_bad_samples_stay_silent(encoder):
    assert encoder(Waveform(torch.zeros(RATE), RATE)).std() < 1e-6
    broken = torch.zeros(RATE)
    broken[::1000] = math.nan
    assert torch.equal(encoder(Waveform(broken, RATE)), encoder(Waveform(torch.zeros(RATE), RATE)))


def test_warp_moves_the_bands():
    def centre(warp):
        filters = mel_filters(MelConfig(), warp)
        return (filters[:, 40] * torch.arange(filters.shape[0])).sum() / filters[:, 40].sum()

    assert centre(1.1) / centre(1.0) == pytest.approx(1.1, abs=0.02)
