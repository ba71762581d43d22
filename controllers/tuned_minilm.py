"""MiniLM as a reader of wishes: its layers changed a little by training, its tokens joined."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from controllers.minilm import WIDTH, load_minilm, tuned_layers

_SCALE = 2.0
"""Size of the changes."""


class TunedMiniLM(nn.Module):
    """Token numbers -> one vector per text.

    Every linear layer of MiniLM is changed by a product of two thin matrices (LoRA, arXiv 2106.09685), which are all that is trained and
    stored of it. The last layer's tokens are averaged evenly and by a learned attention.
    """

    def __init__(self, rank: int, n_outputs: int, dropout: float):
        super().__init__()
        self._model = load_minilm()
        sizes = {name: self._model.size(name) for name in tuned_layers()}
        self.down = nn.ParameterDict({_key(name): nn.Parameter(torch.randn(rank, n) / n**0.5) for name, (_, n) in sizes.items()})
        self.up = nn.ParameterDict({_key(name): nn.Parameter(torch.zeros(m, rank)) for name, (m, _) in sizes.items()})
        self.weigh = nn.Linear(WIDTH, 1)
        self.join = nn.Sequential(nn.Linear(2 * WIDTH, n_outputs), nn.GELU(), nn.Dropout(dropout))
        self.dropout = dropout

    def forward(self, tokens: Float[Tensor, "B L 1"], there: Float[Tensor, "B L"]) -> Float[Tensor, "B H"]:
        """Vectors of texts, given as MiniLM's token numbers."""
        hidden = self._model.encode(tokens[:, :, 0].long(), there, self._change)
        attention = self.weigh(hidden).squeeze(2).masked_fill(there == 0, -torch.inf).softmax(1)  # [B, L]
        even = there / there.sum(1, keepdim=True)
        return self.join(torch.cat([(share[:, :, None] * hidden).sum(1) * 3.0 for share in (even, attention)], dim=1))

    def _change(self, hidden: Float[Tensor, "B L I"], name: str) -> Float[Tensor, "B L O"]:
        weakened = functional.dropout(hidden, 0.5 * self.dropout, self.training)
        return _SCALE * functional.linear(functional.linear(weakened, self.down[_key(name)]), self.up[_key(name)])


def _key(name: str) -> str:
    return name.replace(".", "_")
