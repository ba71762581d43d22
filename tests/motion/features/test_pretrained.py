"""Self-supervised speech encoders give features at the protocol's frame times, for audio of any length, and refuse what is not theirs.

The models are real ones of `transformers`, tiny and untrained, written to disk as published ones are.
"""

import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from emohead.errors import InputError, ResourceError
from emohead.motion.features.base import ENCODER_NAMES, check_features, encoder_named, encoder_of, encoder_record
from emohead.motion.features.phone_bottleneck import N_FEATURES
from emohead.motion.features.pretrained import HubertConfig, PretrainedConfig, Wav2Vec2Config, WavLMConfig, window_starts
from emohead.types import Waveform

transformers = pytest.importorskip("transformers", reason="transformers is not installed (pip install 'emohead[encoders]')")
CONFIGS = {config.name: config for config in (HubertConfig, Wav2Vec2Config, WavLMConfig)}
RATE = 16_000


def write_model(folder: Path, name: str, *, normalize: bool = True, norm: str = "group", seed: int = 0, safe: bool = True) -> Path:
    """An untrained model of two layers with the published models' convolutions."""
    model_class = {"hubert": transformers.HubertModel, "wav2vec2": transformers.Wav2Vec2Model, "wavlm": transformers.WavLMModel}[name]
    settings = model_class.config_class(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, feat_extract_norm=norm,
    )  # fmt: skip
    torch.manual_seed(seed)
    model_class(settings).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
    if not safe:
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    return {name: write_model(tmp_path_factory.mktemp(name), name) for name in CONFIGS}


@pytest.fixture(params=sorted(CONFIGS))
def config(request, models) -> PretrainedConfig:
    return CONFIGS[request.param](source=str(models[request.param]), local_files_only=True)


def noise(seconds: float, rate: int = RATE) -> Waveform:
    """Noise whose loudness goes up and down as speech does."""
    generator = torch.Generator().manual_seed(3)
    samples = torch.randn(round(seconds * rate), generator=generator)
    loudness = 0.1 + torch.sin(torch.arange(samples.shape[0]) / rate * 8.0).abs()
    return Waveform(0.1 * samples * loudness, rate)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.02, 0.0201, 1.0, 1.013])
def test_number_of_frames(config, seconds):
    encoder = config.build()
    features = encoder(noise(seconds))
    assert (encoder.fps, encoder.dim) == (50.0, 16)
    assert features.shape == (max(1, -(-round(seconds * RATE) // 320)), 16) and torch.isfinite(features).all()


def test_frames_are_centred_where_the_protocol_has_them(models):
    """The convolutions see of the sound exactly 12.5 ms before and after (t + 0.5) / 50 s."""
    encoder = Wav2Vec2Config(source=str(models["wav2vec2"])).build()
    n_samples = RATE // 2
    encoder.model.feature_extractor.requires_grad_(True)
    for layer in encoder.model.feature_extractor.conv_layers:
        if getattr(layer, "layer_norm", None) is not None:
            layer.layer_norm = torch.nn.Identity()  # it looks at the whole clip
    encoder.normalizes = False
    samples = noise(0.5).samples
    heard = encoder.heard(Waveform(samples, RATE))
    lead = 40
    assert torch.equal(heard[lead : lead + n_samples], samples) and heard.shape[0] == n_samples + 2 * lead
    heard.requires_grad_(True)
    seen = encoder.model.feature_extractor(heard[None])[0]
    assert seen.shape[1] == 25
    for frame in (0, 1, 7, 24):
        heard.grad = None
        seen[:, frame].sum().backward(retain_graph=True)
        touched = heard.grad.nonzero()[:, 0]
        centre = (touched[0].item() + touched[-1].item() + 1) / 2 - lead
        assert centre / RATE == pytest.approx((frame + 0.5) / encoder.fps, abs=1e-9)


def test_a_click_is_found_at_its_time(config):
    encoder = config.build()
    quiet = noise(2.0).samples
    for time in (0.31, 1.0, 1.73):
        clicked = quiet.clone()
        clicked[round(time * RATE) - 4 : round(time * RATE) + 4] += 0.9
        change = (encoder(Waveform(clicked, RATE)) - encoder(Waveform(quiet, RATE))).norm(dim=1)
        assert abs((change.argmax().item() + 0.5) / encoder.fps - time) <= 0.5 / encoder.fps + 1e-6


def test_loudness_and_rate_do_not_matter(config):
    encoder = config.build()
    audio = noise(2.0)
    features = encoder(audio)
    assert torch.equal(features, encoder(audio))
    torch.testing.assert_close(encoder(Waveform(0.3 * audio.samples, RATE)), features, atol=1e-3, rtol=0.0)
    assert encoder(noise(2.0, 44_100)).shape == features.shape
    with_holes = audio.samples.clone()
    with_holes[5000:5010] = torch.nan
    assert torch.isfinite(encoder(Waveform(with_holes, RATE))).all()


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_long_audio_is_cut_without_a_trace(tmp_path, norm):
    """Cut every 16 s or heard at once: 1 % of the features' spread apart, 12 % in the worst frame, for untrained models."""
    source = str(write_model(tmp_path, "hubert", norm=norm))
    audio = noise(50.0)
    cut, whole = HubertConfig(source=source).build()(audio), HubertConfig(source=source, window_seconds=100.0).build()(audio)
    error = (cut - whole).square().mean(1).sqrt() / whole.std(0).square().mean().sqrt()
    assert cut.shape == (2500, 16)
    assert error.mean() < 0.02 and error.max() < 0.15
    # No step where one stretch gives way to the next.
    steps, smooth_steps = (cut.diff(dim=0) - whole.diff(dim=0)).norm(dim=1), whole.diff(dim=0).norm(dim=1)
    assert steps.max() < 0.2 * smooth_steps.mean()


def test_stretches_cover_everything_once_they_fade():
    for n_frames in (1, 999, 1000, 1001, 1800, 1801, 5037):
        starts = window_starts(n_frames, 1000, 200)
        assert starts[0] == 0 and all(0 < after - before <= 800 for before, after in pairwise(starts))
        assert starts[-1] + 1000 >= n_frames and (n_frames < 1000 or starts[-1] + 1000 == n_frames)


def test_a_layer_in_the_middle(models):
    source = str(models["hubert"])
    audio = noise(1.0)
    last, first, second = (HubertConfig(source=source, layer=layer).build()(audio) for layer in (None, 1, 2))
    assert not torch.allclose(last, first) and torch.allclose(last, second)
    with pytest.raises(InputError, match=r"layers 1\.\.2, not 3"):
        HubertConfig(source=source, layer=3).build()


def test_models_that_want_their_input_as_it_is(tmp_path):
    encoder = WavLMConfig(source=str(write_model(tmp_path, "wavlm", normalize=False))).build()
    audio = noise(0.5)
    assert torch.equal(encoder.heard(audio)[40 : 40 + RATE // 2], audio.samples)


def test_what_is_not_the_model_is_refused_in_one_line(tmp_path, models):
    def message(config: PretrainedConfig) -> str:
        with pytest.raises(InputError) as caught:
            config.build()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "holds a model of kind 'hubert', not wavlm" in message(WavLMConfig(source=str(models["hubert"])))
    assert "config.json is not in the folder" in message(HubertConfig(source=str(tmp_path)))
    pickled = write_model(tmp_path / "pickled", "hubert", safe=False)
    assert "pickled, which is not read" in message(HubertConfig(source=str(pickled)))
    damaged = Path(shutil.copytree(models["hubert"], tmp_path / "damaged"))
    (damaged / "model.safetensors").write_bytes((damaged / "model.safetensors").read_bytes()[:-100])
    assert "model.safetensors cannot be read" in message(HubertConfig(source=str(damaged)))
    (damaged / "preprocessor_config.json").unlink()
    assert "preprocessor_config.json is not in the folder" in message(HubertConfig(source=str(damaged)))
    assert "neither a folder nor fetched before" in message(HubertConfig(source="nobody/nothing", local_files_only=True))
    with pytest.raises(InputError, match="at most half of the window"):
        HubertConfig(overlap_seconds=15.0)


def test_weights_of_another_shape_are_refused(tmp_path, models):
    other = Path(shutil.copytree(models["hubert"], tmp_path / "other"))
    settings = json.loads((other / "config.json").read_text()) | {"num_hidden_layers": 3}
    (other / "config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="its weights lack encoder"):
        HubertConfig(source=str(other)).build()


def test_without_the_package(monkeypatch, models):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ResourceError, match=r"emohead\[encoders\]"):
        HubertConfig(source=str(models["hubert"])).build()


def test_encoders_by_name():
    assert [encoder_named(name).name for name in ENCODER_NAMES] == list(ENCODER_NAMES)
    assert encoder_named("mel", {"n_bands": 40}).build().dim == 40
    for name, settings, expected in (
        ("hubrt", {}, "there are mel, phones, hubert, wav2vec2, wavlm"),
        ("hubert", {"layers": 3}, "has no setting 'layers'"),
        ("hubert", {"layer": "six"}, "layer is 'six'"),
        ("mel", {"n_bands": True}, "n_bands is True; it must be int"),
    ):
        with pytest.raises(InputError, match=expected):
            encoder_named(name, settings)


def test_a_checkpoint_gets_its_encoder_back(tmp_path, models):
    config = HubertConfig(source=str(models["hubert"]), layer=1)
    encoder = config.build()
    record = json.loads(json.dumps(encoder_record(encoder, config)))
    moved = shutil.copytree(models["hubert"], tmp_path / "moved")
    again = encoder_of(record, trained="net.safetensors", source=str(moved))
    assert torch.equal(again(noise(0.3)), encoder(noise(0.3)))
    other = write_model(tmp_path / "other", "hubert", seed=1)
    with pytest.raises(InputError, match=r"net\.safetensors: trained on hubert features .* another checksum of the weights"):
        encoder_of(record, trained="net.safetensors", source=str(other))
    with pytest.raises(InputError, match="does not say what speech features"):
        encoder_of({}, trained="net.safetensors")
    phones = encoder_named("phones")
    stored = encoder_record(phones.build(), phones)
    assert (stored["fps"], stored["dim"]) == (100.0, N_FEATURES) and len(stored["weights"]) == 16
    assert encoder_of(stored, trained="net.safetensors")(noise(0.3)).shape == (30, N_FEATURES)
    with pytest.raises(InputError, match=r"trained on phones features .* given mel features"):
        check_features(stored, encoder_record(encoder_named("mel").build(), encoder_named("mel")), trained="net.safetensors")
    mel = encoder_named("mel")
    assert encoder_of(encoder_record(mel.build(), mel), trained="net.safetensors").dim == 80
