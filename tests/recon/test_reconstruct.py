"""A video of a person to an avatar file: whole, stopped and gone on, refused."""

import json
from dataclasses import replace

import pytest
import torch

from emohead.avatar import read_emo
from emohead.consent import Consent
from emohead.errors import CancelledError, InputError
from emohead.head.generic import load_generic
from emohead.raster.cpu import CpuRasterizer
from recon.calibration import N_INPUTS, N_OUTPUTS
from recon.reconstruct import ReconstructConfig, reconstruct
from tests.shared import shared_data

CONFIG = ReconstructConfig(steps=24, size=128)
CONSENT = Consent({"who": "nobody", "scope": "a test", "date": "2026-01-01"})


@pytest.fixture(scope="module")
def video(networks):
    return shared_data("videos/single_face.mp4")


def _run(video, out, **options):
    return reconstruct(video, out, load_generic(), CpuRasterizer(n_threads=1), CONSENT, config=CONFIG, **options)


@pytest.fixture(scope="module")
def whole(video, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "me.emo"
    return out, _run(video, out)


def test_the_file_has_the_avatar_its_consent_and_its_calibration(whole):
    out, made = whole
    avatar, record = read_emo(out)
    assert avatar.name == "me" and avatar.n_gaussians == made.avatar.n_gaussians and avatar.camera.width == 128
    assert record.consent["who"] == "nobody" and record.thumbnail
    assert record.calibration is not None and record.calibration.shape == (N_INPUTS, N_OUTPUTS)
    figures = json.loads(out.with_name("me.emo.json").read_text())
    assert figures["steps"] == 24 and figures["held_out_frames"] == 7 and 5 < figures["held_out_full_psnr_db"] < 40
    assert not out.with_name("me.emo.work").exists()


def test_a_stopped_run_goes_on_to_the_same_result(video, whole, tmp_path):
    out, (reference, _) = tmp_path / "me.emo", read_emo(whole[0])
    previews = tmp_path / "preview.png"

    def stop_late(share: float, text: str) -> None:
        if previews.exists():
            raise CancelledError("stopped")

    # Stopped at the first report after a checkpoint, in the middle of the fit.
    with pytest.raises(CancelledError):
        _run(video, out, checkpoint_seconds=0.0, preview=previews, progress=stop_late)
    kept = {path.name for path in out.with_name("me.emo.work").iterdir()}
    assert {"key", "footage.safetensors", "track.safetensors", "fit.safetensors"} <= kept and not out.exists()
    with pytest.raises(InputError, match="other settings"):
        reconstruct(video, out, load_generic(), CpuRasterizer(n_threads=1), CONSENT, config=ReconstructConfig(steps=9), resume=True)
    _run(video, out, resume=True)
    resumed, _ = read_emo(out)
    for name in ("triangle", "offsets", "quats", "log_scales", "opacity_logits", "sh"):
        assert torch.equal(getattr(resumed, name), getattr(reference, name)), name
    assert torch.equal(resumed.corrections.means, reference.corrections.means)


def test_after_an_error_nothing_is_left(video, tmp_path):
    for given in ("videos/no_face.mp4", "speech/jfk.flac"):
        with pytest.raises(InputError):
            _run(shared_data(given), tmp_path / "me.emo")
    with pytest.raises(InputError, match="no such"):
        _run(tmp_path / "absent.mp4", tmp_path / "me.emo")
    assert list(tmp_path.iterdir()) == []


def test_a_flame_head_carries_an_avatar_too(networks, flame_head, tmp_path):
    """The file is of FLAME's format and made here; the picture is poor at so few steps, but it is of the person."""
    clip, out = shared_data("videos/single_face.mp4"), tmp_path / "me.emo"
    made = reconstruct(clip, out, flame_head, CpuRasterizer(n_threads=1), CONSENT, config=replace(CONFIG, steps=60))
    assert made.avatar.head == "flame" and read_emo(out)[0].n_gaussians == made.avatar.n_gaussians
    assert made.figures["held_out_full_psnr_db"] > 16
