"""The judges' numbers on voices and lips whose match is known, and their file."""

import math
from pathlib import Path

import pytest
import torch

from emohead.assets import find
from emohead.channels import AU_INDEX, RIG_INDEX
from emohead.errors import InputError
from emohead.head.generic import load_generic
from emohead.media import read_audio
from emohead.metrics.judged import Pair, emotion_similarity, sync_score
from emohead.metrics.judges import EMOTIONS, JudgeConfig, face_values, lip_distances, lips_of_motion, load_judges, save_judges
from emohead.motion.phone_net import load_phone_net
from emohead.motion.rules import RuleConfig
from emohead.types import AUTrack, HeadMotion
from tests.tiny import voice

HEAD = load_generic()


def _pairs(shift: int) -> list[Pair]:
    random = torch.Generator().manual_seed(0)
    pairs = []
    for _ in range(4):
        codes = torch.nn.functional.normalize(torch.randn(100, 8, generator=random), dim=-1)
        pairs.append(Pair(codes, codes.roll(shift, 0), torch.ones(100, dtype=torch.bool)))
    return pairs


def test_lips_that_belong_are_found_at_once():
    score = sync_score(_pairs(0))
    assert (score.retrieval, score.offset_ms, score.windows) == (1.0, 0.0, 16)
    assert score.confidence == pytest.approx(1.0, abs=0.1)


def test_late_lips_are_late():
    assert sync_score(_pairs(3)).offset_ms == pytest.approx(120.0)
    assert sync_score(_pairs(-2)).offset_ms == pytest.approx(-80.0)


def test_wrong_lips_are_chance():
    pairs = [Pair(one.voice, other.lips.roll(40, 0), one.spoken) for one, other in zip(_pairs(0), _pairs(0)[::-1], strict=True)]
    score = sync_score(pairs)
    assert score.retrieval < 0.3 and score.confidence < 0.2


def test_silence_is_not_judged():
    silent = [Pair(pair.voice, pair.lips, torch.zeros(100, dtype=torch.bool)) for pair in _pairs(0)]
    with pytest.raises(InputError, match="two seconds of speech"):
        sync_score(silent)


def test_lips_are_seen_by_distances_whatever_the_size_of_the_picture():
    motion = HeadMotion.neutral(30, 25.0)
    motion.rig[10:20, RIG_INDEX["jawOpen"]] = 0.5
    seen = lips_of_motion(HEAD, motion)
    assert float(seen[15, 0]) > 1.0 and float(seen[5].abs().max()) < 1e-4
    points = torch.rand(30, 478, 2, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(lip_distances(points), lip_distances(300 * points + 50), atol=1e-3)


def test_motions_of_any_rate_are_seen_alike():
    slow, fast = HeadMotion.neutral(50, 25.0), HeadMotion.neutral(100, 50.0)
    slow.rig[:, RIG_INDEX["browInnerUp"]] = torch.linspace(0, 1, 50)
    fast.rig[:, RIG_INDEX["browInnerUp"]] = torch.linspace(0, 1, 100)
    assert face_values(fast).shape == face_values(slow).shape
    assert float((face_values(fast) - face_values(slow)).abs().max()) < 0.02


def test_the_file_keeps_the_judges(tmp_path: Path):
    torch.manual_seed(0)
    judges = JudgeConfig(width=16, embedding=8).build().eval()
    save_judges(judges, tmp_path / "judges.safetensors")
    read = load_judges(tmp_path / "judges.safetensors")
    audio = voice(1.0)
    assert judges.voice(audio).shape == (25, 8) and torch.allclose(read.voice(audio), judges.voice(audio), atol=1e-2)
    motion = HeadMotion.neutral(25, 25.0)
    assert emotion_similarity(read.emotion(motion), judges.emotion(motion)) == pytest.approx(1.0, abs=1e-3)
    (tmp_path / "other.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="not judges of motion"):
        load_judges(tmp_path / "other.safetensors")


def test_cosine():
    assert emotion_similarity(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])) == pytest.approx(1 / math.sqrt(2))


def test_the_judges_that_ship_know_lips_and_emotions():
    audio, judges, net = read_audio(find("sample_speech.wav")), load_judges(), load_phone_net()
    n_frames = round(audio.duration * 25)
    prompt = AUTrack.neutral(n_frames, 25.0)
    for name, value in (("AU12L", 0.8), ("AU12R", 0.8), ("AU6L", 0.7), ("AU6R", 0.7)):
        prompt.intensity[:, AU_INDEX[name]], prompt.weight[:, AU_INDEX[name]] = value, 1.0
    motion = RuleConfig().build()(audio, net.posteriors(audio), prompt=prompt)
    lips, voiced = lips_of_motion(HEAD, motion), judges.voice(audio)
    spoken = torch.ones(len(voiced), dtype=torch.bool)
    in_step = sync_score([Pair(voiced, judges.lips(lips), spoken)])
    late = sync_score([Pair(voiced, judges.lips(lips.roll(5, 0)), spoken)])
    assert abs(in_step.offset_ms) <= 40 and abs(late.offset_ms - 200) <= 40
    assert in_step.retrieval > late.retrieval and in_step.confidence > 0.2
    said = EMOTIONS[int(judges.emotion_log_odds(judges.emotion(motion)[None])[0].argmax())]
    assert said == "happy"
