"""CLIP's text encoder as a reader of wishes, as in EmoDiffTalk (arXiv 2512.05991), through `transformers` (extra `clip`).

It does not ship: weights come from the user's folder or the Hugging Face hub, from safetensors only.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from controllers.text_features import TextFeatures
from emohead.errors import InputError, ResourceError
from emohead.motion.features.weights import weights_checksum

DEFAULT_SOURCE = "openai/clip-vit-base-patch32"
"""Name on the hub of the model that is taken when none is given."""
_BLUR = 0.1
"""Noise on the rows in training, in their own spread."""


class ClipFrontEnd:
    """Per token the last layer of CLIP's text transformer (Radford et al. 2021, arXiv 2103.00020); the model stays as it is."""

    def __init__(self, source: str = DEFAULT_SOURCE):
        """Load the model.

        Args:
            source: a folder with config.json, tokenizer and model.safetensors, or a name on the Hugging Face hub.

        Raises:
            ResourceError: `transformers` is not installed.
            InputError: no such model, none of CLIP, or one without safetensors.
        """
        try:
            import transformers
        except ImportError:
            raise ResourceError("reading with CLIP needs transformers; pip install 'emohead[clip]'") from None
        from safetensors import SafetensorError

        try:
            kind = transformers.PretrainedConfig.get_config_dict(source)[0].get("model_type")
            if kind not in ("clip", "clip_text_model"):
                raise ValueError(f"a model of kind {kind!r}, not CLIP")
            self._tokenizer: Any = transformers.CLIPTokenizer.from_pretrained(source)
            self._model: Any = transformers.CLIPTextModel.from_pretrained(source, use_safetensors=True).float().eval()
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0][:140] if str(error).strip() else "no reason given"
            wanted = "give a folder or hub name of a CLIP model with tokenizer and safetensors weights"
            raise InputError(f"{source}: cannot be read as CLIP ({type(error).__name__}: {reason}); {wanted}") from error
        self.fingerprint = weights_checksum(self._model)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return int(self._model.config.hidden_size)

    @property
    def longest(self) -> int:
        """Most tokens of a text; the rest is cut off."""
        return int(self._model.config.max_position_embeddings)

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> TextFeatures:
        """A row per token, those of beginning and end among them."""
        if not texts:
            return TextFeatures(torch.zeros(0, 1, self.width), torch.zeros(0, 1))
        encoded = self._tokenizer(
            [text.lower() for text in texts], padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
        )
        rows = self._model(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).last_hidden_state
        there = encoded["attention_mask"].float()
        return TextFeatures(rows * there[:, :, None], there)

    def weakened(self, values: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Rows with a little noise."""
        return values + _BLUR * values.std() * torch.randn_like(values)
