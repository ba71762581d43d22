"""A clip of a corpus is written whole, read back unchanged, and refused when it is damaged."""

import numpy as np
import pytest
import torch

from emohead.channels import AU_INDEX
from emohead.data.clip_folder import AU_FILE, META_FILE, MOTION_FILE, CorpusClip, read_clip, read_corpus, read_meta, write_clip
from emohead.errors import InputError
from emohead.types import AUTrack, HeadMotion, Waveform


def _clip(n_frames: int = 6, *, silent: bool = False) -> CorpusClip:
    motion, au = HeadMotion.neutral(n_frames, 25.0), AUTrack.neutral(n_frames, 25.0)
    motion.rig[:, 17] = torch.linspace(0, 1, n_frames)
    au.intensity[:, AU_INDEX["AU26"]] = torch.linspace(0, 0.8, n_frames)
    audio = None if silent else Waveform(torch.linspace(-0.9, 0.9, 3840), 16_000)
    return CorpusClip(motion, au, audio, {"source": "a.mp4", "fps": 25.0})


def test_round_trip(tmp_path):
    clip = _clip()
    write_clip(tmp_path / "a.mp4", clip)
    again = read_clip(tmp_path / "a.mp4")
    assert torch.equal(again.motion.rig, clip.motion.rig) and torch.equal(again.au.intensity, clip.au.intensity)
    assert again.audio is not None and again.audio.sample_rate == 16_000
    assert clip.audio is not None and (again.audio.samples - clip.audio.samples).abs().max() < 1e-4
    assert again.meta["source"] == "a.mp4"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_clip_is_replaced_and_a_corpus_is_read_in_order(tmp_path):
    for name in ("b", "a"):
        write_clip(tmp_path / name, _clip(3))
    write_clip(tmp_path / "b", _clip(5, silent=True))
    (tmp_path / "failures.jsonl").write_text("")
    clips = list(read_corpus(tmp_path))
    assert [clip.motion.n_frames for clip in clips] == [3, 5] and clips[1].audio is None


def test_what_is_no_clip_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a clip"):
        read_clip(tmp_path)
    write_clip(tmp_path / "a", _clip())
    np.savez(tmp_path / "a" / AU_FILE, fps=25.0, au_names=np.array(["AU1"]))
    with pytest.raises(InputError, match=r"au\.npz"):
        read_clip(tmp_path / "a")
    (tmp_path / "a" / META_FILE).write_text("[]")
    assert read_meta(tmp_path / "a") is None


def test_flipped_bytes_are_refused_in_one_line(tmp_path):
    """They once ended in zlib.error or a tokenizer's error, depending on where they were."""
    write_clip(tmp_path / "a", _clip(30))
    generator = np.random.default_rng(1)
    refused = 0
    for turn in range(60):
        path = tmp_path / "a" / (AU_FILE, MOTION_FILE)[turn % 2]
        whole = path.read_bytes()
        damaged = bytearray(whole)
        for place in generator.integers(len(whole), size=12):
            damaged[place] = generator.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            read_clip(tmp_path / "a")
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
        path.write_bytes(whole)
    assert refused > 40
