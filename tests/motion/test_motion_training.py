"""The corpus of performances and the training loop, on seconds of made-up speech."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emohead.channels import N_AU
from emohead.data.alignments import UNKNOWN_LABEL
from emohead.data.motion_corpus import MotionCorpus, MotionCorpusConfig, build_motion_corpus, load_motion_corpus, segments_of
from emohead.data.phone_corpus import PhoneCorpus, Utterance
from emohead.data.prompt_plans import EMOTIONS, PlanConfig, random_plan
from emohead.errors import InputError
from emohead.motion.motion_batches import BatchConfig, MotionBatches
from emohead.motion.motion_training import MotionTrainingConfig, default_network, train_motion
from emohead.motion.phone_net import PhoneNetConfig
from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.motion.training import TrainingConfig, log_lines
from emohead.motion.vector import MotionScale

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

PROTOTYPES = {name: torch.linspace(0.0, 1.0, N_AU).roll(index) for index, name in enumerate(EMOTIONS)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> MotionCorpus:
    random = np.random.default_rng(0)
    labels = np.repeat(random.integers(len(PHONES), size=60), 10).astype(np.uint8)
    speech = PhoneCorpus((3000 * random.standard_normal(labels.size * 160)).astype(np.int16), labels, (Utterance(0, 600, "one", ""),))
    net = replace(PhoneNetConfig(), width=16, n_blocks=2).build()
    folder = tmp_path_factory.mktemp("corpus")
    return build_motion_corpus(folder, [(speech, 1.0)], net, PROTOTYPES, config=MotionCorpusConfig(n_clips=4, seconds=2.4))


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
