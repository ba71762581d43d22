"""Keyframes: joined without overshoot, let go where they say so, over a sentence and under sliders; recordings of faces."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from controllers.control import control
from controllers.expression import UPPER_CHANNELS
from controllers.keyframe_files import read_keyframes
from controllers.keyframe_plan import track_to_plan
from controllers.keyframes import Curve
from controllers.portraits import apex
from emohead.channels import AU_INDEX, AU_NAMES, RIG_INDEX
from emohead.errors import InputError
from emohead.export.arkit_csv import write_arkit_csv
from emohead.export.motion_npz import write_motion_npz
from emohead.export.openface_csv import write_openface_csv
from emohead.pipeline import Request, plan
from emohead.types import AUTrack, HeadMotion
from tests.tiny import voice

SMILE, FROWN = AU_INDEX["AU12L"], AU_INDEX["AU4L"]


def track_of(tmp_path: Path, text: str, suffix: str = ".json", *, part: str = "", n_frames: int = 101) -> AUTrack:
    path = tmp_path / f"keys{suffix}"
    path.write_text(text, encoding="utf-8")
    return read_keyframes(f"{path}{part}")(n_frames, 50.0)


def test_all_written_forms_mean_the_same(tmp_path: Path):
    moments = '[{"time": 0, "AU12": 0, "gaze": [0, 0.1]},\n {"time": 1, "AU12": 0.6},\n {"time": 2, "AU12": 0.2, "gaze": [0.3, 0.1]}]'
    curves = '{"times": [0, 1, 2], "AU12": [0, 0.6, 0.2], "gaze": [[0, 0.1], null, [0.3, 0.1]]}'
    by_rate = '{"fps": 1, "AU12L": [0, 0.6, 0.2], "AU12R": [0, 0.6, 0.2], "gaze": [[0, 0.1], null, [0.3, 0.1]]}'
    table = "time,AU12,gaze_yaw,gaze_pitch\n0,0,0,0.1\n1,.6,,\n2,.2,.3,.1\n"
    tracks = [track_of(tmp_path, text) for text in (moments, curves, by_rate)] + [track_of(tmp_path, table, ".csv")]
    for track in tracks:
        assert torch.equal(track.intensity, tracks[0].intensity) and torch.equal(track.gaze, tracks[0].gaze)
        assert torch.equal(track.weight, tracks[0].weight) and torch.equal(track.pose_weight, tracks[0].pose_weight)
    assert tracks[0].intensity[50, SMILE] == pytest.approx(0.6) and tracks[0].weight[:, SMILE].min() == 1.0
    assert tracks[0].weight[:, FROWN].max() == 0.0 and tracks[0].pose_weight[:, 1].max() == 0.0


def test_curves_keep_within_their_keys_and_hold_at_the_ends():
    random = np.random.default_rng(0)
    for _ in range(50):
        times = np.sort(random.uniform(0, 10, 8)) + np.arange(8) * 0.01
        values = random.uniform(0, 1, 8).round(1)
        fine = np.linspace(-1, 12, 2000)
        curve, _ = Curve("AU12L", tuple(times), tuple(values)).at(fine)
        assert curve.min() >= values.min() - 1e-12 and curve.max() <= values.max() + 1e-12
        assert np.allclose([curve[0], curve[-1]], [values[0], values[-1]])
        for (start, low), (end, high) in pairwise(zip(times, values, strict=True)):
            between = curve[(fine >= start) & (fine <= end)]
            assert (np.diff(between) * (high - low) >= -1e-9).all(), "monotone between two keys"


def test_a_channel_is_let_go(tmp_path: Path):
    track = track_of(tmp_path, '[{"time": 0.5, "AU12": "free"}, {"time": 1, "AU12": 0.6}, {"time": 1.5, "AU12": "free"}]')
    assert track.weight[:25, SMILE].max() == 0.0 and track.weight[50, SMILE] == 1.0 and track.weight[76:, SMILE].max() == 0.0
    assert track.weight[:, SMILE].diff().abs().max() < 0.1


WRONG = {
    '[{"time": 0, "AU12": 0},\n {"time": 1, "AU12": 1.5}]': "line 2: AU12L is 1.5; it goes from 0 to 1",
    '[{"time": 1, "AU12": 0},\n\n {"time": 0.5, "AU12": 1}]': r"line 3: time 0.5 comes after 1 \(line 1\)",
    '[{"time": 1, "AU12": 0},\n {"time": 1, "AU12": 1}]': "line 2: time 1 is given twice",
    '[{"time": 0,\n "AU12": NaN}]': "line 2: AU12L is nan, not a finite number",
    '[{"time": 0,\n "smile": 1}]': "line 2: unknown channel 'smile'",
    '[{"time": 0,\n "AU99": 1}]': "line 2: unknown action unit 'au99'",
    '[{"time": 0, "AU12": 1,\n "AU12L": 0}]': "line 2: AU12L has two values",
    '[{"time": 0, "gaze": [9, 0]}]': "line 1: gaze_yaw is 9; it goes from -0.6 to 0.6 radians",
    '[{"time": 0, "head": [0, 0]}]': r"line 1: head is \[0, 0\]; give \[pitch, yaw, roll\]",
    '[{"time": -1, "AU12": 1}]': "line 1: time -1 is before the clip",
    '[{"time": 0, "AU12": true}]': "line 1: AU12L is True",
    '[{"AU12": 1}]': "line 1: a moment needs one time",
    "[1]": "line 1: 1 is not a moment",
    '{"AU12": [1]}': "line 1: curves need either fps or times",
    '{"times": [0, 1],\n"AU12": [1]}': "line 2: AU12 has 1 values for 2 times",
    '{"times": 3, "AU12": [1]}': "line 1: times is 3",
    '{"fps": 0, "AU12": [1]}': "line 1: fps is 0",
    '{"fps": 25, "AU12": 0.5}': "line 1: AU12 is 0.5; give a list",
    '"x"': "line 1: 'x' is neither",
    '[{"time": 0,\n}]': "line 2: not JSON",
    "<html>🤯</html>": "line 1: not JSON",
    "\x00\x01": "line 1: not JSON",
    "": "the keyframe file is empty",
    "[]": "no keys of any channel",
    "[" * 100_000: "brackets without end",
    '[{"time": 0, "AU12": ' + "9" * 9000 + "}]": "numbers or brackets",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str):
    with pytest.raises(InputError, match=WRONG[text]) as refused:
        track_of(tmp_path, text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,AU12\n0,0.5\n\n1,nan\n", "line 4: AU12L is nan"),
        ("time,AU12\n1,0\n0.5,0\n", "line 3: time 0.5 comes after 1"),
        ("time,AU12\n0,x\n", "line 2: AU12L is 'x'"),
        ("time,AU12\n0\n", "line 2: 1 cells under 2 columns"),
        ("time,gaze\n0,1\n", "line 1: a column holds one number: write gaze_yaw, gaze_pitch"),
        ("time,joy\n0,1\n", "line 1: unknown channel 'joy'"),
        ("a,b\n1,2\n", "line 1: no column called time"),
        ("time;AU12\n0;1\n", "semicolons"),
        ("", "no rows"),
    ],
)
def test_wrong_tables_are_named_with_their_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(InputError, match=message):
        track_of(tmp_path, text, ".csv")


def test_other_files_are_refused(tmp_path: Path):
    for name in ("keys.txt", "absent.json", "absent.csv", "absent.npz", "", "x" * 9):
        with pytest.raises(InputError):
            read_keyframes(tmp_path / name if name else name)


def recorded(n_frames: int = 150) -> HeadMotion:
    """A face that smiles, opens its mouth and looks aside."""
    motion = HeadMotion.neutral(n_frames, 50.0)
    rise = torch.linspace(0, 0.8, n_frames)
    for name in ("mouthSmileLeft", "mouthSmileRight", "jawOpen", "browOuterUpLeft"):
        motion.rig[:, RIG_INDEX[name]] = rise
    motion.gaze[:, :, 0] = 0.3
    motion.head_rotation[:, 1] = 0.2
    return motion


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_a_recorded_face_as_keyframes(tmp_path: Path, suffix: str):
    path = tmp_path / f"take{suffix}"
    (write_arkit_csv if suffix == ".csv" else write_motion_npz)(path, recorded())
    whole, upper = (read_keyframes(f"{path}{part}")(150, 50.0) for part in ("", ":upper"))
    assert whole.intensity[-1, SMILE] > 0.5 and whole.weight.min() == 1.0
    assert torch.allclose(whole.gaze[:, 0], torch.tensor(0.3), atol=1e-4)
    assert torch.allclose(whole.head_rotation[:, 1], torch.tensor(0.2), atol=1e-4)
    left = {name for name in AU_NAMES if upper.weight[:, AU_INDEX[name]].max() > 0}
    assert left == UPPER_CHANNELS and upper.intensity[-1, AU_INDEX["AU2L"]] > 0.5


def test_a_table_of_openface_as_keyframes(tmp_path: Path):
    path = tmp_path / "face.csv"
    write_openface_csv(path, recorded())
    track = read_keyframes(path)(75, 25.0)
    assert track.intensity[-1, SMILE] > 0.5 and track.weight[:, AU_INDEX["AU13L"]].max() == 0.0


def test_a_short_recording_lets_go_at_its_end(tmp_path: Path):
    path = tmp_path / "take.npz"
    write_motion_npz(path, recorded())
    track = read_keyframes(path)(300, 50.0)
    assert track.weight[100, SMILE] == 1.0 and track.weight[151:].max() == 0.0


def test_keyframes_win_over_the_sentence_and_sliders_over_them(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_text('[{"time": 0, "AU12": 0.1, "AU4": 0.7}]')
    keys = read_keyframes(path)
    result = control(100, 25.0, sentence="very happy", sliders=["AU4=0.2"], keyframes=keys)
    assert torch.allclose(result.track.intensity[:, SMILE], torch.tensor(0.1))
    assert torch.allclose(result.track.intensity[:, FROWN], torch.tensor(0.2))
    assert result.track.intensity[-1, AU_INDEX["AU6L"]] > 0.4 and result.warnings == ()


def test_keys_beyond_the_clip_are_told(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_text('[{"time": 0, "AU12": 0.1}, {"time": 9.5, "AU12": 0.7}]')
    planned = plan(voice(), Request(keyframes=path))
    assert planned.warnings == ("the keyframes go on until 9.50 s, the clip ends at 0.60 s",)
    assert planned.settings["keyframes"] == str(path)


def test_several_wishes_together_are_pictured_once_they_have_come_up():
    made = control(150, 25.0, sentence="smiles", label="sad", sliders=["AU2L=1"])
    together = track_to_plan(made.track, [0.0], text="together", late=0.7)
    shown = made.track.intensity[apex(made.track, together, together.events[0])]
    assert float(shown[AU_INDEX["AU12L"]]) > 0.5 and float(shown[AU_INDEX["AU2L"]]) > 0.9
    moment = track_to_plan(made.track, [0.0], text="key")
    assert apex(made.track, moment, moment.events[0]) == 0
