"""Reading captures: camera axes, split, matte."""

import json
import math

import pytest
import torch

from emohead.errors import InputError
from recon.capture import _camera, read_capture
from tests.shared import shared_data


def _look(camera, point: list[float]) -> torch.Tensor:
    in_camera = camera.world_to_camera[0, :3, :3] @ torch.tensor(point) + camera.world_to_camera[0, :3, 3]
    pixel = camera.intrinsics[0] @ in_camera
    return torch.cat([pixel[:2] / pixel[2], in_camera[2:]])


def _blender_front_camera() -> dict:
    """At (0, -9.25, 7.05) dm, looking along +y with z up, as in a capture folder."""
    return {"camera_to_world": [[1, 0, 0, 0], [0, 0, -1, -9.25], [0, 1, 0, 7.05], [0, 0, 0, 1]], "fov_x_rad": 0.42}


def test_camera_axes_and_units():
    camera = _camera(_blender_front_camera(), 512, 512)
    middle = _look(camera, [0.0, 0.705, 0.0])
    assert torch.allclose(middle, torch.tensor([256.0, 256.0, 0.925]), atol=1e-3)
    # The subject's left (+x) is on the right of the picture; up is up.
    assert _look(camera, [0.1, 0.705, 0.0])[0] > 256
    assert _look(camera, [0.0, 0.8, 0.0])[1] < 256
    assert math.isclose(float(camera.intrinsics[0, 0, 0]), 256 / math.tan(0.21), rel_tol=1e-5)


def test_missing_files_are_one_line(tmp_path):
    with pytest.raises(InputError, match=r"capture\.json is missing"):
        read_capture(tmp_path)
    (tmp_path / "capture.json").write_text(json.dumps({"name": "nobody", "licence": "CC0", "fps": 25, "camera": _blender_front_camera()}))
    with pytest.raises(InputError, match=r"nobody\.mp4 is missing"):
        read_capture(tmp_path)


def test_the_last_tenth_of_the_shared_capture_is_held_out():
    capture = read_capture(shared_data("captures/mei"))
    frames = capture.frames
    assert frames.n_frames == 650
    assert frames.training == list(range(585))
    assert frames.mattes[0, 0, 0] == 0 and frames.mattes[0, 300, 256] == 255
