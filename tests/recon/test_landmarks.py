"""Face landmarks of pictures: boxes, and the landmarker itself where its model file is at hand."""

import pytest
import torch

from emohead.errors import InputError
from recon.capture import read_capture
from recon.landmarks import BROWS, EYES, LIPS, N_POINTS, OVAL, crop_box, detect_landmarks, feature_boxes
from tests.shared import shared_data


def test_subsets_do_not_overlap():
    everything = LIPS + EYES + BROWS + OVAL
    assert len(set(everything)) == len(everything) and max(everything) < N_POINTS


def test_boxes_hold_their_points():
    points = torch.rand(N_POINTS, 2, generator=torch.Generator().manual_seed(0)) * 100 + 200
    rows, columns = crop_box(points, 512, 512)
    assert rows.start == int(points[:468, 1].min() - 0.12 * (points[:468, 1].max() - points[:468, 1].min()))
    assert columns.stop <= 512
    for subset, (rows, columns) in zip((EYES + BROWS, LIPS), feature_boxes(points, 512, 512), strict=True):
        x, y = points[list(subset)].unbind(1)
        assert rows.start <= y.min() and rows.stop >= y.max() and columns.start <= x.min() and columns.stop >= x.max()
        assert rows.start % 2 == 0 and columns.start % 2 == 0  # halves of a picture use the same box


def test_no_face_is_an_error_of_one_line(networks):
    with pytest.raises(InputError, match="no face was found in any of 2 frames"):
        detect_landmarks(torch.full((2, 64, 64, 3), 128, dtype=torch.uint8))


def test_the_capture_is_found_and_opens_its_mouth(networks):
    frames = read_capture(shared_data("captures/mei")).frames
    landmarks = detect_landmarks(frames.images[[5, 175]])
    assert landmarks.found.all()
    gap = (landmarks.points[:, 13] - landmarks.points[:, 14]).norm(dim=1)
    assert gap[0] < 6 < 20 < gap[1]
    # The subject's right eye (33) is on the left of the picture.
    assert (landmarks.points[:, 33, 0] < landmarks.points[:, 263, 0]).all()
