"""Mattes: the guided filter keeps edges, and the segmenter agrees with a true matte."""

import numpy as np
import torch

from recon.capture import read_capture
from recon.matte import SelfieSegmenter, guided
from tests.shared import shared_data


def test_a_coarse_edge_follows_the_picture():
    guide = np.zeros((64, 64), np.float32)
    guide[:, 32:] = 0.8
    coarse = np.clip((np.arange(64) - 24) / 16, 0, 1).astype(np.float32)[None].repeat(64, 0)
    fine = guided(coarse, guide, radius=6)
    step = fine[:, 32] - fine[:, 31]
    assert step.min() > 0.4 > 0.07 > coarse[0, 32] - coarse[0, 31]  # a slope of 16 pixels became a step where the picture has one
    flat = guided(np.full((64, 64), 0.3, np.float32), guide, radius=6)
    assert np.allclose(flat, 0.3, atol=1e-4)


def test_a_person_is_cut_out_as_the_true_matte_says(networks):
    frames = read_capture(shared_data("captures/mei")).frames
    segment, overlaps = SelfieSegmenter(), []
    for picture in range(0, 600, 75):
        matte, truth = segment(frames.images[picture]) > 127, frames.mattes[picture] > 127
        overlaps.append(float((matte & truth).sum() / (matte | truth).sum()))
    assert min(overlaps) > 0.93, overlaps
    assert torch.tensor(overlaps).mean() > 0.95
