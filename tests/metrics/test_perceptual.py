"""LPIPS says what is missing, downloads nothing, and where it can be had tells equal pictures from different ones."""

import pytest
import torch

from emohead.errors import InputError
from emohead.metrics.perceptual import NETWORKS, lpips, weights_file, why_not


@pytest.mark.parametrize("network", NETWORKS)
def test_without_weights_it_is_not_available(network, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert weights_file(network).is_relative_to(tmp_path)
    assert why_not(network)
    assert lpips(network) is None
    assert not list(tmp_path.rglob("*.pth"))


def test_an_unknown_network_is_refused():
    with pytest.raises(InputError, match="squeeze"):
        weights_file("squeeze")


@pytest.mark.parametrize("network", NETWORKS)
def test_equal_pictures_have_no_distance(network):
    if why_not(network):
        pytest.skip(f"LPIPS ({network}) needs {why_not(network)}")
    measure = lpips(network)
    assert measure is not None
    picture = torch.rand(64, 64, 3, generator=torch.Generator().manual_seed(0))
    assert measure(picture, picture) < 1e-6
    assert measure(picture, 1 - picture) > measure(picture, (picture + 0.05).clamp(0, 1)) > 0
