"""A clip made ready: rate, person, unusable frames, crop, choice of pictures; with a detector and a segmenter that need no model."""

import av
import numpy as np
import pytest
import torch

from emohead.errors import InputError
from recon.footage_file import load_footage, save_footage
from recon.landmarks import Face, steadied
from recon.preprocess import FootageSettings, kept_rate, read_footage

WIDTH, HEIGHT = 320, 240


class Squares:
    """A 'face' is a bright red square: 478 points spread evenly over it."""

    def __call__(self, image: torch.Tensor) -> list[Face]:
        red = (image[..., 0].int() - image[..., 1].int() > 60).nonzero()
        if len(red) < 400:
            return []
        low, high = red.amin(0).flip(0).float(), red.amax(0).flip(0).float() + 1
        spread = torch.rand(478, 2, generator=torch.Generator().manual_seed(0))
        spread[:2] = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
        return [Face(low + spread * (high - low), torch.full((52,), 0.1))]


def cut_out(image: torch.Tensor) -> torch.Tensor:
    """Everything red is the person."""
    return ((image[..., 0].int() - image[..., 1].int() > 60) * 255).to(torch.uint8)


def _clip(path, *, n_frames=30, fps=25, side=100, shade=200, hidden=()):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt, stream.options = WIDTH, HEIGHT, "yuv444p", {"crf": "8"}
        texture = np.random.default_rng(0).integers(0, 50, (side, side, 1))
        for number in range(n_frames):
            picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            if number not in hidden:
                left = 80 + number
                face = np.clip(np.array([shade, shade // 4, shade // 4]) + texture, 0, 255)
                picture[70 : 70 + side, left : left + side] = face
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def _read(path, **settings):
    return read_footage(path, settings=FootageSettings(**settings), detector=Squares(), segmenter=cut_out)


def test_landmarks_and_pictures_are_of_the_same_crop(tmp_path):
    footage = _read(_clip(tmp_path / "a.mp4"), size=256)
    frames = footage.frames
    assert frames.images.shape[0] == 30 and frames.images.shape[1] == frames.images.shape[2] and frames.images.shape[1] % 16 == 0
    for picture in (0, 15, 29):
        inside = frames.mattes[picture].nonzero().flip(1).float()
        points = footage.landmarks.points[frames.index[picture]]
        assert torch.allclose(points.amin(0), inside.amin(0), atol=3.0) and torch.allclose(points.amax(0), inside.amax(0), atol=3.0)
    assert footage.held_out.sum() == 3 and footage.held_out[-3:].all() and torch.equal(frames.held_out, footage.held_out)
    # The crop's camera looks at what the full picture's middle is.
    assert footage.camera.width == frames.images.shape[2] and footage.camera.intrinsics[0, 0, 0] > footage.camera.width


def test_frames_without_a_face_are_named_and_left_out(tmp_path):
    footage = _read(_clip(tmp_path / "a.mp4", hidden=(4, 5, 6, 20)), hold_out=0.0)
    assert not footage.landmarks.found[[4, 5, 6, 20]].any() and footage.landmarks.found.sum() == 26
    assert footage.frames.images.shape[0] == 26 and not set(footage.frames.index.tolist()) & {4, 5, 6, 20}
    assert any("4-6, 20" in note for note in footage.notes)


def test_a_clip_whose_held_out_end_shows_nobody_says_so(tmp_path):
    notes = _read(_clip(tmp_path / "a.mp4", hidden=(27, 28, 29))).notes
    assert any("last 10%" in note and "nothing is scored" in note for note in notes)


def test_only_pictures_that_differ_are_kept_of_a_long_clip(tmp_path):
    footage = _read(_clip(tmp_path / "a.mp4"), max_pictures=8)
    assert int((~footage.frames.held_out).sum()) == 8 and int(footage.frames.held_out.sum()) == 3
    assert len(footage.landmarks.points) == 30
    moved = footage.frames.index[~footage.frames.held_out]
    assert moved.max() - moved.min() > 20 and (moved[1:] > moved[:-1]).all()


@pytest.mark.parametrize(("stored", "kept"), [(25.0, 25.0), (29.97, 29.97), (30.05, 30.05), (60.0, 30.0), (120.0, 30.0), (240.0, 30.0)])
def test_fast_clips_are_thinned(stored, kept):
    assert kept_rate(stored) == pytest.approx(kept)


def test_a_fast_clip_has_fewer_frames(tmp_path):
    footage = _read(_clip(tmp_path / "a.mp4", n_frames=40, fps=50))
    assert footage.frames.fps == 25.0 and len(footage.held_out) == 20


@pytest.mark.parametrize(
    ("clip", "said"),
    [
        ({"hidden": range(30)}, "no face"),
        ({"side": 40}, "only 4[0-9] pixels high"),
        ({"hidden": range(3, 30)}, "only 10%"),
        ({"n_frames": 1}, "single picture"),
        ({"fps": 2}, "too few"),
    ],
)
def test_clips_that_cannot_be_used_are_one_line(tmp_path, clip, said):
    with pytest.raises(InputError, match=said):
        _read(_clip(tmp_path / "a.mp4", **clip), size=128)


def test_footage_survives_its_file(tmp_path):
    footage = _read(_clip(tmp_path / "a.mp4", n_frames=6), hold_out=0.0)
    save_footage(tmp_path / "footage.safetensors", footage)
    again = load_footage(tmp_path / "footage.safetensors")
    assert torch.equal(again.frames.images, footage.frames.images) and torch.equal(again.landmarks.points, footage.landmarks.points)
    assert again.notes == footage.notes and again.frames.fps == footage.frames.fps
    (tmp_path / "footage.safetensors").write_bytes(b"not this")
    with pytest.raises(InputError, match="damaged"):
        load_footage(tmp_path / "footage.safetensors")


def test_a_steadied_face_is_the_mean_of_its_cut_outs():
    image = torch.full((240, 320, 3), 90, dtype=torch.uint8)
    image[70:170, 100:200] = torch.tensor([200, 50, 50], dtype=torch.uint8)
    face = Squares()(image)[0]
    assert torch.allclose(steadied(image, face, Squares()).points, face.points, atol=1e-3)
