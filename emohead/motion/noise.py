"""The noise of the diffusion: one schedule for training and sampling, and noise that belongs to a frame, not to a call.

The schedule is diffusers' DDIM (Song et al. 2021) with squared cosine (Nichol & Dhariwal 2021), predicting the sample, its last step
pure noise (Lin et al. 2024). diffusers is imported when it is first needed: that takes longer than a short clip.

What moves slowly is drawn from noise that moves slowly too. White noise is weakest where a head that drifts for seconds is strongest, so
few steps leave it nearly still; noise of about the same spectrum settles slow and fast movements alike (for images: Ge et al. 2023, PYoCo).
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.motion.vector import CHANNELS, N_CHANNELS, columns_of

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

N_LEVELS = 1000
"""Steps of the full schedule."""
NOISE_RATE = 50.0
"""Frames per second of the noise."""
_BLOCK = 64
_MEMORY = {"upper": (0.25, 0.05), "head": (2.0, 0.1), "gaze": (2.0, 0.05)}
"""Seconds after which the noise of a group has forgotten all but 1/e, and over which it is smooth, each about as in the corpus: what
trembles more than the motion would be taken out again at once, for the error of the velocity counts. Mouth and blinks have white noise."""
HISTORY = 300
"""Frames of the past that noise remembers at all, three times the longest memory."""


def schedule() -> "DDIMScheduler":
    """The noise schedule."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=N_LEVELS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        clip_sample=False,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


def remembering(white: Float[Tensor, "*B S M"]) -> Float[Tensor, "*B T M"]:
    """Unit noise in which each channel remembers as long as its group, made of white noise that begins `HISTORY` frames earlier.

    Args:
        white: `S = HISTORY + T` frames.
    """
    n_frames = white.shape[-2] - HISTORY
    noise = white[..., HISTORY:, :].clone()
    for group, memory in _MEMORY.items():
        columns = [index for index in columns_of(group) if CHANNELS[index] != "blink"]
        source, slow = white[..., columns], torch.zeros_like(noise[..., columns])
        for back, weight in enumerate(_kernel(*memory)):
            slow += weight * source[..., HISTORY - back : HISTORY - back + n_frames, :]
        noise[..., columns] = slow
    return noise


def noised(clean: Float[Tensor, "B T M"], levels: Int[Tensor, " B"], *, generator: torch.Generator | None = None) -> Float[Tensor, "B T M"]:
    """Scaled motions as the denoiser is shown them at steps `levels` (0..999) of the schedule."""
    white = torch.randn(clean.shape[0], HISTORY + clean.shape[1], clean.shape[2], generator=generator)
    return schedule().add_noise(clean, remembering(white).to(clean), levels)  # pyright: ignore[reportArgumentType]


def noise_of_frames(first: int, last: int, *, seed: int) -> Float[Tensor, "T M"]:
    """Unit noise of frames `first` to `last` (excluded); a frame has the same noise in whatever window it is drawn.

    So neighbouring windows agree where they overlap, and a take is a function of its seed alone.
    """
    blocks, start = [], first - HISTORY
    for block in range(start // _BLOCK, (last - 1) // _BLOCK + 1):
        generator = np.random.default_rng((seed % 2**63, block + 2**40))
        blocks.append(generator.standard_normal((_BLOCK, N_CHANNELS), dtype=np.float32))
    skipped = start - start // _BLOCK * _BLOCK
    return remembering(torch.from_numpy(np.concatenate(blocks)[skipped : skipped + last - start]))


@lru_cache
def _kernel(memory: float, smooth: float) -> list[float]:
    """What a frame takes of the white noise of each frame before: it comes within `smooth` seconds and fades by 1/e in `memory`."""
    seconds = np.arange(1, min(HISTORY, round(3 * memory * NOISE_RATE)) + 1) / NOISE_RATE
    taken = np.exp(-seconds / memory) - np.exp(-seconds / smooth)
    return (taken / np.linalg.norm(taken)).tolist()
