"""Pictures of strangers: upright, as eight-bit sRGB, and refused when they are none."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from emohead.errors import InputError
from emohead.media import read_picture, sample_video
from emohead.video_writer import write_video

RAMP = np.linspace(0, 255, 40 * 30).reshape(30, 40).astype(np.uint8)


def test_a_picture_turned_by_its_camera_is_upright(tmp_path: Path):
    picture = Image.fromarray(np.stack([RAMP] * 3, -1))
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: a quarter clockwise makes it upright
    picture.save(tmp_path / "a.png", exif=exif)
    read = read_picture(tmp_path / "a.png")
    assert read.shape == (40, 30, 3)
    assert torch.equal(read[..., 0], torch.from_numpy(np.rot90(RAMP, -1).copy()))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA"])
def test_other_colours_become_rgb(tmp_path: Path, mode: str):
    picture = Image.fromarray(np.stack([RAMP] * 3, -1)).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(path)
    read = read_picture(path)
    assert read.shape == (30, 40, 3) and read.dtype == torch.uint8
    if mode not in ("1", "P"):
        assert float((read[..., 0].float() - torch.from_numpy(RAMP).float()).abs().max()) <= 3


def test_sixteen_bits_keep_their_brightness(tmp_path: Path):
    Image.fromarray((RAMP.astype(np.uint16) // 2) * 257).save(tmp_path / "a.png")
    assert torch.equal(read_picture(tmp_path / "a.png")[..., 1], torch.from_numpy(RAMP // 2))


def test_transparency_lies_over_grey(tmp_path: Path):
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").unique().tolist() == [128]


@pytest.mark.parametrize("side", [9_000, 60_000])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, side: int):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    (tmp_path / "a.png").write_bytes(bytes(data))
    with pytest.raises(InputError, match="too large"):
        read_picture(tmp_path / "a.png")


def test_what_is_no_picture_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such picture"):
        read_picture(tmp_path / "absent.png")
    Image.fromarray(RAMP).save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    for content in (b"", b"hello" * 50, data[: len(data) // 2]):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(InputError, match="not a readable picture"):
            read_picture(tmp_path / "a.png")


def test_samples_of_a_video_lie_apart(tmp_path: Path):
    with write_video(tmp_path / "a.mp4", fps=25.0, width=64, height=64) as writer:
        for _ in range(20):
            writer.write(torch.zeros(64, 64, 3, dtype=torch.uint8))
    times = [frame.time for frame in sample_video(tmp_path / "a.mp4", every=0.2)]
    assert times == pytest.approx([0.0, 0.2, 0.4, 0.6], abs=1e-3)
