"""EmoDiffTalk's edit, by its formula."""

import pytest
import torch

from controllers.binary_edit import BinaryEdit, binary_edit, meant_units
from emohead.channels import AU_INDEX, N_AU
from emohead.errors import InputError
from emohead.types import AUTrack


def test_the_formula():
    face, meant = torch.full((2, N_AU), 0.4), torch.zeros(N_AU)
    meant[AU_INDEX["AU12L"]] = 1.0
    edited = binary_edit(face, meant, alpha=0.5, beta=0.75)
    assert edited[0, AU_INDEX["AU12L"]] == pytest.approx(0.6) and edited[0, AU_INDEX["AU4L"]] == pytest.approx(0.1)
    assert binary_edit(face, meant, alpha=9.0, beta=1.0).max() == 1.0
    assert torch.equal(binary_edit(torch.zeros(2, N_AU), meant, alpha=9.0, beta=1.0), torch.zeros(2, N_AU)), (
        "it cannot add what is not there"
    )


def test_a_sentence_edits_a_track():
    track = AUTrack.neutral(10, 25.0)
    track.intensity[:] = 0.4
    edited = BinaryEdit("overjoyed")(track)
    assert edited.intensity[0, AU_INDEX["AU12L"]] > 0.4 > edited.intensity[0, AU_INDEX["AU15L"]]
    assert torch.equal(edited.gaze, track.gaze)
    assert meant_units("parks the car near the bakery").sum() == 0.0
    units = meant_units("smirks with the left corner of the mouth")
    assert torch.equal(units[AU_INDEX["AU12L"]], units[AU_INDEX["AU12R"]]), "it knows no sides"


def test_settings_are_checked():
    with pytest.raises(InputError, match="alpha"):
        BinaryEdit("happy", alpha=-1.0)
    with pytest.raises(InputError, match="beta"):
        BinaryEdit("happy", beta=1.5)
