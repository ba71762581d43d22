"""What hides the person is found where a picture is far worse explained than usual, in one patch."""

import torch

from recon.occlusion import BLOCK, block_error, hidden_blocks, to_pixels


def test_a_hand_is_found_and_speech_is_not():
    errors = torch.full((9, 16, 16), 0.02)
    errors[:, 10, 6:10] = 0.15  # a mouth is badly explained in every picture
    errors[4, 8:14, 2:7] = 0.4  # a hand, in one
    errors[6, 2, 2] = 0.5  # a single block is too small
    hidden = hidden_blocks(errors)
    assert hidden[4, 8:14, 2:7].all()
    assert not hidden[[0, 1, 2, 3, 5, 6, 7, 8]].any()
    assert hidden[4].sum() <= 8 * 7  # one block around it at most


def test_blocks_of_pictures_that_were_not_seen_are_not_hidden():
    errors = torch.full((3, 8, 8), torch.nan)
    assert not hidden_blocks(errors).any()


def test_blocks_and_pixels_agree():
    truth, drawn = torch.zeros(64, 96, 3), torch.zeros(64, 96, 3)
    drawn[16:32, 48:64] = 0.5
    error = block_error(drawn, truth)
    assert error.shape == (64 // BLOCK, 96 // BLOCK) and torch.isclose(error[1, 3], torch.tensor(0.5)) and error.sum() == error[1, 3]
    assert torch.equal(to_pixels(error > 0, 64, 96), drawn[..., 0] > 0)
