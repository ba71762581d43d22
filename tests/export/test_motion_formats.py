"""The motion formats: ours, Live Link Face's and OpenFace's."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from emohead.channels import AU_INDEX, RIG_INDEX, RIG_NAMES
from emohead.errors import InputError
from emohead.export.arkit_csv import COLUMNS, read_arkit_csv, timecode, write_arkit_csv
from emohead.export.base import motion_format
from emohead.export.motion_npz import read_motion_npz, write_motion_npz
from emohead.export.openface_csv import read_openface_csv, write_openface_csv
from emohead.head.action_units import rig_to_au, to_openface
from emohead.head.gaze import with_gaze
from emohead.types import AUTrack, HeadMotion
from tests.contracts.exporter import ExporterContract, lively_motion
from tests.shared import shared_data


class TestNpz(ExporterContract):
    suffix = ".npz"

    def compare(self, motion: HeadMotion, read: HeadMotion | AUTrack) -> None:
        assert isinstance(read, HeadMotion)
        for name in ("rig", "head_rotation", "torso_rotation", "translation", "gaze"):
            assert torch.equal(getattr(read, name), getattr(motion, name)), name


class TestArkitCsv(ExporterContract):
    suffix = ".csv"

    def compare(self, motion: HeadMotion, read: HeadMotion | AUTrack) -> None:
        assert isinstance(read, HeadMotion)
        assert torch.allclose(read.rig, motion.rig, atol=1e-6) and torch.allclose(read.gaze, motion.gaze, atol=1e-6)
        # One rotation holds what the torso and the neck do together.
        whole = Rotation.from_rotvec(motion.torso_rotation.numpy()) * Rotation.from_rotvec(motion.head_rotation.numpy())
        assert np.allclose(Rotation.from_rotvec(read.head_rotation.numpy()).as_matrix(), whole.as_matrix(), atol=1e-6)


class TestOpenfaceCsv(ExporterContract):
    suffix = ".au.csv"

    def compare(self, motion: HeadMotion, read: HeadMotion | AUTrack) -> None:
        assert isinstance(read, AUTrack)
        assert torch.allclose(to_openface(read.intensity), to_openface(rig_to_au(motion.rig)), atol=1e-4)
        assert float(read.weight[0, AU_INDEX["AU12L"]]) == 1.0 and float(read.weight[0, AU_INDEX["AU30L"]]) == 0.0


def test_the_suffix_chooses():
    assert "OpenFace" in motion_format("Clip.AU.csv").title and "Live Link" in motion_format("clip.csv").title
    with pytest.raises(InputError, match=r"\.npz"):
        motion_format("clip.fbx")


def test_live_link_face_layout(tmp_path: Path):
    motion = lively_motion(n_frames=70, fps=60.0)
    write_arkit_csv(tmp_path / "a.csv", motion)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].startswith("Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,") and len(COLUMNS) == 63
    assert lines[0].endswith(
        "TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
    )
    assert lines[1].startswith("00:00:00:00.000,61,") and lines[61].startswith("00:00:01:00.000,61,")
    assert all(len(line.split(",")) == 63 for line in lines)


def test_angles_have_the_signs_of_recordings(tmp_path: Path):
    """Yaw and roll were once written with our own signs: recordings have EyeLookOutLeft with a negative LeftEyeYaw."""
    still = torch.zeros(30, 3)
    turned = still.clone()
    turned[:, 1] = 0.3  # yaw to the subject's left
    gaze = torch.zeros(30, 2, 2)
    gaze[..., 0], gaze[..., 1] = 0.2, 0.1  # to the subject's left, down
    motion = with_gaze(HeadMotion(25.0, torch.zeros(30, 52), turned, still, still, torch.zeros(30, 2, 2)), gaze)
    write_arkit_csv(tmp_path / "a.csv", motion)
    header, row, *_ = (line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines())
    values = {name: float(cell) for name, cell in zip(header[2:], row[2:], strict=True)}
    assert [values[f"Head{angle}"] for angle in ("Yaw", "Pitch", "Roll")] == pytest.approx([-0.3, 0.0, 0.0], abs=1e-7)
    assert values["LeftEyeYaw"] == pytest.approx(-0.2) and values["EyeLookOutLeft"] > 0.1 and values["EyeLookInLeft"] == 0.0
    assert values["LeftEyePitch"] == pytest.approx(0.1) and values["EyeLookDownLeft"] > 0.05
    tilted = still.clone()
    tilted[:, 2] = 0.2  # the top of the head to the subject's right
    write_arkit_csv(tmp_path / "b.csv", HeadMotion(25.0, torch.zeros(30, 52), tilted, still, still, gaze))
    header, row, *_ = (line.split(",") for line in (tmp_path / "b.csv").read_text().splitlines())
    assert float(row[header.index("HeadRoll")]) == pytest.approx(-0.2, abs=1e-7)
    again = read_arkit_csv(tmp_path / "b.csv", fps=25.0)
    torch.testing.assert_close(again.head_rotation, tilted, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(again.gaze, gaze, atol=1e-6, rtol=0.0)


@pytest.mark.parametrize("fps", [24.0, 25.0, 30000 / 1001, 60.0])
def test_time_codes_count_frames_of_each_second(fps: float):
    for index in range(0, 5000, 7):
        hours, minutes, seconds, frames = timecode(index, fps).split(":")
        time = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(frames) / fps
        assert abs(time - index / fps) < 0.0012 / fps + 1e-9


def test_arkit_columns_are_found_by_name_in_any_order_with_a_byte_order_mark(tmp_path: Path):
    motion = lively_motion()
    write_arkit_csv(tmp_path / "a.csv", motion)
    rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()]
    shuffled = "\n".join(",".join(reversed(row)) for row in rows)
    (tmp_path / "b.csv").write_text("\ufeff" + shuffled, encoding="utf-8")
    assert torch.equal(read_arkit_csv(tmp_path / "b.csv").rig, read_arkit_csv(tmp_path / "a.csv").rig)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("JawOpen", "JawShut", "column JawOpen is missing"),
        (",61,", ",61,nan,", "line 2"),
        ("00:00:00:01.000,61,0", "00:00:00:01.000,61,inf0", "line 3: EyeBlinkLeft is 'inf0"),
        ("00:00:00:01.000,61,0", "00:00:00:01.000,61,7", "line 3: EyeBlinkLeft is 7"),
    ],
)
def test_what_is_wrong_in_a_recording_is_named(tmp_path: Path, old: str, new: str, message: str):
    path = tmp_path / "a.csv"
    write_arkit_csv(path, lively_motion())
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_arkit_csv(path)


def test_semicolons_and_short_clips_get_advice(tmp_path: Path):
    path = tmp_path / "a.csv"
    write_arkit_csv(path, lively_motion(n_frames=5))
    with pytest.raises(InputError, match="give fps"):
        read_arkit_csv(path)
    assert read_arkit_csv(path, fps=25.0).n_frames == 5
    path.write_text(path.read_text().replace(",", ";"))
    with pytest.raises(InputError, match="semicolons"):
        read_arkit_csv(path)


def test_openface_frames_without_success_are_interpolated(tmp_path: Path):
    path = tmp_path / "a.au.csv"
    motion = HeadMotion.neutral(3, 25.0)
    motion.rig[:, [RIG_INDEX["mouthSmileLeft"], RIG_INDEX["mouthSmileRight"]]] = torch.tensor([0.2, 0.9, 0.4])[:, None]
    write_openface_csv(path, motion)
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace(",1.00,1,", ",0.10,0,", 1)
    path.write_text("\n".join(lines))
    smile = read_openface_csv(path).intensity[:, AU_INDEX["AU12L"]]
    assert torch.allclose(smile, torch.tensor([0.2, 0.3, 0.4]), atol=0.02)
    path.write_text("\n".join(line.replace(",1.00,1,", ",0.10,0,", 1) for line in lines))
    with pytest.raises(InputError, match="no frame has success"):
        read_openface_csv(path)


def test_npz_with_objects_or_wrong_shapes_is_refused_and_runs_nothing(tmp_path: Path):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    path = tmp_path / "a.npz"
    write_motion_npz(path, lively_motion())
    with np.load(path) as archive:
        fields = dict(archive)
    for change, message in (
        ({"rig": np.array([Payload()], dtype=object)}, "plain numbers"),
        ({"gaze": fields["gaze"][:, :1]}, r"gaze must be \[60, 2, 2\]"),
        ({"rig": np.full_like(fields["rig"], np.nan)}, "NaN"),
        ({"fps": np.array(0.0)}, "no motion"),
        ({"rig_names": fields["rig_names"][::-1]}, "rig channels"),
        ({"format": np.array("other")}, "not an EmoHead motion file"),
    ):
        np.savez(path, **{**fields, **change})
        with pytest.raises(InputError, match=message):
            read_motion_npz(path)
    assert not (tmp_path / "executed").exists()


def test_a_real_recording_passes_through_every_format(tmp_path: Path):
    stored = json.loads(shared_data("motion/arkit_32s_30fps.json").read_text())
    order = [stored["names"].index(name) for name in RIG_NAMES]
    rig = torch.tensor([frame["weights"] for frame in stored["frames"][:90]])[:, order]
    motion = HeadMotion(
        30.0, rig.clamp(0, 1), torch.tensor(stored["head_pose"][:90]), torch.zeros(90, 3), torch.zeros(90, 3), torch.zeros(90, 2, 2)
    )
    for suffix in (".npz", ".csv", ".au.csv"):
        chosen = motion_format(suffix)
        chosen.write(tmp_path / f"real{suffix}", motion)
        read = chosen.read(tmp_path / f"real{suffix}")
        assert read.n_frames == 90 and abs(read.fps - 30) < 1e-3
        if isinstance(read, HeadMotion):
            assert torch.allclose(read.rig, motion.rig, atol=1e-6) and torch.allclose(read.head_rotation, motion.head_rotation, atol=1e-5)
