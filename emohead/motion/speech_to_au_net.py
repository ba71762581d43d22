"""The network that hears a voice and says what the face does: action units with their uncertainty, 25 frames per second.

Attention alone, as in EmoDiffTalk (arXiv 2512.05991): low layers see a few frames around (articulation is fast), high layers seconds
(prosody is slow). Two outputs per action unit, mean and log variance, tell what the voice determines from what it does not; the variance
only listens to what the mean has learned (Stirn et al. 2023, arXiv 2212.09184), so it costs the mean nothing. No frame sees further ahead
than it may; how far can be chosen at every call, because training draws it at random.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from emohead.channels import N_AU
from emohead.errors import InputError
from emohead.motion.features.phone_bottleneck import FEATURE_RATE, N_FEATURES

FPS = 25.0
"""Frames per second of the action units."""
SOUNDS_PER_FRAME = round(FEATURE_RATE / FPS)
_EXACT, _FAR = 8, 256
"""Distances up to which every frame has a bias of its own, and beyond which all have one."""
_LOG_VARIANCE = (-7.0, 2.0)


@dataclass(frozen=True)
class SpeechToAUConfig:
    """Sizes of the network, stored with its weights."""

    width: int = 128
    """Channels, a multiple of the heads."""
    n_heads: int = 4
    """Heads of each attention."""
    n_low: int = 3
    """Layers of restricted attention."""
    n_high: int = 3
    """Layers of wide attention above them."""
    low_reach: float = 0.16
    """Seconds to either side that a low layer sees."""
    high_reach: float = 3.0
    """Seconds to either side that a high layer sees."""
    wide: bool = True
    """False restricts the high layers like the low ones: the network without prosody, for comparison."""
    dropout: float = 0.1
    """Share of channels dropped while training, 0..1."""

    def build(self) -> "SpeechToAUNet":
        """An untrained network."""
        if self.width % self.n_heads:
            raise InputError(f"width {self.width} is not a multiple of {self.n_heads} heads; change either")
        return SpeechToAUNet(self)


@dataclass(frozen=True)
class AUEstimate:
    """What the network says of each frame and action unit."""

    mean: Float[Tensor, "B T A"]
    """Expected intensity, 0..1."""
    log_variance: Float[Tensor, "B T A"]
    """Natural log of the variance around it, in units of the channel's own variance (`SpeechToAU.spread` squared)."""
    hidden: Float[Tensor, "B T W"]
    """What the network made of the sound, for losses of its own."""


class SpeechToAUNet(nn.Module):
    """Features of the phone bottleneck -> action units."""

    def __init__(self, config: SpeechToAUConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Sequential(nn.Linear(SOUNDS_PER_FRAME * N_FEATURES, config.width), nn.SiLU(), nn.Linear(config.width, config.width))
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.n_low + config.n_high))
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, N_AU)
        self.doubt = nn.Linear(config.width, N_AU)
        for last in (self.out, self.doubt):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    @property
    def reaches(self) -> list[int]:
        """Frames to either side that each layer may see."""
        low = max(1, round(self.config.low_reach * FPS))
        high = max(1, round(self.config.high_reach * FPS)) if self.config.wide else low
        return [low] * self.config.n_low + [high] * self.config.n_high

    def aheads(self, look_ahead: float | None) -> list[int]:
        """Frames that each layer sees ahead, so that all together see no more than `look_ahead` seconds; low layers are served first."""
        reaches = self.reaches
        if look_ahead is None:
            return reaches
        left = math.floor(look_ahead * FPS + 1e-6)
        granted = []
        for index, reach in enumerate(reaches):
            share = left if index < self.config.n_low else math.ceil(left / (len(reaches) - index))
            granted.append(min(reach, share))
            left -= granted[-1]
        return granted

    def forward(self, features: Float[Tensor, "B S D"], *, look_ahead: float | None = None) -> AUEstimate:
        """Action units of sounds (`S` = 4 T, every 10 ms).

        Args:
            features: as `features.phone_bottleneck` makes them.
            look_ahead: seconds after a frame's end whose features may change it, 0 or more; None for all that the layers reach.
        """
        hidden = self.embed(features.unflatten(1, (-1, SOUNDS_PER_FRAME)).flatten(2))  # [B, T, W]
        place = torch.arange(hidden.shape[1], device=hidden.device)
        offset = place[None, :] - place[:, None]  # [T, T]: key minus query
        bucket = _bucket(offset)
        for layer, behind, ahead in zip(self.layers, self.reaches, self.aheads(look_ahead), strict=True):
            hidden = layer(hidden, bucket, (offset < -behind) | (offset > ahead))
        hidden = self.norm(hidden)
        # Faces rest most of the time: an untrained network says .05.
        return AUEstimate(torch.sigmoid(self.out(hidden) - 3.0), self.doubt(hidden.detach()).clamp(*_LOG_VARIANCE), hidden)


class _Layer(nn.Module):
    """Self-attention with a learned bias per distance (Raffel et al. 2020), then a position-wise layer, both residual."""

    def __init__(self, config: SpeechToAUConfig):
        super().__init__()
        self.n_heads, self.rate = config.n_heads, config.dropout
        self.norm_in = nn.LayerNorm(config.width)
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.bias = nn.Parameter(0.5 * torch.randn(config.n_heads, _N_BUCKETS))
        self.mix = nn.Linear(config.width, config.width)
        self.norm_mid = nn.LayerNorm(config.width)
        self.expand = nn.Linear(config.width, 3 * config.width)
        self.reduce = nn.Linear(3 * config.width, config.width)

    def forward(self, hidden: Float[Tensor, "B T W"], bucket: Int[Tensor, "T T"], hidden_from: Tensor) -> Float[Tensor, "B T W"]:
        parts = self.query_key_value(self.norm_in(hidden)).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)  # [B, heads, T, W / heads]
        bias = self.bias[:, bucket].masked_fill(hidden_from, -math.inf).to(query.dtype)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
        hidden = hidden + functional.dropout(self.mix(mixed.transpose(1, 2).flatten(2)), self.rate, self.training)
        middle = self.reduce(functional.silu(self.expand(self.norm_mid(hidden))))
        return hidden + functional.dropout(middle, self.rate, self.training)


def _bucket(offset: Int[Tensor, "T T"]) -> Int[Tensor, "T T"]:
    """A number for each distance and direction: exact when near, on a logarithmic scale when far."""
    size = offset.abs()
    far = _EXACT + (torch.log2(size.clamp(min=1) / _EXACT) * 2).floor().clamp(min=0.0).long()
    level = torch.where(size < _EXACT, size, far.clamp(max=_LEVELS - 1))
    return torch.where(offset < 0, level, level + _LEVELS)


_LEVELS = _EXACT + 2 * round(math.log2(_FAR / _EXACT)) + 1
_N_BUCKETS = 2 * _LEVELS
