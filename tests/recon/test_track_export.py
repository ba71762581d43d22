"""Tracks are written and read back unchanged; foreign files are refused with one line."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from emohead.channels import AU_INDEX, N_RIG, RIG_INDEX
from emohead.errors import InputError
from emohead.export.arkit_csv import read_arkit_csv
from emohead.export.table import numbers, read_rows
from emohead.head.flame import FlameHead
from emohead.head.flame_file import read_flame
from emohead.head.generic import load_generic
from emohead.head.rig_to_flame import RigToFlame
from emohead.types import AUTrack, Camera, HeadIdentity, HeadMotion
from recon.clip_tracking import TrackedClip
from recon.track_export import load_track, save_track, track_format, write_flame_npz
from recon.types import TrackedSequence
from tests.head.flame_fixture import flame_arrays, write_pickle


def _track(head) -> TrackedSequence:
    generator = torch.Generator().manual_seed(0)
    motion = HeadMotion.neutral(5, 25.0)
    motion.rig[:, RIG_INDEX["jawOpen"]] = torch.rand(5, generator=generator)
    motion.head_rotation.normal_(0, 0.2, generator=generator)
    identity = HeadIdentity(torch.randn(head.n_shape, generator=generator), torch.randn(head.neutral.shape, generator=generator) * 1e-3)
    camera = Camera(torch.eye(4)[None], torch.eye(3)[None] * 600, 512, 512)
    return TrackedSequence(25.0, camera, identity, motion, torch.rand(5, generator=generator))


def _clip(track: TrackedSequence) -> TrackedClip:
    return TrackedClip(track, AUTrack.neutral(track.motion.n_frames, track.fps), ())


def _flame(folder) -> FlameHead:
    """A FLAME head whose rig opens the jaw and does nothing else."""
    data = read_flame(write_pickle(folder / "flame.pkl", flame_arrays()))
    n_vertices, jaw = len(data.template), torch.zeros(N_RIG, 3)
    jaw[RIG_INDEX["jawOpen"], 0] = 0.25
    nothing = torch.zeros(N_RIG, n_vertices, 3)
    rig = RigToFlame(
        torch.zeros(N_RIG, 100), jaw, nothing, torch.ones(N_RIG), nothing[:2], ("skin",), torch.zeros(n_vertices, dtype=torch.long)
    )
    return FlameHead(data, rig=rig)


def test_round_trip(tmp_path):
    head = load_generic()
    track, path = _track(head), tmp_path / "clip.track.safetensors"
    track_format(path).write(path, _clip(track), head)
    again = load_track(path, head)
    assert again.fps == track.fps and again.camera.width == 512
    assert torch.equal(again.motion.rig, track.motion.rig) and torch.equal(again.identity.offsets, track.identity.offsets)
    assert torch.equal(again.confidence, track.confidence) and torch.equal(again.camera.intrinsics, track.camera.intrinsics)


@pytest.mark.parametrize("fault", ["missing", "garbage", "nan", "shape", "no header"])
def test_bad_files_are_refused(tmp_path, fault):
    head, path = load_generic(), tmp_path / "clip.track.safetensors"
    if fault == "garbage":
        path.write_bytes(b"\x00" * 100)
    elif fault != "missing":
        save_track(path, _track(head), head)
        tensors = load_file(path)
        from safetensors import safe_open

        with safe_open(str(path), "pt") as file:
            about = file.metadata()
        if fault == "nan":
            tensors["gaze"][0] = torch.nan
        if fault == "shape":
            tensors["rig"] = tensors["rig"][:, :40].contiguous()
        save_file(tensors, str(path), None if fault == "no header" else about)
    with pytest.raises(InputError) as caught:
        load_track(path, head)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_motion_formats(tmp_path):
    head = load_generic()
    track = _track(head)
    track_format("x.csv").write(tmp_path / "x.csv", _clip(track), head)
    read = read_arkit_csv(tmp_path / "x.csv", fps=25.0)
    assert (read.rig - track.motion.rig).abs().max() < 1e-6
    with pytest.raises(InputError, match="give a name"):
        track_format("x.mp4")


def test_action_units_of_the_decoder_are_written(tmp_path):
    """The rig's own reading of action units correlates .4 with the truth; the table must hold the decoded ones."""
    head = load_generic()
    track = _track(head)
    au = AUTrack.neutral(5, 25.0)
    au.intensity[2, [AU_INDEX["AU12L"], AU_INDEX["AU12R"]]] = 0.8
    track.confidence[4] = 0
    track_format("x.au.csv").write(tmp_path / "x.au.csv", TrackedClip(track, au, ()), head)
    rows = read_rows(tmp_path / "x.au.csv")
    assert numbers("x", rows, ["AU12_r"])[:, 0].tolist() == [0, 0, 4, 0, 0]
    assert numbers("x", rows, ["success"])[:, 0].tolist() == [1, 1, 1, 1, 0]


def test_flame_parameters(tmp_path):
    generic = load_generic()
    with pytest.raises(InputError, match="--head"):
        write_flame_npz(tmp_path / "x.flame.npz", _track(generic), generic)
    head = _flame(tmp_path)
    track = _track(head)
    track_format("x.flame.npz").write(tmp_path / "x.flame.npz", _clip(track), head)
    with np.load(tmp_path / "x.flame.npz", allow_pickle=False) as file:
        assert file["expr"].shape == (5, 100) and file["jaw_pose"].shape == (5, 3) and file["shape"].shape == (300,)
        np.testing.assert_allclose(file["neck_pose"], track.motion.head_rotation.numpy(), atol=1e-6)
        jaw = file["jaw_pose"][:, 0]
    opened = track.motion.rig[:, RIG_INDEX["jawOpen"]].numpy()
    assert np.corrcoef(jaw, opened)[0, 1] > 0.99
