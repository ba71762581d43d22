"""LPIPS, where torchmetrics and the networks' weights are already on this machine; nothing is ever downloaded."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError

Perceptual = Callable[[Float[Tensor, "H W 3"], Float[Tensor, "H W 3"]], float]
"""Distance of two pictures 0..1; 0 for equal ones."""
NETWORKS = ("alex", "vgg")
"""The two in use, not comparable: `alex` in TalkingGaussian's and InsTaG's tables, `vgg` in GaussianAvatars'."""
_WEIGHTS = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}
"""Files of torchvision's ImageNet networks in torch hub's folder."""


def weights_file(network: str) -> Path:
    """Where torchvision keeps the weights of a network of `NETWORKS`.

    Raises:
        InputError: another network.
    """
    if network not in _WEIGHTS:
        raise InputError(f"LPIPS network {network!r} is unknown; use one of {', '.join(NETWORKS)}")
    return Path(torch.hub.get_dir()) / "checkpoints" / _WEIGHTS[network]


def why_not(network: str) -> str | None:
    """What is missing for LPIPS with this network: packages, or its weights; None if nothing is."""
    missing = [package for package in ("torchmetrics", "torchvision") if find_spec(package) is None]
    if missing:
        return f"package {' and '.join(missing)}"
    if not weights_file(network).is_file():
        return "weights"
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError):  # a build for another torch fails with either
        return "a torchvision that goes with this torch"
    return None


def lpips(network: str) -> Perceptual | None:
    """LPIPS (Zhang et al. 2018, equation 1) with AlexNet or VGG16, full frame, inputs scaled to -1..1; None if something is missing.

    Raises:
        InputError: another network.
    """
    if why_not(network):
        return None
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    measure = LearnedPerceptualImagePatchSimilarity(net_type=network, normalize=True).eval()  # type: ignore[arg-type]

    @torch.no_grad()
    def distance(first: Tensor, second: Tensor) -> float:
        pair = [image.float().permute(2, 0, 1)[None].clamp(0, 1) for image in (first, second)]
        result = float(measure(*pair))
        measure.reset()
        return result

    return distance
