"""The corpus of performances and the training loop, on seconds of made-up speech."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emohead.channels import AU_INDEX, AU_NAMES, N_AU, RIG_INDEX, other_side
from emohead.data.alignments import UNKNOWN_LABEL
from emohead.data.motion_corpus import (
    MOTION_RATE,
    MotionCorpus,
    MotionCorpusConfig,
    build_motion_corpus,
    load_motion_corpus,
    performed,
    segments_of,
)
from emohead.data.phone_corpus import PhoneCorpus, Utterance
from emohead.data.prompt_plans import EMOTIONS, PlanConfig, random_plan
from emohead.errors import InputError
from emohead.head.action_units import au_to_rig
from emohead.motion import closures
from emohead.motion.diffusion_engine import DiffusionEngine
from emohead.motion.diffusion_loss import DiffusionLoss, LossWeights, concerned_channels, units_of_channels, velocity_spread
from emohead.motion.diffusion_model import DiffusionModel, save_diffusion
from emohead.motion.features.mel import LogMel
from emohead.motion.features.phone_bottleneck import N_FEATURES
from emohead.motion.features.sounds import encoder_to_train_with
from emohead.motion.generators import Setting, build_generator
from emohead.motion.motion_batches import BatchConfig, MotionBatches
from emohead.motion.motion_training import MotionTrainingConfig, default_network, train_motion
from emohead.motion.phone_net import PhoneNetConfig, load_phone_net
from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.motion.readers import EmotionReader, PhoneReader, SyncExpert, held
from emohead.motion.training import TrainingConfig, log_lines
from emohead.motion.vector import INDEX, N_CHANNELS, RIG_CHANNELS, MotionScale
from tests.tiny import voice

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

PROTOTYPES = {name: torch.linspace(0.0, 1.0, N_AU).roll(index) for index, name in enumerate(EMOTIONS)}


@pytest.fixture(scope="module")
def speech() -> PhoneCorpus:
    random = np.random.default_rng(0)
    labels = np.repeat(random.integers(len(PHONES), size=60), 10).astype(np.uint8)
    return PhoneCorpus((3000 * random.standard_normal(labels.size * 160)).astype(np.int16), labels, (Utterance(0, 600, "one", ""),))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, speech: PhoneCorpus) -> MotionCorpus:
    net = replace(PhoneNetConfig(), width=16, n_blocks=2).build()
    folder = tmp_path_factory.mktemp("corpus")
    asked = PlanConfig(nothing=0.0, emotion=0.3, units=0.4, only=0.3)
    return build_motion_corpus(folder, [(speech, 1.0)], net, PROTOTYPES, config=MotionCorpusConfig(n_clips=4, seconds=2.4, plans=asked))


def test_a_corpus_is_a_function_of_its_seed(corpus: MotionCorpus):
    assert corpus.motion.shape == (4, 120, 53) and corpus.features.shape[:2] == (4, 240)
    assert not np.array_equal(corpus.motion[0], corpus.motion[1])
    assert float(np.abs(corpus.motion).max()) < 10 and np.isfinite(corpus.motion.astype(np.float32)).all()


def test_a_corpus_of_other_settings_is_refused(corpus: MotionCorpus):
    folder = Path(str(corpus.motion.filename)).parent
    with pytest.raises(InputError, match="made with other settings"):
        load_motion_corpus(folder, config=MotionCorpusConfig(n_clips=5, seconds=2.4))
    with pytest.raises(InputError, match="no motion corpus there"):
        load_motion_corpus(folder / "nothing")


def test_another_encoder_is_kept_with_the_corpus_and_the_network(tmp_path: Path, speech: PhoneCorpus):
    encoder, record = encoder_to_train_with("mel")
    net = replace(PhoneNetConfig(), width=16, n_blocks=2).build()
    made = MotionCorpusConfig(n_clips=2, seconds=2.4)
    corpus = build_motion_corpus(tmp_path / "corpus", [(speech, 1.0)], net, PROTOTYPES, config=made, encoder=(encoder, record))
    assert corpus.features.shape == (2, 240, 80) and corpus.encoder == json.loads(json.dumps(record))
    with pytest.raises(InputError, match="trained on mel features"):
        load_motion_corpus(tmp_path / "corpus", encoder=encoder_to_train_with("phones")[1])
    config = MotionTrainingConfig(
        network=replace(default_network(80), width=16, n_blocks=4, n_heads=2),
        batches=BatchConfig(n_clips=2, seconds=(1.6, 1.6)),
        training=TrainingConfig(steps=1, every=1, report_every=1, warmup=1),
    )
    save_diffusion(train_motion(corpus, tmp_path / "run", config=config), tmp_path / "mel.safetensors")
    engine = DiffusionEngine.load(tmp_path / "mel.safetensors")
    assert isinstance(engine.encoder, LogMel)
    assert engine(voice(), load_phone_net().posteriors(voice())).n_frames == 15


def test_labels_become_phones():
    labels = np.array([PHONE_INDEX["aa"]] * 3 + [UNKNOWN_LABEL] * 2 + [PHONE_INDEX["m"]] * 5, np.uint8)
    assert [(s.phone, s.start, s.end) for s in segments_of(labels)] == [("aa", 0.0, 0.03), ("pau", 0.03, 0.05), ("m", 0.05, 0.1)]


def shares(kind: str) -> PlanConfig:
    return replace(PlanConfig(nothing=0.0, emotion=0.0, units=0.0, only=0.0, pose=0.0), **{kind: 1.0})


def test_plans_ask_for_what_they_say():
    only = random_plan(200, 50.0, PROTOTYPES, np.random.default_rng(1), config=shares("only"))
    assert bool((only.track.weight == 1).all()) and not only.emotion.any()
    nothing = random_plan(200, 50.0, PROTOTYPES, np.random.default_rng(1), config=shares("nothing"))
    assert not nothing.track.weight.any()
    emotion = random_plan(400, 50.0, PROTOTYPES, np.random.default_rng(2), config=shares("emotion"))
    assert float(emotion.emotion.max()) > 0.2 and float(emotion.track.weight.max()) > 0.5
    assert float(emotion.track.intensity.max()) <= 1.0


def test_units_are_asked_of_one_side_as_often_as_settings_say():
    always, never = (replace(shares("units"), one_sided=share) for share in (1.0, 0.0))
    for number in range(30):
        alone = random_plan(100, 50.0, PROTOTYPES, np.random.default_rng(number), config=never).track.weight.amax(0)
        for left, right in ((name, other_side(name)) for name in AU_NAMES if name.endswith("L") and name != "AU30L"):
            assert float(alone[AU_INDEX[left]]) == float(alone[AU_INDEX[right]])
    lopsided = [random_plan(100, 50.0, PROTOTYPES, np.random.default_rng(n), config=always).track.weight.amax(0) for n in range(30)]
    assert sum(bool(weight[AU_INDEX["AU12L"]] > 0) != bool(weight[AU_INDEX["AU12R"]] > 0) for weight in lopsided) >= 2


def test_a_mouth_follows_what_is_known_or_what_is_heard(tmp_path: Path, speech: PhoneCorpus):
    net = replace(PhoneNetConfig(), width=16, n_blocks=2).build()

    def jaw(name: str, **settings: float) -> np.ndarray:
        config = MotionCorpusConfig(n_clips=2, seconds=2.4, clean=1.0, plans=shares("nothing"), **settings)  # pyright: ignore[reportArgumentType]
        return build_motion_corpus(tmp_path / name, [(speech, 1.0)], net, PROTOTYPES, config=config).motion[..., INDEX["jawOpen"]]

    known, heard, nobody = jaw("known", by_ear=0.0, silent=0.0), jaw("heard", by_ear=1.0, silent=0.0), jaw("nobody", silent=1.0)
    # An untrained network hears nothing in particular, so its mouth has next to nothing to do.
    assert known.std() > 2 * heard.std() and nobody.std() < 0.01


def test_a_wish_for_one_side_concerns_both():
    concerned = concerned_channels()
    left, right = (concerned[AU_INDEX[name]] for name in ("AU12L", "AU12R"))
    assert torch.equal(left, right) and bool(left[INDEX["mouthSmileLeft"]]) and bool(left[INDEX["mouthSmileRight"]])
    assert not bool(left[INDEX["browInnerUp"]])


def test_batches_are_functions_of_the_step(corpus: MotionCorpus):
    batches = MotionBatches(
        corpus,
        MotionScale.of(torch.tensor(corpus.motion, dtype=torch.float32).flatten(0, 1)),
        BatchConfig(n_clips=6, seconds=(1.6, 2.0)),
        seed=0,
    )
    one, again, other = batches.batch(3), batches.batch(3), batches.batch(4)
    assert torch.equal(one.clean, again.clean) and torch.equal(one.conditions.mask, again.conditions.mask)
    assert one.clean.shape != other.clean.shape or not torch.equal(one.clean, other.clean)
    assert one.labels.shape[1] == 2 * one.clean.shape[1] == 4 * one.conditions.prompt.shape[1]
    assert torch.equal(one.conditions.given, one.clean * one.conditions.mask)


def test_a_stopped_run_goes_on_to_the_same_curve(corpus: MotionCorpus, tmp_path: Path):
    def config(steps: int) -> MotionTrainingConfig:
        return MotionTrainingConfig(
            network=replace(default_network(), width=16, n_blocks=4, n_heads=2),
            batches=BatchConfig(n_clips=3, seconds=(1.6, 2.0)),
            training=TrainingConfig(steps=steps, every=3, report_every=1, warmup=2),
        )

    whole = train_motion(corpus, tmp_path / "whole", config=config(6))

    class Stop(Exception):
        pass

    def stop(step: int, means: dict[str, float]) -> None:
        if step == 5:
            raise Stop

    with pytest.raises(Stop):
        train_motion(corpus, tmp_path / "cut", config=config(6), report=stop)
    resumed = train_motion(corpus, tmp_path / "cut", config=config(6))
    for name, tensor in whole.denoiser.state_dict().items():
        assert torch.allclose(resumed.denoiser.state_dict()[name], tensor, atol=1e-6), name
    curves = [[line["loss"] for line in log_lines(tmp_path / run)] for run in ("whole", "cut")]
    assert curves[0] == curves[1] and len(curves[0]) == 6
    assert json.loads((tmp_path / "cut" / "settings.json").read_text())["training"]["steps"] == 6


def test_a_run_of_another_network_is_not_continued(corpus: MotionCorpus, tmp_path: Path):
    def run(width: int) -> None:
        network = replace(default_network(), width=width, n_blocks=4, n_heads=2)
        training = TrainingConfig(steps=1, every=1, warmup=1)
        train_motion(corpus, tmp_path, config=MotionTrainingConfig(network, BatchConfig(n_clips=2, seconds=(1.6, 1.6)), training=training))

    run(16)
    with pytest.raises(InputError, match="network of other sizes"):
        run(32)


def test_a_run_starts_from_trained_weights(corpus: MotionCorpus, tmp_path: Path):
    def run(name: str, width: int, **more: Any) -> DiffusionModel:
        config = MotionTrainingConfig(
            replace(default_network(), width=width, n_blocks=4, n_heads=2),
            BatchConfig(n_clips=2, seconds=(1.6, 1.6)),
            training=TrainingConfig(steps=1, every=1, warmup=1, learning_rate=more.pop("learning_rate", 1e-3)),
        )
        return train_motion(corpus, tmp_path / name, config=config, **more)

    first = run("first", 16)
    first = replace(first, scale=MotionScale(first.scale.mean + 1.0, first.scale.spread))
    second = run("second", 16, start=first, learning_rate=0.0)
    assert torch.equal(second.scale.mean, first.scale.mean)
    for name, tensor in first.denoiser.state_dict().items():
        assert torch.allclose(second.denoiser.state_dict()[name], tensor, atol=1e-6), name
    with pytest.raises(InputError, match="has other sizes"):
        run("third", 32, start=first)


def test_what_is_told_is_heard_as_it_is_told(tmp_path: Path, speech: PhoneCorpus):
    net = replace(PhoneNetConfig(), width=16, n_blocks=2).build()
    config = MotionCorpusConfig(n_clips=3, seconds=2.4, by_ear=0.0, silent=0.0)
    told = build_motion_corpus(tmp_path, [(speech, 1.0)], net, PROTOTYPES, config=config)
    known = told.labels != UNKNOWN_LABEL
    assert np.array_equal(told.features[..., : len(PHONES)].argmax(-1)[known], told.labels[known])
    assert set(np.unique(told.features[..., : len(PHONES)]).tolist()) == {0.0, 1.0}


def test_a_performance_is_seen_with_its_lips_held(corpus: MotionCorpus):
    n_frames = corpus.motion.shape[1]
    holds = [closures.constraints_of_segments(segments_of(labels), n_frames, MOTION_RATE).bilabial > 0.99 for labels in corpus.labels]
    clip = int(np.argmax([int(shut.sum()) for shut in holds]))
    shut, free, seen = holds[clip], torch.from_numpy(corpus.motion[clip].astype(np.float32)), performed(corpus, clip)
    assert shut.any()
    jaw, close = INDEX["jawOpen"], INDEX["mouthClose"]
    assert float(free[:, close].max()) < 1e-3
    assert torch.allclose(seen[shut, close], seen[shut, jaw], atol=0.02)
    assert torch.equal(free[:, len(RIG_CHANNELS) :], seen[:, len(RIG_CHANNELS) :])


@pytest.fixture
def batches(corpus: MotionCorpus) -> MotionBatches:
    scale = MotionScale.of(torch.tensor(corpus.motion, dtype=torch.float32).flatten(0, 1))
    return MotionBatches(corpus, scale, BatchConfig(n_clips=4, seconds=(1.6, 1.6)), seed=0)


def test_readers_learn_from_the_truth_and_teach_by_it(batches: MotionBatches):
    batch = batches.batch(0)
    torch.manual_seed(0)
    for reader in (PhoneReader(), SyncExpert(N_FEATURES), EmotionReader(len(EMOTIONS))):
        optimizer = torch.optim.Adam(reader.parameters(), 3e-3)
        first = float(reader(batch.clean, batch).detach())
        for _ in range(60):
            optimizer.zero_grad()
            reader(batch.clean, batch).backward()
            optimizer.step()
        reader.zero_grad()
        other = batch.clean.roll(1, 0).requires_grad_()
        wrong = held(reader, other, batch)
        wrong.backward()
        learned = float(reader(batch.clean, batch).detach())
        assert learned < 0.9 * first and float(wrong.detach()) > learned
        assert other.grad is not None and float(other.grad.abs().sum()) > 0
        assert all(weight.grad is None for weight in reader.parameters()), "held readers do not learn"


def test_every_term_of_the_loss_is_least_for_the_truth(corpus: MotionCorpus, batches: MotionBatches):
    batch = batches.batch(1)
    spread = velocity_spread(torch.tensor(corpus.motion, dtype=torch.float32))
    scale = MotionScale.of(torch.tensor(corpus.motion, dtype=torch.float32).flatten(0, 1))
    loss = DiffusionLoss(scale, LossWeights(adversarial=0.05), spread, default_network())
    _, best = loss(batch.clean, batch)
    value, worse = loss(batch.clean + 0.5 * torch.randn_like(batch.clean), batch)
    assert set(best) == {"motion", "velocity", "lips", "phone", "sync", "emotion", "units", "silence", "adversarial"}
    for name in ("motion", "velocity", "lips", "units"):
        assert float(best[name].detach()) < 1e-6 < float(worse[name].detach()), name
    assert float(value.detach()) == pytest.approx(float(torch.stack(list(worse.values())).sum().detach()))
    assert set(DiffusionLoss(scale, LossWeights(phone=0.0, sync=0.0, emotion=0.0), spread, default_network())(batch.clean, batch)[1]) == {
        "motion", "velocity", "lips", "units", "silence",
    }  # fmt: skip


def test_units_are_read_off_the_rig():
    for name in ("AU4L", "AU12R", "AU9L", "AU5R"):
        one_hot = torch.zeros(1, N_AU)
        one_hot[0, AU_INDEX[name]] = 0.3
        rig = au_to_rig(one_hot)[:, [RIG_INDEX[channel] for channel in RIG_CHANNELS]]
        found = torch.cat([rig, torch.zeros(1, N_CHANNELS - len(RIG_CHANNELS))], 1) @ units_of_channels()
        assert float(found[0, AU_INDEX[name]]) == pytest.approx(0.3, abs=0.06)


def test_the_deterministic_twin_is_drawn_from_nothing(corpus: MotionCorpus, tmp_path: Path):
    config = MotionTrainingConfig(
        network=replace(default_network(), width=16, n_blocks=4, n_heads=2),
        batches=BatchConfig(n_clips=3, seconds=(1.6, 1.6)),
        training=TrainingConfig(steps=2, every=2, report_every=1, warmup=1),
        deterministic=True,
    )
    save_diffusion(train_motion(corpus, tmp_path / "run", config=config), tmp_path / "twin.safetensors")
    engine = build_generator(f"deterministic:{tmp_path / 'twin.safetensors'}", Setting())
    assert isinstance(engine, DiffusionEngine)
    takes = [engine(voice(), load_phone_net().posteriors(voice()), seed=seed) for seed in (1, 2)]
    assert torch.equal(takes[0].rig, takes[1].rig)
    with pytest.raises(InputError, match="emohead train motion --deterministic"):
        build_generator("deterministic", Setting())
