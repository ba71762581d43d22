"""From a voice to action units: what the network may see, its file, its training."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emohead import assets
from emohead.channels import AU_INDEX, N_AU
from emohead.commands.train_speech_to_au import TrainSpeechToAU, prototypes_of
from emohead.data.emotional_voices import HeardVoice, emotional_voices, hear
from emohead.data.motion_corpus import MotionCorpus, MotionCorpusConfig, build_motion_corpus
from emohead.data.performed_aus import PerformedAUs, performed_aus
from emohead.data.phone_corpus import PhoneCorpus, Utterance
from emohead.data.prompt_plans import PlanConfig
from emohead.errors import InputError
from emohead.media import read_audio
from emohead.motion.features.phone_bottleneck import N_FEATURES
from emohead.motion.phone_net import PhoneNetConfig
from emohead.motion.speech_to_au import SpeechToAU, certainty, load_speech_to_au, save_speech_to_au, silence
from emohead.motion.speech_to_au_net import SpeechToAUConfig, SpeechToAUNet
from emohead.motion.speech_to_au_training import (
    EMOTION_CHANNELS,
    SpeechToAUTrainingConfig,
    VoiceBatches,
    train_speech_to_au,
)
from emohead.motion.training import TrainingConfig, log_lines
from emohead.motion.vector import INDEX, N_CHANNELS
from emohead.types import Waveform
from tests.shared import shared_data

TINY = SpeechToAUConfig(width=16, n_heads=2, n_low=2, n_high=2, high_reach=0.6)


def restless(config: SpeechToAUConfig = TINY) -> SpeechToAUNet:
    """A network whose output depends on all that it may see."""
    torch.manual_seed(0)
    net = config.build().eval()
    torch.nn.init.normal_(net.out.weight)
    return net


def noise(n_sounds: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n_sounds, N_FEATURES, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("look_ahead", [0.0, 0.04, 0.3, 0.48, 1.0])
def test_later_sound_changes_nothing(look_ahead: float):
    net, frame = restless(), 30
    features = noise(400)[None]
    limit = 4 * (frame + 1 + int(look_ahead * 25 + 1e-6))
    other = features.clone()
    other[:, limit:] = noise(400 - limit, 1)
    one, changed = (net(heard, look_ahead=look_ahead).mean[0] for heard in (features, other))
    torch.testing.assert_close(one[: frame + 1], changed[: frame + 1], atol=1e-6, rtol=0)
    assert not torch.allclose(one[frame + 1], changed[frame + 1], atol=1e-6)  # one frame later may know


def test_restricted_layers_see_less():
    features = noise(400)[None]
    other = features.clone()
    other[:, :40] = noise(40, 1)  # the first 0.4 s

    def reached(wide: bool) -> int:
        net = restless(replace(TINY, wide=wide))
        apart = (net(features).mean - net(other).mean).abs().amax((0, 2)) > 1e-7
        return int(apart.nonzero().max())

    assert reached(wide=False) <= 9 + 4 * 4 < reached(wide=True) <= 9 + 2 * 4 + 2 * 15


def test_default_size_and_layers():
    net = SpeechToAUConfig().build()
    assert sum(weight.numel() for weight in net.parameters()) <= 2_500_000
    assert net.aheads(0.0) == [0] * 6 and sum(net.aheads(0.5)) == 12 and net.aheads(None) == net.reaches
    with pytest.raises(InputError, match="multiple of 3 heads"):
        SpeechToAUConfig(n_heads=3).build()


def test_pieces_equal_the_whole(monkeypatch: pytest.MonkeyPatch):
    model, features = SpeechToAU(restless(), torch.ones(N_AU)), noise(4 * 300)
    whole = model.of_features(features, 300, look_ahead=0.2)
    monkeypatch.setattr("emohead.motion.speech_to_au._CHUNK", 64)
    pieces = model.of_features(features, 300, look_ahead=0.2)
    torch.testing.assert_close(pieces.intensity, whole.intensity, atol=1e-5, rtol=0)
    torch.testing.assert_close(pieces.weight, whole.weight, atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.intensity, model.net(features[None], look_ahead=0.2).mean[0].detach(), atol=1e-5, rtol=0)


def test_certainty_is_the_explained_share():
    assert certainty(torch.tensor([-20.0, np.log(0.25), 0.0, 1.0])).tolist() == pytest.approx([1.0, 0.75, 0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize(("n_samples", "n_frames"), [(0, 1), (100, 1), (16000, 25), (16300, 25), (44100, 69)])
def test_any_length_of_sound(n_samples: int, n_frames: int):
    model = SpeechToAU(restless(), torch.ones(N_AU))
    track = model(Waveform(0.1 * torch.randn(n_samples), 16000))
    assert track.intensity.shape == track.weight.shape == (n_frames, N_AU) and track.fps == 25.0
    assert 0.0 <= float(track.intensity.min()) <= float(track.intensity.max()) <= 1.0
    assert 0.0 <= float(track.weight.min()) <= float(track.weight.max()) <= 1.0
    with pytest.raises(InputError, match="look_ahead"):
        model(Waveform(torch.zeros(1600), 16000), look_ahead=-0.1)


def test_the_file_keeps_the_network(tmp_path: Path):
    model = SpeechToAU(restless(), torch.linspace(0.1, 0.3, N_AU))
    save_speech_to_au(model, tmp_path / "net.safetensors")
    loaded = load_speech_to_au(tmp_path / "net.safetensors")
    assert loaded.net.config == TINY and torch.equal(loaded.spread, model.spread)
    features = noise(200)
    torch.testing.assert_close(loaded.of_features(features, 50).intensity, model.of_features(features, 50).intensity, atol=2e-2, rtol=0)
    (tmp_path / "other.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not a speech-to-AU network"):
        load_speech_to_au(tmp_path / "other.safetensors")


def test_only_unprompted_performances_count(tmp_path: Path):
    motion = np.zeros((3, 20, N_CHANNELS), np.float16)
    motion[1, :, INDEX["jawOpen"]], motion[1, :, INDEX["blink"]] = 0.225, 1.0
    prompt = np.zeros((3, 10, 99), np.float16)
    prompt[[0, 2], 3, 46 + AU_INDEX["AU12L"]] = 1.0
    features = np.arange(3, dtype=np.float16)[:, None, None] * np.ones((3, 40, N_FEATURES), np.float16)
    corpus = MotionCorpus(features, np.zeros((3, 40), np.uint8), motion, prompt, np.zeros((3, 10, 7)), np.zeros((3, 1)))
    for _ in range(2):  # made, then from the cache
        found = performed_aus(corpus, tmp_path / "aus.npz")
        assert found.intensity.shape == (1, 10, N_AU) and float(found.features.mean()) == 1.0
        assert found.intensity[0, :, AU_INDEX["AU26"]] == pytest.approx(0.5, abs=1e-2)
        assert found.intensity[0, :, AU_INDEX["AU43L"]] == pytest.approx(0.0)
    with pytest.raises(InputError, match="asked for something"):
        performed_aus(replace(corpus, prompt=np.ones_like(prompt)), tmp_path / "none.npz")


def made_up() -> tuple[PerformedAUs, list[HeardVoice], dict[str, torch.Tensor]]:
    """Jaws that follow the loudness; loud voices are angry."""
    random = np.random.default_rng(0)
    loud = random.uniform(0.0, 1.0, (6, 10)).repeat(5, axis=1)
    features = np.zeros((6, 200, N_FEATURES), np.float16)
    features[:, :, -3] = loud.repeat(4, axis=1)
    intensity = np.zeros((6, 50, N_AU), np.float16)
    intensity[:, :, AU_INDEX["AU26"]] = loud
    voices = [HeardVoice(np.full((90, N_FEATURES), sign, np.float16), "made/up", name) for sign, name in ((1, "angry"), (-1, "neutral"))]
    angry = torch.zeros(N_AU)
    angry[AU_INDEX["AU4L"]] = 0.9
    return PerformedAUs(features, intensity), voices, {"angry": angry, "neutral": torch.zeros(N_AU)}


def test_emotions_are_weak_labels_of_the_upper_face():
    performed, voices, prototypes = made_up()
    config = SpeechToAUTrainingConfig(n_clips=8, emotional=0.5, weak=0.1)
    batches = VoiceBatches(performed, voices, prototypes, config)
    batch, again = batches.batch(3), batches.batch(3)
    assert torch.equal(batch.features, again.features) and batch.performed.tolist() == [1.0] * 4 + [0.0] * 4
    assert bool((batch.weight[:4] == 1.0).all())
    assert set(batch.weight[4:].flatten(0, 1).sum(0).nonzero().flatten().tolist()) == set(EMOTION_CHANNELS)
    assert float(batch.weight[4:].max()) == pytest.approx(0.1)
    with pytest.raises(InputError, match="no action units are known of angry"):
        VoiceBatches(performed, voices, {"neutral": torch.zeros(N_AU)}, config)


def tiny_run(steps: int) -> SpeechToAUTrainingConfig:
    training = TrainingConfig(steps=steps, learning_rate=1e-2, warmup=5, average=0.9, every=50, report_every=1)
    return SpeechToAUTrainingConfig(replace(TINY, n_low=1, n_high=1, dropout=0.0), training, n_clips=6, seconds=2.0, look_aheads=(None,))


def test_it_learns(tmp_path: Path):
    pytest.importorskip("accelerate")
    performed, voices, prototypes = made_up()
    model = train_speech_to_au(performed, voices, prototypes, tmp_path, config=tiny_run(160))
    track = model.of_features(torch.from_numpy(performed.features[0].astype(np.float32)), 50)
    jaw, wanted = AU_INDEX["AU26"], performed.intensity[0, :, AU_INDEX["AU26"]]
    assert np.corrcoef(track.intensity[:, jaw], wanted)[0, 1] > 0.9
    assert float(track.weight[:, jaw].mean()) > 0.4  # this voice tells of the jaw
    angry, neutral = (model.of_features(torch.full((90, N_FEATURES), sign), 22).intensity[:, AU_INDEX["AU4L"]] for sign in (1.0, -1.0))
    assert float(angry.mean()) > 0.3 > float(neutral.mean())


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path):
    pytest.importorskip("accelerate")
    short = replace(tiny_run(6), training=replace(tiny_run(6).training, every=3))
    whole = train_speech_to_au(*made_up(), tmp_path / "whole", config=short)

    class Stop(Exception):
        pass

    def stop(step: int, means: dict[str, float]) -> None:
        if step == 5:
            raise Stop

    with pytest.raises(Stop):
        train_speech_to_au(*made_up(), tmp_path / "cut", config=short, report=stop)
    resumed = train_speech_to_au(*made_up(), tmp_path / "cut", config=short)
    for name, tensor in whole.net.state_dict().items():
        torch.testing.assert_close(resumed.net.state_dict()[name], tensor, atol=1e-6, rtol=0)
    assert [line["loss"] for line in log_lines(tmp_path / "whole")] == [line["loss"] for line in log_lines(tmp_path / "cut")]


def test_the_command(tmp_path: Path):
    pytest.importorskip("accelerate")
    random = np.random.default_rng(0)
    labels = np.repeat(random.integers(30, size=40), 10).astype(np.uint8)
    speech = PhoneCorpus((3000 * random.standard_normal(labels.size * 160)).astype(np.int16), labels, (Utterance(0, 400, "one", ""),))
    plans = PlanConfig(nothing=1.0, emotion=0.0, units=0.0, only=0.0, pose=0.0)
    made = MotionCorpusConfig(n_clips=2, seconds=1.6, plans=plans)
    net = replace(PhoneNetConfig(), width=16, n_blocks=2).build()
    build_motion_corpus(tmp_path / "acted", [(speech, 1.0)], net, {}, config=made)
    command = TrainSpeechToAU(
        out=tmp_path / "net.safetensors", work=tmp_path / "work", performances=tmp_path / "acted", steps=2, batch=2, width=8
    )
    planned = json.loads(replace(command, dry_run=True).run().text)
    assert planned["steps"] == 2 and planned["weights"] > 1000 and not (tmp_path / "work").exists()
    assert "2 steps on 2 performances and 0 acted utterances" in command.run().text
    assert load_speech_to_au(tmp_path / "net.safetensors").net.config.width == 8
    for wrong, complaint in (({"steps": 0}, "--steps 0"), ({"width": 6}, "multiple of 4"), ({"emotional": tmp_path}, "no emodb recording")):
        with pytest.raises(InputError, match=complaint):
            replace(command, **wrong).run()
    with pytest.raises(InputError, match="no action units are known of the emotion 'hangry'"):
        prototypes_of(["hangry"])


def test_emodb_by_its_names(tmp_path: Path):
    voices = emotional_voices(shared_data("speech/emodb"))
    assert {voice.speaker for voice in voices} == {f"emodb/{number}" for number in ("03", "09", "11", "13", "15")}
    assert next(voice.emotion for voice in voices if voice.path.stem == "03a01Fa") == "happy"
    net = replace(PhoneNetConfig(), width=16, n_blocks=2).build()
    first, again = (hear(voices[:1], net, tmp_path / "heard.npz", distorted=1) for _ in range(2))
    assert len(first) == 2 and np.array_equal(first[1].features, again[1].features)
    assert not np.array_equal(first[0].features, first[1].features)
    with pytest.raises(InputError, match="no emodb recording"):
        emotional_voices(tmp_path)


def test_silence_is_what_the_features_call_silence():
    assert silence(3).shape == (3, N_FEATURES) and float(silence(1).sum()) == pytest.approx(1.0 - 1.75)


def test_the_network_that_ships_hears_a_mouth():
    source = assets.find("speech_to_au.safetensors")
    assert source.stat().st_size < 5_000_000
    spoken = load_speech_to_au()(read_audio(assets.find("sample_speech.wav")))
    quiet = load_speech_to_au()(Waveform(torch.zeros(32000), 16000))
    jaw = AU_INDEX["AU26"]
    assert float(spoken.intensity[:, jaw].std()) > 0.1 and float(spoken.weight[:, jaw].mean()) > 0.4
    assert float(quiet.intensity[:, jaw].max()) < 0.1
