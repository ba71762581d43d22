"""The network that says which expressions a stretch of text means: a reader of words or of MiniLM's tokens, and its outputs."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from controllers.tuned_minilm import TunedMiniLM


@dataclass(frozen=True)
class MeaningNetConfig:
    """Sizes of the network, stored with its weights."""

    n_inputs: int
    """Numbers in a row of the front end."""
    n_concepts: int
    """Meanings it can name."""
    n_units: int
    """Action units of a face."""
    n_poses: int
    """Numbers of a face's gaze and head position."""
    width: int = 128
    """Channels, a multiple of the heads."""
    n_heads: int = 4
    """Heads of each attention."""
    n_layers: int = 2
    """Layers of attention."""
    n_hidden: int = 384
    """Channels of the layer that joins what the words mean together and by themselves."""
    n_places: int = 40
    """Longest text in rows."""
    rank: int = 0
    """Rank of the changes to MiniLM's layers; 0 for the reader of words."""
    dropout: float = 0.15
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
    shown: Float[Tensor, "B A"]
    """Per action unit, the log odds that it is to be seen."""
    intensity: Float[Tensor, "B A"]
    """How strong each unit is where it is seen, 0..1."""
    pose: Float[Tensor, "B Q"]
    """Gaze and head position, radians."""
    whole: Float[Tensor, "B H"]
    """The last layer: alike for texts that mean alike."""


class WordReader(nn.Module):
    """Rows of words -> one vector per text.

    Words are weighed by a learned attention and averaged twice: as they are, which carries what the front end knows to words that training
    never had, and after a layer of self-attention, which knows their order. A hidden layer joins both.
    """

    def __init__(self, config: MeaningNetConfig):
        super().__init__()
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

    def forward(self, values: Float[Tensor, "B L D"], there: Float[Tensor, "B L"]) -> Float[Tensor, "B H"]:
        """Vectors of texts, given as rows (`TextFeatures`)."""
        mask = there == 0
        mixed = self.embed(values) + self.place[: values.shape[1]]  # [B, L, W]
        for layer in self.layers:
            mixed = layer(mixed, src_key_padding_mask=mask)
        attention = self.weigh(mixed).masked_fill(mask[:, :, None], -torch.inf).softmax(1)  # [B, L, 1]
        plain, together = (attention * values).sum(1), self.norm((attention * mixed).sum(1))
        return self.join(torch.cat([plain, together], dim=1))


class MeaningNet(nn.Module):
    """Text, as its front end reads it -> meanings.

    Two outputs as in EmoDiffTalk (arXiv 2512.05991): a classifier (binary cross entropy) and the cosine with a vector per concept
    (contrastive); a third is the face itself, which need not be that of any concept.
    """

    def __init__(self, config: MeaningNetConfig):
        super().__init__()
        self.config = config
        self.reader = TunedMiniLM(config.rank, config.n_hidden, config.dropout) if config.rank else WordReader(config)
        self.classify = nn.Linear(config.n_hidden, config.n_concepts + 1)
        self.project = nn.Linear(config.n_hidden, config.width)
        self.concepts = nn.Parameter(torch.randn(config.n_concepts + 1, config.width))
        self.sharpness = nn.Parameter(torch.tensor(2.0))
        self.face = nn.Linear(config.n_hidden, 2 * config.n_units + config.n_poses)

    def forward(self, values: Float[Tensor, "B L D"], there: Float[Tensor, "B L"]) -> MeaningScores:
        """Meanings of texts, given as rows (`TextFeatures`)."""
        whole = self.reader(values, there)  # [B, H]
        near = functional.normalize(self.project(whole), dim=1) @ functional.normalize(self.concepts, dim=1).T
        shown, intensity, pose = self.face(whole).split([self.config.n_units, self.config.n_units, self.config.n_poses], dim=1)
        return MeaningScores(self.classify(whole) - 3.0, near * self.sharpness.exp(), shown - 2.0, intensity.sigmoid(), pose, whole)
