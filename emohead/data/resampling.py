"""Change of the sample rate of audio."""

import math

import numpy as np
import torch

from emohead.types import Waveform


def resampled(audio: Waveform, sample_rate: int) -> Waveform:
    """The same sound at another rate (polyphase filter), on the CPU, float32; the same object if nothing is to be done."""
    if audio.sample_rate == sample_rate and audio.samples.dtype == torch.float32 and audio.samples.device.type == "cpu":
        return audio
    samples = audio.samples.detach().to("cpu", torch.float32).numpy()
    if audio.sample_rate != sample_rate and samples.size:
        # scipy.signal takes most of a second to import; commands that resample nothing do not wait for it.
        from scipy.signal import resample_poly

        common = math.gcd(sample_rate, audio.sample_rate)
        samples = resample_poly(samples, sample_rate // common, audio.sample_rate // common).astype(np.float32)
    return Waveform(torch.from_numpy(np.ascontiguousarray(samples)), sample_rate)
