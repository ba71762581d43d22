"""Recorded motion as training data: every layout by name, its labels kept, a training of seconds on made-up files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emohead.channels import AU_INDEX, N_AU
from emohead.cli import main
from emohead.data.clip_folder import CorpusClip, read_clip, read_meta, write_clip
from emohead.data.prompt_plans import EMOTIONS
from emohead.data.readers.mead import MEAD
from emohead.data.readers.registry import label_corpus
from emohead.errors import InputError
from emohead.head.action_units import rig_to_au
from emohead.motion.phone_net import PhoneNetConfig
from emohead.motion.recorded import piece_length, recorded_corpus
from emohead.motion.rules import RuleConfig
from emohead.motion.vector import N_CHANNELS
from emohead.types import AUTrack, HeadMotion, PhoneSegment, Waveform
from tests.data.readers.made_up import arkit_json, file_at, live_link_csv, voice_at

NET = replace(PhoneNetConfig(), width=16, n_blocks=2).build().eval()


def a_clip(seconds: float, *, emotion: str = "happy", seed: int = 0) -> CorpusClip:
    audio = Waveform(0.1 * torch.randn(round(16000 * seconds), generator=torch.Generator().manual_seed(seed)), 16000)
    speech = [PhoneSegment("aa", 0.3 * i, 0.3 * i + 0.2) for i in range(int(seconds / 0.3))]
    motion: HeadMotion = RuleConfig(flash_probability=1.0).build()(audio, speech, fps=30.0, seed=seed)
    au = replace(AUTrack.neutral(motion.n_frames, 30.0), intensity=rig_to_au(motion.rig), weight=torch.full((motion.n_frames, N_AU), 0.8))
    meta = {"source": f"{seed}.mp4", "seconds": seconds, "audio": True, "emotion": emotion, "intensity": 2 / 3, "n_frames": motion.n_frames}
    return CorpusClip(motion, au, audio, meta)


def beat(folder: Path) -> Path:
    for speaker in ("1_wayne", "2_scott"):
        name = f"{speaker[0]}/{speaker}_0_70_70"
        arkit_json(folder / f"{name}.json", [frame / 60 for frame in range(150)])
        voice_at(folder, f"{name}.wav", seconds=2.5)
    return folder


def test_recordings_are_cut_into_pieces_with_labels_and_prompts():
    clips = [a_clip(4.4), a_clip(2.1, emotion="calm", seed=1), replace(a_clip(4.0), audio=None), a_clip(1.0)]
    corpus = recorded_corpus(clips, NET, None, seconds=2.0)
    assert corpus.motion.shape == (3, 100, N_CHANNELS) and corpus.features.shape[:2] == corpus.labels.shape == (3, 200)
    assert corpus.prompt.shape[:2] == corpus.emotion.shape[:2] == (3, 50)
    assert np.allclose(corpus.emotion[:2, :, EMOTIONS.index("happy")], 2 / 3, atol=1e-3)
    assert corpus.emotion[2].max() == 0.0, "calm has no name among the diffusion's emotions"
    assert np.array_equal(corpus.prompt, recorded_corpus(clips, NET, None, seconds=2.0).prompt), "one seed, one corpus"


def test_prompts_are_what_the_upper_face_did_and_never_the_mouth():
    clip = a_clip(1.7)
    prompts = [recorded_corpus([clip], NET, None, seconds=1.6, seed=seed).prompt for seed in range(10)]
    weight = np.concatenate(prompts)[..., N_AU : 2 * N_AU]
    assert weight[..., [AU_INDEX[name] for name in ("AU12L", "AU20R", "AU25", "AU26", "AU18")]].max() == 0.0
    asked = weight[:, 0, AU_INDEX["AU1L"]]
    assert 0.0 in asked and np.isclose(asked.max(), 0.8, atol=1e-3), "some pieces ask, some do not; as far as it is known"


def test_nothing_to_learn_from_is_said():
    with pytest.raises(InputError, match="no clip has sound and 2 s of motion"):
        recorded_corpus([replace(a_clip(3.0), audio=None), a_clip(1.0)], NET, None, seconds=2.0)


def test_the_length_of_pieces_is_that_of_most_clips(tmp_path: Path):
    for number, seconds in enumerate((2.0, 2.2, 9.0)):
        write_clip(tmp_path / str(number), a_clip(seconds, seed=number))
    assert piece_length(tmp_path) == pytest.approx(2.16, abs=0.05) and piece_length(tmp_path / "none") == 8.0


def test_motion_of_another_layout_becomes_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, corpus = beat(tmp_path / "BEAT"), tmp_path / "corpus"
    (source / "1" / "1_wayne_0_1_1.json").write_text("{}")
    command = ["track", str(source), "--layout", "beat", "-o", str(corpus)]
    assert main([*command, "--dry-run"]) == 0 and not corpus.exists()
    assert len(json.loads(capsys.readouterr().out)["clips"]) == 3
    for _ in range(2):
        assert main(command) == 0
        said = capsys.readouterr()
        assert "2 clips read, 1 cannot be used" in said.out and "1_wayne_0_1_1" in said.err
    clip = read_clip(corpus / "2__2_scott_0_70_70.json")
    assert clip.meta["speaker"] == "beat/2_scott" and clip.meta["emotion"] == "happy" and clip.audio is not None


def test_a_live_link_take_becomes_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    codes = [f"10:00:{frame // 60:02d}:{frame % 60:02d}.000" for frame in range(300)]
    live_link_csv(tmp_path / "takes/ann/take1/S_1_iPhone_cal.csv", codes, [frame / 60 for frame in range(300)])
    assert main(["track", str(tmp_path / "takes"), "--layout", "live-link-face", "-o", str(tmp_path / "corpus")]) == 0
    assert "1 clips read, 0 cannot" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "--layout", "ravdess"], "nowhere: no such folder; RAVDESS is to be had from https://zenodo.org"),
        ([".", "--layout", "mead"], "not laid out as MEAD: expected M003/video/front/angry/level_1/001.mp4"),
        ([".", "--layout", "tfhp"], "not laid out as TFHP"),
        ([".", "--layout", "mood"], "no corpus reader is called 'mood'"),
    ],
)
def test_a_folder_that_is_not_there_is_said(tmp_path, monkeypatch, capsys, arguments: list[str], said: str):
    monkeypatch.chdir(tmp_path)
    assert main(["track", *arguments, "-o", "corpus"]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and not list(tmp_path.iterdir())


def test_tracked_videos_get_the_labels_of_their_names(tmp_path: Path):
    source = "M003/video/front/sad/level_3/001.mp4"
    file_at(tmp_path / "mead", source)
    voice_at(tmp_path / "mead", "M003/audio/sad/level_3/001.m4a")
    silent = CorpusClip(HeadMotion.neutral(3, 25.0), AUTrack.neutral(3, 25.0), None, {"source": source, "sha256": "0", "audio": False})
    folder = tmp_path / "corpus" / "clip.mp4"
    write_clip(folder, silent)
    for _ in range(2):
        label_corpus(tmp_path / "corpus", MEAD, folder=tmp_path / "mead")
        meta = read_meta(folder)
        assert meta and meta["emotion"] == "sad" and meta["speaker"] == "mead/M003" and meta["sha256"] == "0" and meta["audio"] is True
    assert read_clip(folder).audio is not None


def test_a_training_on_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("diffusers")
    pytest.importorskip("accelerate")
    weights, work = tmp_path / "net.safetensors", tmp_path / "work"
    command = ["train", "motion", "--data", str(beat(tmp_path / "BEAT")), "--layout", "beat", "-o", str(weights), "--work", str(work)]
    assert main([*command, "--steps", "2", "--batch", "2", "--width", "16"]) == 0
    assert "2 steps on 2 pieces of recordings" in capsys.readouterr().out
    assert weights.stat().st_size > 1000 and len(list((work / "recorded").iterdir())) == 2
    again = ["train", "motion", "--data", str(work / "recorded"), "-o", str(weights), "--work", str(tmp_path / "other")]
    assert main([*again, "--steps", "1", "--batch", "2", "--width", "16"]) == 0
