"""A trained diffusion and its file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

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


def save_diffusion(model: DiffusionModel, path: Path, *, features: str = "mel") -> None:
    """Write weights (half precision), sizes and scale as one safetensors file that says which speech features it was trained with."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.denoiser.state_dict().items()}
    tensors |= {"scale.mean": model.scale.mean.float(), "scale.spread": model.scale.spread.float()}
    if model.style is not None:
        tensors["own_style"] = model.style.float()
    about = {"kind": _KIND, "features": features, "network": json.dumps(asdict(model.denoiser.config)), "channels": " ".join(CHANNELS)}
    save_file(tensors, path, metadata=about)


def load_diffusion(path: Path | None = None, *, features: str = "mel") -> DiffusionModel:
    """A trained diffusion from a file, or the one that ships; on the CPU, in evaluation mode.

    Raises:
        InputError: no such file, no diffusion, or one trained with other speech features.
    """
    source = path or assets.find(ASSET_NAME)
    try:
        with safe_open(source, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if about.get("kind") != _KIND:
            raise KeyError("kind")
        network = json.loads(about["network"])
        network["dilations"] = tuple(network["dilations"])
        denoiser = DenoiserConfig(**network).build()
        scale = MotionScale(tensors.pop("scale.mean"), tensors.pop("scale.spread"))
        style = tensors.pop("own_style", None)
        denoiser.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{source}: not a motion diffusion ({type(error).__name__}); fetch or train it again") from error
    if about.get("channels") != " ".join(CHANNELS):
        raise InputError(f"{source}: made for other motion channels; train it again with emohead train motion")
    if about.get("features") != features:
        raise InputError(f"{source}: trained with {about.get('features')} features, not {features}; choose its own with --features")
    return DiffusionModel(denoiser.eval(), scale, style)
