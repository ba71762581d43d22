"""A trained diffusion and its file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emohead import assets
from emohead.errors import InputError
from emohead.motion.denoiser import Denoiser, DenoiserConfig
from emohead.motion.vector import CHANNELS, MotionScale

ASSET_NAME = "motion_diffusion.safetensors"
_KIND = "emohead.motion_diffusion"


@dataclass(frozen=True)
class DiffusionModel:
    """The network and the scale that it works in."""

    denoiser: Denoiser
    scale: MotionScale
    style: Float[Tensor, " Y"] | None = None
    """The person's own style, of a personalised network; used where no other is given."""
    encoder: Mapping[str, Any] | None = None
    """The speech encoder that it was trained with (`features.base.encoder_record`); None for the phones of any phone network."""
    deterministic: bool = False
    """A regression in the diffusion's clothes: it was trained to predict from nothing, in one step, and the engine draws it so."""


def save_diffusion(model: DiffusionModel, path: Path) -> None:
    """Write weights (half precision), sizes and scale as one safetensors file that says which speech features it was trained with."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.denoiser.state_dict().items()}
    tensors |= {"scale.mean": model.scale.mean.float(), "scale.spread": model.scale.spread.float()}
    if model.style is not None:
        tensors["own_style"] = model.style.float()
    network, encoder = json.dumps(asdict(model.denoiser.config)), json.dumps(model.encoder)
    about = {"kind": _KIND, "encoder": encoder, "network": network, "channels": " ".join(CHANNELS)}
    if model.deterministic:
        about["deterministic"] = "yes"
    save_file(tensors, path, metadata=about)


def load_diffusion(path: Path | None = None) -> DiffusionModel:
    """A trained diffusion from a file, or the one that ships; on the CPU, in evaluation mode.

    Raises:
        InputError: no such file, no diffusion, or one made for other channels.
    """
    source = path or assets.find(ASSET_NAME)
    try:
        with safe_open(source, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        kind = about.get("kind", _KIND)
        if kind != _KIND:
            raise InputError(f"{source}: a file of another network ({kind}), not a motion diffusion; give one of emohead train motion")
        network, encoder = json.loads(about["network"]), json.loads(about["encoder"])
        network["dilations"] = tuple(network["dilations"])
        denoiser = DenoiserConfig(**network).build()
        scale = MotionScale(tensors.pop("scale.mean"), tensors.pop("scale.spread"))
        style = tensors.pop("own_style", None)
        denoiser.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{source}: not a motion diffusion ({type(error).__name__}); fetch or train it again") from error
    if about.get("channels") != " ".join(CHANNELS):
        raise InputError(f"{source}: made for other motion channels; train it again with emohead train motion")
    return DiffusionModel(denoiser.eval(), scale, style, encoder, deterministic="deterministic" in about)
