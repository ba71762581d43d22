"""Where the person is in a picture: a segmenter's coarse coverage, made to follow the picture's own edges."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from scipy.ndimage import uniform_filter
from torch import Tensor

from emohead import assets
from emohead.errors import ResourceError

MODEL_FILE = "selfie_segmentation.tflite"
_NETWORK_SIDE = 256
_RADIUS_SHARE = 1 / 64
"""Half the window of the guided filter, as a share of the picture's shorter side: about a pixel and a half of the network's picture."""
_EPSILON = 2e-4
"""Contrast (squared, of 0..1) below which the filter sees no edge."""
_CERTAIN = (0.15, 0.9)
"""Coverage at or beyond which a pixel is wholly background, or wholly the person."""


@runtime_checkable
class Segmenter(Protocol):
    """Tells the person from the background. Another network is another class with this one method."""

    def __call__(self, image: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "H W"]:
        """Coverage by the person, 0..255."""
        ...


class SelfieSegmenter:
    """MediaPipe's selfie segmentation (an optional asset), sharpened by a guided filter (He et al., ECCV 2010, equations 5 and 6)."""

    def __init__(self):
        """Raises:
        InputError: the model file is not on the asset path.
        ResourceError: the `recon` extra is not installed.
        """
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ResourceError("mattes need the package ai-edge-litert, which is not installed; pip install 'emohead[recon]'") from error
        self._network = Interpreter(str(assets.find(MODEL_FILE)), num_threads=1)
        self._network.allocate_tensors()
        self._input = self._network.get_input_details()[0]["index"]
        self._output = self._network.get_output_details()[0]["index"]

    def __call__(self, image: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "H W"]:
        """Coverage by the person, 0..255."""
        height, width = image.shape[:2]
        picture = image.float().permute(2, 0, 1)[None] / 255.0
        small = torch.nn.functional.interpolate(picture, (_NETWORK_SIDE, _NETWORK_SIDE), mode="bilinear", antialias=True)
        self._network.set_tensor(self._input, small.permute(0, 2, 3, 1).contiguous().numpy())
        self._network.invoke()
        coarse = torch.from_numpy(self._network.get_tensor(self._output)[None, ..., 0].copy())
        coverage = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0, 0].numpy()
        # Green and blue: skin and a light wall differ least in red.
        refined = guided(coverage, picture[0, 1:].mean(0).numpy(), radius=max(2, round(min(height, width) * _RADIUS_SHARE)))
        low, high = _CERTAIN
        return torch.from_numpy(np.clip((refined - low) / (high - low), 0, 1) * 255.0).round().to(torch.uint8)


def guided(values: np.ndarray, guide: np.ndarray, *, radius: int) -> np.ndarray:
    """`values` as a locally linear function of `guide`: smooth where the guide is smooth, with an edge where the guide has one.

    Args:
        values: `[H W]`, 0..1.
        guide: `[H W]`, 0..1.
        radius: of the window, pixels.
    """
    size = 2 * radius + 1
    mean_guide, mean_values = uniform_filter(guide, size), uniform_filter(values, size)
    covariance = uniform_filter(guide * values, size) - mean_guide * mean_values
    slope = covariance / (uniform_filter(guide * guide, size) - mean_guide * mean_guide + _EPSILON)
    shift = mean_values - slope * mean_guide
    return uniform_filter(slope, size) * guide + uniform_filter(shift, size)
