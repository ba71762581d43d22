"""The phone network: its contract on any audio, its file, and what the shipped weights do on speech with known phones."""

import shutil

import numpy as np
import pytest
import torch

from emohead.data.alignments import frame_labels
from emohead.data.tts import speak_flite
from emohead.errors import InputError
from emohead.metrics.phones import score_phones
from emohead.motion.phone_net import PhoneNet, PhoneNetConfig, load_phone_net, save_phone_net
from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.types import Waveform

RATE = 16000


@pytest.fixture(scope="module")
def tiny() -> PhoneNet:
    torch.manual_seed(0)
    return PhoneNetConfig(width=16, n_blocks=2, kernel=3).build().eval()


@pytest.fixture(scope="module")
def trained() -> PhoneNet:
    return load_phone_net()


def _noise(seconds: float) -> Waveform:
    return Waveform(0.1 * torch.randn(int(seconds * RATE), generator=torch.Generator().manual_seed(0)), RATE)


@pytest.mark.parametrize(
    "samples",
    [
        torch.zeros(0),
        torch.zeros(1),
        torch.zeros(800),
        torch.zeros(RATE),
        torch.full((RATE,), float("nan")),
        torch.ones(RATE),
        _noise(0.05).samples,
    ],
)
def test_any_audio_gives_probabilities(trained, samples):
    result = trained.posteriors(Waveform(samples, RATE))
    n_frames = max(1, -(-samples.shape[0] // 160))
    assert result.fps == 100
    assert result.probabilities.shape == (n_frames, len(PHONES))
    assert result.energy.shape == (n_frames,)
    assert torch.allclose(result.probabilities.sum(1), torch.ones(n_frames), atol=1e-5)
    assert result.energy.isfinite().all()


def test_chunks_equal_the_whole(tiny):
    audio = _noise(4.07)
    whole = tiny.posteriors(audio)
    for seconds in (0.03, 0.5, 1.0):
        # The same sums in another order: float32 rounding only.
        assert torch.allclose(tiny.posteriors(audio, chunk_seconds=seconds).probabilities, whole.probabilities, atol=1e-5)


def test_context_is_what_an_output_sees(tiny):
    mel = torch.randn(1, 120, 80, generator=torch.Generator().manual_seed(1))
    changed = mel.clone()
    changed[0, 60] += 1.0
    moved = (tiny(mel) - tiny(changed)).abs().sum(-1)[0] > 0
    frames = torch.nonzero(moved)[:, 0]
    assert 60 - frames.min() <= tiny.context_frames
    assert frames.max() - 60 <= tiny.context_frames
    assert frames.numel() > tiny.context_frames


def test_file_round_trip(tiny, tmp_path):
    path = str(tmp_path / "net.safetensors")
    save_phone_net(tiny, path)
    again = load_phone_net(path)
    assert again.config == tiny.config
    # Weights are stored in half precision.
    assert torch.allclose(again.posteriors(_noise(1)).probabilities, tiny.posteriors(_noise(1)).probabilities, atol=2e-3)


@pytest.mark.parametrize("damage", ["cut", "text", "foreign"])
def test_broken_files_are_refused(tiny, tmp_path, damage):
    path = tmp_path / "net.safetensors"
    save_phone_net(tiny, str(path))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "text":
        path.write_text("not weights")
    else:
        from safetensors.torch import save_file

        save_file({"x": torch.zeros(1)}, str(path))
    with pytest.raises(InputError, match="not a phone network"):
        load_phone_net(str(path))


def test_it_can_learn(tiny):
    """A few steps on one clip lower the loss: gradients reach every parameter."""
    net = PhoneNetConfig(width=16, n_blocks=2, kernel=3).build()
    mel, labels = torch.randn(2, 40, 80), torch.randint(0, len(PHONES), (2, 40))
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(net(mel).flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in net.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_shipped_weights_hear_speech(trained):
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    items = []
    for voice, text in (("slt", "Bob might buy a purple umbrella, maybe."), ("rms", "Stop at the map shop, please, my brother.")):
        speech = speak_flite(text, voice=voice)
        labels = frame_labels(speech.segments, int(speech.audio.duration * 100))
        items.append((trained.posteriors(speech.audio).probabilities.numpy(), labels))
    scores = score_phones(items, threshold=trained.config.closure_threshold)
    # Voices it was trained on, undistorted: far above the figures on people in benchmarks/speech.py.
    assert scores.viseme_accuracy > 0.6
    assert scores.closure_recall > 0.7
    assert scores.silence_recall > 0.7


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.05])
def test_shipped_weights_call_noise_silence(trained, level):
    noise = level * torch.randn(2 * RATE, generator=torch.Generator().manual_seed(2))
    probabilities = trained.posteriors(Waveform(noise, RATE)).probabilities
    assert (probabilities.argmax(1) == PHONE_INDEX["pau"]).float().mean() > 0.8


def test_energy_is_relative_to_speech(trained):
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    audio = speak_flite("hello there, my name is Emma").audio
    loud = trained.posteriors(audio).energy
    quiet = trained.posteriors(Waveform(audio.samples * 0.05, audio.sample_rate)).energy
    assert torch.allclose(loud, quiet, atol=0.05)
    assert -1.0 < np.median(loud[loud > -2]) < 0.5
    assert loud[:5].max() < -3
