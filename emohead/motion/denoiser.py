"""The network of the AU-prompted diffusion: a noisy motion and what it should follow in, the clean motion out.

Two frames at 50 fps share a token, so the core runs at 25 Hz. Convolutions carry articulation, a few layers of attention within a second
or two carry posture and phrasing. Every token gets the sound of its own 40 ms only (the diagonal alignment of arXiv 2506.10007); the
prompt enters at the input, because a prompt that only modulates is ignored for long; emotion, style and step modulate (FiLM,
Perez et al. 2018; the adaptive normalisation of arXiv 2506.10007). Frames and channels that are given come in clean, with a flag, as in
3DiFACE (arXiv 2509.26233).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from emohead.motion.vector import N_CHANNELS

FRAMES_PER_TOKEN = 2
SOUNDS_PER_TOKEN = 4


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of the network, stored with its weights."""

    n_features: int
    """Numbers per 10 ms of the speech features, `D`."""
    n_prompt: int
    """Columns of a prompt."""
    n_emotions: int
    """Emotions known by name, `E`."""
    n_style: int
    """Numbers of a speaking style, `Y`."""
    width: int = 192
    """Channels."""
    n_blocks: int = 8
    """Blocks; every fourth has attention."""
    kernel: int = 5
    """Tokens that a convolution sees, odd."""
    dilations: tuple[int, ...] = (1, 1, 2, 4)
    """Dilations, repeated over the blocks."""
    n_heads: int = 4
    """Of the attention."""
    reach: int = 40
    """Tokens to either side that attention sees (1.6 s)."""
    dropout: float = 0.05
    """While training."""

    def build(self) -> "Denoiser":
        """An untrained network."""
        return Denoiser(self)


@dataclass(frozen=True)
class Conditions:
    """What a motion should follow; `T` frames at 50 fps, `N = T / 2` tokens, `S = 2 T` sounds, everything in batches."""

    features: Float[Tensor, "B S D"]
    """What is heard, every 10 ms; zero where the sound is withheld."""
    prompt: Float[Tensor, "B N P"]
    """What was asked for (`data.motion_corpus.prompt_columns`)."""
    emotion: Float[Tensor, "B N E"]
    """Emotions meant; zero for none."""
    style: Float[Tensor, "B Y"]
    """The speaking style; zero where none is given."""
    styled: Float[Tensor, "B 1"]
    """1 where a style is given, else 0."""
    given: Float[Tensor, "B T M"]
    """Clean scaled motion where `mask` is 1."""
    mask: Float[Tensor, "B T M"]
    """1 where the motion is given."""
    talking: Float[Tensor, "B N"] | None = None
    """How far somebody speaks, 0..1; for drawing alone, the network hears it by itself. None is nobody."""


class Denoiser(nn.Module):
    """Predicts the clean scaled motion (x0) of a noisy one."""

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.config = config
        width = config.width
        frame = FRAMES_PER_TOKEN * N_CHANNELS
        self.noisy = nn.Linear(2 * frame, width)
        self.heard = nn.Sequential(nn.Linear(SOUNDS_PER_TOKEN * config.n_features, width), nn.SiLU(), nn.Linear(width, width))
        self.asked = nn.Sequential(nn.Linear(config.n_prompt, width), nn.SiLU(), nn.Linear(width, width))
        self.step = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.meant = nn.Linear(config.n_emotions, width)
        self.style = nn.Linear(config.n_style + 1, width)
        self.blocks = nn.ModuleList(_Block(config, index) for index in range(config.n_blocks))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, frame)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.kept = nn.Parameter(torch.full((N_CHANNELS,), 0.5))

    def forward(self, noisy: Float[Tensor, "B T M"], level: Float[Tensor, " B"], conditions: Conditions) -> Float[Tensor, "B T M"]:
        """The clean motion.

        Args:
            noisy: scaled motion with noise; where it is given, the clean values are put in its place.
            level: share of the noise steps, 0..1.
            conditions: what to follow.
        """
        mask = conditions.mask
        pasted = torch.where(mask > 0, conditions.given, noisy)
        hidden = self.noisy(torch.cat([_tokens(pasted, FRAMES_PER_TOKEN), _tokens(mask, FRAMES_PER_TOKEN)], -1))
        hidden = hidden + self.heard(_tokens(conditions.features, SOUNDS_PER_TOKEN)) + self.asked(conditions.prompt)
        whole = self.step(_sinusoids(level, 64)) + self.style(torch.cat([conditions.style, conditions.styled], -1))
        modulation = functional.silu(whole[:, None] + self.meant(conditions.emotion))
        for block in self.blocks:
            hidden = block(hidden, modulation)
        made = self.out(self.norm(hidden)).unflatten(-1, (FRAMES_PER_TOKEN, N_CHANNELS)).flatten(1, 2)
        # What a voice says nothing about (a head that tilts) is read off the noisy motion and need not squeeze through the blocks: under
        # noise of its own spectrum the share of the signal is a channel's best estimate (Karras et al. 2022, c_skip).
        return made + self.kept * torch.cos(0.5 * math.pi * level)[:, None, None] * pasted


class _Block(nn.Module):
    """Attention in a window (every fourth block), a gated convolution, a position-wise layer; all residual, each modulated."""

    def __init__(self, config: DenoiserConfig, index: int):
        super().__init__()
        width = config.width
        dilation = config.dilations[index % len(config.dilations)]
        self.attention = _WindowAttention(config) if index % 4 == 3 else None
        self.norm_in, self.norm_mid = (nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.modulate = nn.Linear(width, 4 * width)
        self.gate = nn.Linear(width, 2 * width)
        self.convolution = nn.Conv1d(width, width, config.kernel, groups=width, dilation=dilation, padding=config.kernel // 2 * dilation)
        self.mix = nn.Linear(width, width)
        self.expand = nn.Linear(width, 2 * width)
        self.reduce = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, hidden: Float[Tensor, "B N W"], modulation: Float[Tensor, "B N W"]) -> Float[Tensor, "B N W"]:
        if self.attention is not None:
            hidden = hidden + self.attention(hidden)
        scale, shift, scale_mid, shift_mid = self.modulate(modulation).chunk(4, -1)
        gated = functional.glu(self.gate(self.norm_in(hidden) * (1 + scale) + shift), dim=-1)
        gated = self.convolution(gated.transpose(1, 2)).transpose(1, 2)
        hidden = hidden + self.dropout(self.mix(functional.silu(gated)))
        middle = self.norm_mid(hidden) * (1 + scale_mid) + shift_mid
        return hidden + self.dropout(self.reduce(functional.silu(self.expand(middle))))


class _WindowAttention(nn.Module):
    """Self-attention among tokens that are at most `reach` apart, nearer ones favoured by a learned slope (ALiBi, Press et al. 2022)."""

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.reach, self.n_heads = config.reach, config.n_heads
        self.norm = nn.LayerNorm(config.width)
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.slope = nn.Parameter(torch.linspace(0.02, 0.3, config.n_heads))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Float[Tensor, "B N W"]) -> Float[Tensor, "B N W"]:
        parts = self.query_key_value(self.norm(hidden)).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)  # [B, heads, N, W / heads]
        place = torch.arange(hidden.shape[1], device=hidden.device)
        distance = (place[:, None] - place).abs()
        bias = -self.slope[:, None, None] * distance
        bias = bias.masked_fill(distance > self.reach, -math.inf).to(query.dtype)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
        return self.out(mixed.transpose(1, 2).flatten(2))


def _tokens(values: Float[Tensor, "B F D"], per_token: int) -> Float[Tensor, "B N ED"]:
    return values.unflatten(1, (-1, per_token)).flatten(2)


def _sinusoids(level: Float[Tensor, " B"], width: int) -> Float[Tensor, "B width"]:
    frequencies = torch.exp(torch.linspace(0.0, math.log(1000.0), width // 2, device=level.device))
    angles = level[:, None] * frequencies * math.pi / 2
    return torch.cat([angles.sin(), angles.cos()], -1)
