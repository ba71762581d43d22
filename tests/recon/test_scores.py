"""Splits, picture scores and sheets: known counts and values."""

import math

import pytest
import torch
from PIL import Image

from emohead.errors import InputError
from recon.contact_sheet import crop, error_picture, write_sheet
from recon.scores import EQUAL_DB, mean_scores, score_picture
from recon.splits import evenly, held_out_count, tail

FACE = (slice(4, 20), slice(4, 20))


@pytest.mark.parametrize(
    ("split", "count"), [("tail10", 100), ("insta350", 350), ("flashavatar500", 500), ("ernerf", 91), ("instag", 300), ("none", 0)]
)
def test_splits_of_a_thousand_frames(split, count):
    assert held_out_count(split, 1000, 25.0) == count
    held_out = tail(1000, count)
    assert int(held_out.sum()) == count and (count == 0 or bool(held_out[-1])) and not bool(held_out[0])


def test_a_split_longer_than_the_clip_is_refused():
    with pytest.raises(InputError, match="insta350 holds out 350 of this clip's 200 frames"):
        held_out_count("insta350", 200, 25.0)
    with pytest.raises(InputError, match="tail10 holds out 0"):
        held_out_count("tail10", 3, 25.0)
    with pytest.raises(InputError, match="unknown"):
        held_out_count("half", 200, 25.0)


def test_evenly_keeps_the_ends():
    assert evenly([3, 5, 8], 5) == [3, 5, 8]
    assert evenly(list(range(100)), 4) == [0, 33, 66, 99]


def test_known_errors_are_averaged_in_decibels():
    """Off by .1 everywhere is 20 dB, by .01 is 40 dB; outside 0..1 the drawn picture is clipped."""
    truth = torch.full((24, 24, 3), 0.5)
    scores = [score_picture(truth + error, truth, FACE) for error in (0.1, 0.01)]
    figures = mean_scores(scores, "held_out")
    assert figures["held_out_frames"] == 2
    assert math.isclose(figures["held_out_full_psnr_db"], 30.0, abs_tol=1e-3)
    assert math.isclose(figures["held_out_face_psnr_db"], 30.0, abs_tol=1e-3)
    white = torch.ones(24, 24, 3)
    assert score_picture(white + 3.0, white, FACE).full_psnr_db == EQUAL_DB
    with_lpips = [score_picture(truth, truth + 0.1, FACE, perceptual=[lambda a, b: 0.25, None])]
    figures = mean_scores(with_lpips, "x", networks=("alex", "vgg"))
    assert figures["x_lpips_alex"] == 0.25 and figures["x_lpips_vgg"] is None


def test_only_the_face_counts_for_the_face():
    truth = torch.full((24, 24, 3), 0.5)
    drawn = truth.clone()
    drawn[22:, 22:] += 0.3
    score = score_picture(drawn, truth, FACE)
    assert score.face_psnr_db == EQUAL_DB and score.full_psnr_db < 40


def test_sheets_and_crops(tmp_path):
    picture = torch.zeros(40, 60, 3, dtype=torch.uint8)
    picture[10:20, 30:50] = 200
    cut = crop(picture, (slice(10, 20), slice(30, 50)), height=30, width=60, zoom=3.0)
    assert cut.shape == (30, 60, 3) and int(cut[5:25, 5:55].min()) > 190
    beyond = crop(picture, (slice(0, 2), slice(0, 2)), height=20, width=20)
    assert beyond.shape == (20, 20, 3) and int(beyond[0, 0].min()) == 255 and int(beyond[-1, -1].max()) == 0
    assert error_picture(picture, picture + 10).unique().tolist() == [40]
    write_sheet([[picture, picture], [picture]], tmp_path / "sheet.png", shrink=2)
    assert Image.open(tmp_path / "sheet.png").size == (64, 44)
    with pytest.raises(InputError, match="no picture"):
        write_sheet([[]], tmp_path / "empty.png")
    assert not (tmp_path / "empty.png").exists()
