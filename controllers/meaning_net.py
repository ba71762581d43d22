"""The network that says which expressions a stretch of text means: a small Transformer over the rows of a front end."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class MeaningNetConfig:
    """Sizes of the network, stored with its weights."""

    n_inputs: int
    """Numbers in a row of the front end."""
    n_concepts: int
    """Meanings it can name."""
    width: int = 64
    """Channels, a multiple of the heads."""
    n_heads: int = 4
    """Heads of each attention."""
    n_layers: int = 1
    """Layers of attention."""
    n_hidden: int = 384
    """Channels of the layer that joins what the words mean together and by themselves."""
    n_places: int = 40
    """Longest text in rows."""
    dropout: float = 0.2
    """Share of channels dropped while training, 0..0.5; twice as many of the joined ones."""

    def build(self) -> "MeaningNet":
        """An untrained network."""
        return MeaningNet(self)


@dataclass(frozen=True)
class MeaningScores:
    """What the network says of each text."""

    logits: Float[Tensor, "B K"]
    """Per concept, the log odds that it is meant; the last one says that nothing of a face is."""
    likeness: Float[Tensor, "B K"]
    """Cosine between the text and the concept's own vector, times the learned sharpness."""
    strength: Float[Tensor, " B"]
    """How strongly it is meant, 1 for what the plain word means, about .5..1.5."""


class MeaningNet(nn.Module):
    """Rows of text -> meanings.

    Words are weighed by a learned attention and averaged twice: as they are, which carries what the front end knows to words that training
    never had, and after a layer of self-attention, which knows their order. A hidden layer joins both. Two outputs on it, as in EmoDiffTalk
    (arXiv 2512.05991): a classifier (binary cross entropy) and the cosine with a vector per concept (contrastive).
    """

    def __init__(self, config: MeaningNetConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.n_inputs, config.width)
        self.place = nn.Parameter(0.02 * torch.randn(config.n_places, config.width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width, config.n_heads, 2 * config.width, config.dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(config.n_layers)
        )
        self.weigh = nn.Linear(config.width, 1)
        self.norm = nn.LayerNorm(config.width)
        self.join = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(config.n_inputs + config.width, config.n_hidden),
            nn.GELU(),
            nn.Dropout(2 * config.dropout),
        )
        self.classify = nn.Linear(config.n_hidden, config.n_concepts + 1)
        self.project = nn.Linear(config.n_hidden, config.width)
        self.concepts = nn.Parameter(torch.randn(config.n_concepts + 1, config.width))
        self.sharpness = nn.Parameter(torch.tensor(2.0))
        self.strong = nn.Linear(config.n_hidden, 1)
        nn.init.zeros_(self.strong.weight)
        nn.init.ones_(self.strong.bias)

    def forward(self, values: Float[Tensor, "B L D"], there: Float[Tensor, "B L"]) -> MeaningScores:
        """Meanings of texts, given as rows (`TextFeatures`)."""
        hidden = self.embed(values)  # [B, L, W]
        mask = there == 0
        mixed = hidden + self.place[: hidden.shape[1]]
        for layer in self.layers:
            mixed = layer(mixed, src_key_padding_mask=mask)
        attention = self.weigh(mixed).masked_fill(mask[:, :, None], -torch.inf).softmax(1)  # [B, L, 1]
        plain, together = (attention * values).sum(1), self.norm((attention * mixed).sum(1))
        whole = self.join(torch.cat([plain, together], dim=1))  # [B, H]
        near = functional.normalize(self.project(whole), dim=1) @ functional.normalize(self.concepts, dim=1).T
        return MeaningScores(self.classify(whole) - 3.0, near * self.sharpness.exp(), self.strong(whole).squeeze(1))
