"""Takes of Live Link Face: the right table, rows placed by time codes, lost faces and frames filled in, the voice beside it."""

import json
from fractions import Fraction

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.data.readers.base import read_all
from emohead.data.readers.live_link import LIVE_LINK_FACE, LiveLinkFace
from emohead.errors import InputError
from tests.data.readers.made_up import film_at, live_link_csv, opening, voice_at

JAW = RIG_INDEX["jawOpen"]


def codes(n_rows: int, *, rate: int = 60, start: float = 45000.2) -> list[str]:
    """Time codes as the app writes them, from half past twelve on."""
    first = round(start * rate)
    made = []
    for frame in range(first, first + n_rows):
        seconds = frame // rate % 86400
        made.append(f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame % rate:02d}.143")
    return made


def times(n_rows: int, rate: float = 60.0) -> list[float]:
    return [row / rate for row in range(n_rows)]


def jaw(n_rows: int, rate: float = 60.0) -> torch.Tensor:
    return torch.tensor([opening(time) for time in times(n_rows, rate)])


def test_takes(tmp_path):
    take = tmp_path / "anna" / "20260410_MySlate_14"
    live_link_csv(take / "MySlate_14_iPhone_raw.csv", codes(150), times(150), scale=0.5)
    live_link_csv(take / "MySlate_14_iPhone_cal.csv", codes(150), times(150))
    live_link_csv(take / "MySlate_14_iPhone_neutral.csv", codes(1), [0.0])
    (take / "frame_log.csv").write_text("V,0,1\n")
    voice_at(take, "MySlate_14_iPhone.mov", seconds=2.5)
    other = tmp_path / "20260411_MySlate_2"
    live_link_csv(other / "MySlate_2_iPhone.csv", codes(150), times(150))
    (other / "take.json").write_text(json.dumps({"subject": "Ben", "takeNumber": 2}))
    clips = LIVE_LINK_FACE.clips(tmp_path)
    assert [(clip.labels.speaker, clip.motion.name if clip.motion else None) for clip in clips] == [
        ("live-link-face/Ben", "MySlate_2_iPhone.csv"),
        ("live-link-face/anna", "MySlate_14_iPhone_cal.csv"),
    ]
    read = LIVE_LINK_FACE.read(clips[1])
    assert read.motion.fps == 60.0 and read.audio is not None and read.meta["notes"] == []
    torch.testing.assert_close(read.motion.rig[:, JAW], jaw(150), atol=1e-6, rtol=0.0)
    assert read.au.pose_weight[0].tolist() == [0.0, 1.0]  # the eyes' angles are zero throughout: they were not recorded
    (raw,) = LiveLinkFace(variant="raw").clips(tmp_path)
    torch.testing.assert_close(LIVE_LINK_FACE.read(raw).motion.rig[:, JAW], 0.5 * jaw(150), atol=1e-6, rtol=0.0)


def test_lost_faces_and_dropped_frames(tmp_path):
    """Nothing moves in time: what is missing is filled in, at the beginning and the end with the nearest face."""
    faceless = [*range(10), 60, 61, 62, 198, 199]
    kept = [row for row in range(200) if row not in (90, 91, 130)]
    all_codes, all_times = codes(200), times(200)
    path = live_link_csv(
        tmp_path / "a_iPhone.csv",
        [all_codes[row] for row in kept],
        [all_times[row] for row in kept],
        faceless=[index for index, row in enumerate(kept) if row in faceless],
    )
    (clip,) = read_all(LIVE_LINK_FACE, tmp_path)
    expected = jaw(200)
    expected[:10], expected[198:] = expected[10], expected[197]
    assert clip.motion.fps == 60.0 and clip.motion.n_frames == 200
    # A straight line over 67 ms of the curve is .0033 off at most.
    torch.testing.assert_close(clip.motion.rig[:, JAW], expected, atol=3.5e-3, rtol=0.0)
    torch.testing.assert_close(clip.motion.head_rotation[:, 1], -0.2 * expected, atol=1e-3, rtol=0.0)
    assert clip.meta["notes"] == ["no voice beside it", f"no face in {len(faceless)} of {len(kept)} rows; filled in from their neighbours"]
    live_link_csv(path, all_codes, all_times, faceless=range(200))
    with pytest.raises(InputError, match="a face in only 0 of its 200 rows"):
        list(read_all(LIVE_LINK_FACE, tmp_path))


def test_the_film_knows_the_true_rate(tmp_path):
    """Time codes count 60 frames to a second that has 59.94: over ten minutes 0.6 s of the voice would be lost."""
    live_link_csv(tmp_path / "a_iPhone.csv", codes(150), times(150))
    film_at(tmp_path, "a_iPhone.mov", fps=Fraction(60000, 1001), n_frames=150)
    (clip,) = read_all(LIVE_LINK_FACE, tmp_path)
    assert clip.motion.fps == pytest.approx(60 / 1.001) and clip.audio is None
    film_at(tmp_path, "a_iPhone.mov", fps=Fraction(58), n_frames=150)
    (clip,) = read_all(LIVE_LINK_FACE, tmp_path)
    assert clip.motion.fps == 60.0


def test_past_midnight_and_other_rates(tmp_path):
    live_link_csv(tmp_path / "a_iPhone.csv", codes(100, rate=30, start=86398.5), times(100, 30.0))
    (clip,) = read_all(LIVE_LINK_FACE, tmp_path)
    assert clip.motion.fps == 30.0
    torch.testing.assert_close(clip.motion.rig[:, JAW], jaw(100, 30.0), atol=1e-6, rtol=0.0)


def test_every_second_time_code(tmp_path):
    """A phone that films 30 frames and counts 60, its clock a little fast, as recordings have it."""
    every_second = [code.replace(".143", f".{595 - row // 10:03d}") for row, code in enumerate(codes(240)[::2])]
    live_link_csv(tmp_path / "a_iPhone.csv", every_second, times(120, 30.0))
    (clip,) = read_all(LIVE_LINK_FACE, tmp_path)
    assert clip.motion.fps == 30.0 and clip.motion.n_frames == 120
    torch.testing.assert_close(clip.motion.rig[:, JAW], jaw(120, 30.0), atol=1e-3, rtol=0.0)


def test_takes_too_short_to_tell(tmp_path):
    live_link_csv(tmp_path / "a_iPhone.csv", codes(40), times(40))
    with pytest.raises(InputError, match="do not tell the frame rate; give fps"):
        list(read_all(LIVE_LINK_FACE, tmp_path))
    (clip,) = read_all(LiveLinkFace(fps=60.0), tmp_path)
    assert clip.motion.n_frames == 40
