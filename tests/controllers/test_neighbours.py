"""Described sentences near a text: what their faces have in common."""

from pathlib import Path

import torch

from controllers.described import N_FACE, Described
from controllers.expression import parse_codes
from controllers.front_ends import load_front_end
from controllers.meaning import BothMeanings, MeaningModel, load_meaning, read_meaning, save_meaning
from controllers.meaning_net import MeaningNetConfig
from controllers.neighbours import Neighbours, neighbours_of
from controllers.phrases import concept_names
from emohead.channels import AU_INDEX, N_AU


def faces(*codes: str) -> torch.Tensor:
    rows = torch.zeros(len(codes), N_FACE)
    for row, text in zip(rows, codes, strict=True):
        for name, value in parse_codes(text).au.items():
            row[AU_INDEX[name]] = value
    return rows


def test_the_near_ones_decide():
    keys = torch.tensor([[1.0, 0.0], [0.999, 0.0447], [0.0, 1.0], [0.0, -1.0]])
    near = Neighbours(torch.eye(2), keys, faces("12=.8", "12=.4 6=.6", "4=.9", "15=.9"))
    shown, face = near(torch.tensor([[5.0, 0.1], [0.0, 2.0]]))
    assert shown[0, AU_INDEX["AU12L"]] > 0.99 and 0.4 < shown[0, AU_INDEX["AU6L"]] < 0.6 and shown[0, AU_INDEX["AU4L"]] < 0.01
    assert 0.5 < face[0, AU_INDEX["AU12L"]] < 0.7 and face[0, AU_INDEX["AU6L"]].item() > 0.59, "strength is that of those who show it"
    assert shown[1, AU_INDEX["AU4L"]] > 0.99 and shown[1, AU_INDEX["AU12L"]] < 0.01


def test_they_are_kept_in_bytes():
    torch.manual_seed(0)
    near = Neighbours(torch.randn(12, 8), torch.nn.functional.normalize(torch.randn(20, 8), dim=1), torch.rand(20, N_FACE))
    read = Neighbours.of_tensors(near.tensors())
    assert (read.keys - near.keys).abs().max() < 0.01 and (read.faces - near.faces).abs().max() < 0.01


def test_a_network_asks_those_that_it_was_given(tmp_path: Path):
    torch.manual_seed(0)
    front_end = load_front_end("small")
    net = MeaningNetConfig(front_end.width, len(concept_names()), N_AU, N_FACE - N_AU, width=16).build().eval()
    described = [Described("a right eyebrow like a drawn bow", parse_codes("2R=.7")), Described("all teeth", parse_codes("12=.9 25=.6"))]
    model = MeaningModel(net, "small", neighbours_of(net, front_end, described))
    save_meaning(model, tmp_path / "net.safetensors")
    for asked in (model, read_meaning(tmp_path / "net.safetensors")):
        right, left = asked(["a right eyebrow like a drawn bow", "a left eyebrow like a drawn bow"])
        assert right.shown[AU_INDEX["AU2R"]] > right.shown[AU_INDEX["AU2L"]] + 0.1, "the sentence is its own neighbour"
        assert left.shown[AU_INDEX["AU2L"]] == right.shown[AU_INDEX["AU2R"]]
        alone = MeaningModel(net, "small")(["all teeth"])[0]
        assert asked(["all teeth"])[0].shown[AU_INDEX["AU12L"]] > alone.shown[AU_INDEX["AU12L"]]


def test_two_networks_are_averaged():
    model = load_meaning()
    alone = MeaningModel(model.net, "small")
    one, two, both = (asked(["beaming like a lighthouse"])[0] for asked in (model, alone, BothMeanings(model, alone)))
    assert torch.allclose(both.shown, 0.5 * (one.shown + two.shown)) and both.guesses == one.guesses
