"""The noise of the diffusion: one schedule for training and sampling, and noise that belongs to a frame, not to a call.

The schedule is diffusers' DDIM (Song et al. 2021) with squared cosine (Nichol & Dhariwal 2021), predicting the sample, its last step
pure noise (Lin et al. 2024). diffusers is imported when it is first needed: that takes longer than a short clip.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emohead.motion.vector import N_CHANNELS

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

N_LEVELS = 1000
"""Steps of the full schedule."""
_BLOCK = 64


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


def noise_of_frames(first: int, last: int, *, seed: int) -> Float[Tensor, "T M"]:
    """Unit noise of frames `first` to `last` (excluded); a frame has the same noise in whatever window it is drawn.

    So neighbouring windows agree where they overlap, and a take is a function of its seed alone.
    """
    blocks = []
    for block in range(first // _BLOCK, (last - 1) // _BLOCK + 1):
        generator = np.random.default_rng((seed % 2**63, block + 2**40))
        blocks.append(generator.standard_normal((_BLOCK, N_CHANNELS), dtype=np.float32))
    start = first - first // _BLOCK * _BLOCK
    return torch.from_numpy(np.concatenate(blocks)[start : start + last - first])
