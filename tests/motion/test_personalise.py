"""Personalisation on a made-up person."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emohead.data.clip_folder import CorpusClip
from emohead.errors import InputError
from emohead.motion.diffusion_model import DiffusionModel, load_diffusion, save_diffusion
from emohead.motion.motion_training import default_network
from emohead.motion.personalise import PersonaliseConfig, corpus_of_clips, personalise, piece_seconds
from emohead.motion.phone_net import PhoneNetConfig
from emohead.motion.rules import RuleConfig
from emohead.motion.training import TrainingConfig
from emohead.motion.vector import N_CHANNELS, MotionScale
from emohead.types import AUTrack, HeadMotion, PhoneSegment, Waveform

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
NET = replace(PhoneNetConfig(), width=16, n_blocks=2).build().eval()


def a_person(seconds: float) -> CorpusClip:
    audio = Waveform(0.1 * torch.randn(round(16000 * seconds), generator=torch.Generator().manual_seed(0)), 16000)
    speech = [PhoneSegment("aa", 0.3 * i, 0.3 * i + 0.2) for i in range(int(seconds / 0.3))]
    motion: HeadMotion = RuleConfig(head=1.6, smile=0.3).build()(audio, speech, fps=30.0)
    return CorpusClip(motion, AUTrack.neutral(motion.n_frames, 30.0), audio, {})


def untrained() -> DiffusionModel:
    torch.manual_seed(0)
    denoiser = replace(default_network(), width=32, n_blocks=4, n_heads=2).build()
    return DiffusionModel(denoiser.eval(), MotionScale(torch.zeros(N_CHANNELS), torch.full((N_CHANNELS,), 0.1)))


def test_the_held_out_end_is_explained_better_and_speech_is_left_alone(tmp_path: Path):
    model = untrained()
    training = TrainingConfig(steps=25, learning_rate=1e-2, warmup=2, average=0.5, every=25, report_every=25)
    result = personalise(model, [a_person(14.0)], NET, tmp_path, config=PersonaliseConfig(seconds=2.0, training=training))
    assert result.after < 0.9 * result.before
    old, new = model.denoiser.state_dict(), result.model.denoiser.state_dict()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed and all(name.startswith(("style.", "out.", "blocks.3.modulate.")) for name in changed)
    assert result.model.style is not None and result.model.style.shape == (13,)
    save_diffusion(result.model, tmp_path / "own.safetensors")
    assert torch.equal(load_diffusion(tmp_path / "own.safetensors").style, result.model.style)


def test_many_short_clips_do():
    clips = [a_person(seconds) for seconds in (3.0, 2.9, 3.1, 2.5)]
    assert piece_seconds(clips, 4.0) == 2.96 and piece_seconds([*clips, *[a_person(9.0)] * 5], 4.0) == 4.0
    corpus = corpus_of_clips(clips, NET, None, seconds=2.4)
    assert corpus.n_clips == 4 and corpus.motion.shape == (4, 120, N_CHANNELS)


def test_too_little_to_learn_from_is_refused(tmp_path: Path):
    silent = replace(a_person(5.0), audio=None)
    for clips in ([silent], [a_person(1.0)]):
        with pytest.raises(InputError, match="no clip has sound"):
            personalise(untrained(), clips, NET, tmp_path)
    with pytest.raises(InputError, match="needs 8 s or more"):
        personalise(untrained(), [a_person(5.0)], NET, tmp_path)
