"""Relocation: who moves, and that the picture hardly changes when a Gaussian is doubled."""

import torch

from recon.relocation import FADED, choose_moves, split


def test_hidden_and_faded_ones_go_where_demand_is():
    opacity, demand = torch.full((200,), 0.8), torch.ones(200)
    opacity[:3] = FADED / 2
    demand[3:5] = 0.0
    demand[100:] = 50.0
    may_move = torch.ones(200, dtype=torch.bool)
    may_move[4] = False
    move = choose_moves(opacity, demand, may_move, torch.Generator().manual_seed(0))
    assert set(move.target.tolist()) == {0, 1, 2, 3}
    assert len(set(move.source.tolist())) == 4 and (move.source >= 5).all()
    again = choose_moves(opacity, demand, may_move, torch.Generator().manual_seed(0))
    assert torch.equal(move.source, again.source) and torch.equal(move.target, again.target)


def test_nothing_moves_where_all_are_needed():
    move = choose_moves(torch.full((50,), 0.8), torch.ones(50), torch.ones(50, dtype=torch.bool), torch.Generator())
    assert len(move.source) == 0 and len(move.target) == 0


def test_two_copies_show_what_one_showed():
    generator = torch.Generator().manual_seed(0)
    values = {
        "offsets": torch.zeros(4, 3), "quats": torch.randn(4, 4, generator=generator), "log_scales": torch.full((4, 3), -7.0),
        "opacity_logits": torch.tensor([1.0, 2.0, -6.0, 0.5]),
        "sh": torch.randn(4, 1, 3, generator=generator),
        "means": torch.randn(2, 4, 3, generator=generator), "colors": torch.randn(2, 4, 3, generator=generator),
        "opacities": torch.zeros(2, 4),
    }  # fmt: skip
    before = torch.sigmoid(values["opacity_logits"][1])
    move = choose_moves(
        torch.tensor([0.7, 0.9, 0.0, 0.6]), torch.tensor([1e-9, 9.0, 0.0, 1e-9]), torch.ones(4, dtype=torch.bool), generator
    )
    assert len(move.source) == 0  # a fiftieth of four is none
    from recon.relocation import Move

    split(values, Move(torch.tensor([1]), torch.tensor([2])), generator)
    first, second = torch.sigmoid(values["opacity_logits"][[1, 2]])
    assert torch.isclose(first, second) and torch.isclose(1 - (1 - first) * (1 - second), before, atol=1e-5)
    assert torch.equal(values["sh"][1], values["sh"][2]) and torch.equal(values["colors"][:, 1], values["colors"][:, 2])
    assert torch.allclose(values["offsets"][1], -values["offsets"][2]) and values["offsets"][1].abs().max() > 0
    assert (values["log_scales"][[1, 2]] < -7.0).all() and (values["log_scales"][[0, 3]] == -7.0).all()
