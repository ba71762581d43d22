"""Folders of several calibrated cameras: axes, intrinsics, numbering, and what is refused."""

import json
import math

import pytest
import torch
from PIL import Image

from emohead.errors import InputError
from recon.landmarks import Face
from recon.multiview import read_multiview

IDENTITY = torch.eye(4).tolist()


class Blind:
    """A detector that finds a face in bright pictures only."""

    def __call__(self, image: torch.Tensor) -> list[Face]:
        if float(image.float().mean()) < 128:
            return []
        points = torch.rand(478, 2, generator=torch.Generator().manual_seed(0)) * 60 + 30
        return [Face(points, torch.zeros(52))]


def _folder(path, frames, **layout):
    path.mkdir(exist_ok=True)
    for frame in frames:
        picture = path / frame["file_path"]
        shade = 200 if "bright" in frame["file_path"] else 20
        if picture.suffix and not picture.exists() and picture.parent == path:
            Image.new("RGBA", (128, 128), (shade, shade, shade, 255)).save(picture, "PNG")
    (path / "transforms.json").write_text(json.dumps({"frames": frames, **layout}))
    return path


def test_axes_intrinsics_and_numbering(tmp_path):
    moved = torch.eye(4)
    moved[:3, 3] = torch.tensor([0.1, 0.0, 0.5])
    frames = [
        {"file_path": "b_bright.png", "transform_matrix": moved.tolist(), "timestep_index": 7, "camera_index": 3},
        {"file_path": "a.png", "transform_matrix": IDENTITY, "timestep_index": 2, "camera_index": 1},
        {"file_path": "c.png", "transform_matrix": moved.tolist(), "timestep_index": 2, "camera_index": 3},
    ]
    view = read_multiview(_folder(tmp_path / "set", frames, camera_angle_x=0.5, fps=30), size=64, detector=Blind())
    assert view.frames.images.shape == (3, 64, 64, 3) and view.frames.fps == 30
    assert view.frames.index.tolist() == [0, 0, 1] and view.camera_of.tolist() == [0, 1, 1]
    assert view.landmarks.found.tolist() == [False, False, True]
    assert (view.frames.mattes == 255).all()
    assert math.isclose(float(view.cameras.intrinsics[0, 0, 0]), 0.5 * 64 / math.tan(0.25), rel_tol=1e-5)
    # An OpenGL camera at z = 0.5 looks along -z: the origin is half a metre in front of it.
    seen = view.cameras.world_to_camera[1] @ torch.tensor([0.1, 0.0, 0.0, 1.0])
    assert torch.allclose(seen[:3], torch.tensor([0.0, 0.0, 0.5]), atol=1e-6)
    up = view.cameras.world_to_camera[1] @ torch.tensor([0.1, 0.1, 0.0, 1.0])
    assert up[1] < 0  # y is down in the picture


@pytest.mark.parametrize(
    ("frames", "layout", "said"),
    [
        ([], {}, "there must be frames"),
        ([{"file_path": "a.png", "transform_matrix": [[1, 0], [0, 1]]}], {"camera_angle_x": 0.5}, "must be 4x4"),
        ([{"file_path": "a.png", "transform_matrix": IDENTITY}], {}, "no focal length"),
        ([{"file_path": "absent.jpg", "transform_matrix": IDENTITY}], {"camera_angle_x": 0.5}, "no such picture"),
        ([{"file_path": "../a.png", "transform_matrix": IDENTITY}], {"camera_angle_x": 0.5}, "outside the folder"),
        ([{"file_path": "a.png", "transform_matrix": IDENTITY}] * 1201, {"camera_angle_x": 0.5}, "too many"),
    ],
)
def test_unusable_layouts_are_one_line(tmp_path, frames, layout, said):
    folder = tmp_path / "set"
    _folder(folder, frames, **layout)
    (folder / "absent.jpg").unlink(missing_ok=True)
    with pytest.raises(InputError, match=said):
        read_multiview(folder, size=64, detector=Blind())


def test_a_damaged_or_missing_layout_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no transforms\.json"):
        read_multiview(tmp_path)
    (tmp_path / "transforms.json").write_text("{")
    with pytest.raises(InputError, match="not a list of frames"):
        read_multiview(tmp_path)
