"""Sliders: values, sides, errors."""

import pytest
import torch

from controllers.sliders import SliderController
from emohead.channels import AU_INDEX
from emohead.errors import InputError


def test_values_are_held_with_full_weight():
    track = SliderController(("AU12=0.6", "AU12L=.4", "au4r=1", "AU54=.5"))(20, 25.0)
    assert torch.all(track.intensity[:, AU_INDEX["AU12L"]] == 0.4) and torch.all(track.intensity[:, AU_INDEX["AU12R"]] == 0.6)
    assert torch.all(track.intensity[:, AU_INDEX["AU4R"]] == 1.0) and torch.all(track.weight[:, AU_INDEX["AU4L"]] == 0.0)
    assert torch.all(track.pose_weight == torch.tensor([0.0, 1.0])) and torch.all(track.head_rotation[:, 0] == 0.175)
    assert track.weight.sum() == 3 * 20


@pytest.mark.parametrize("wrong", ["AU12", "AU12=1.5", "AU12=nan", "AU99=.5", "AU17L=.5", "AU12=.5 AU4=.3", "", "AU12==.5"])
def test_wrong_settings_are_refused(wrong: str):
    with pytest.raises(InputError):
        SliderController((wrong,))(10, 25.0)
