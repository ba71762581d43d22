"""What a speech encoder is: a callable from audio to one feature vector per frame. A new encoder is registered in `EncoderConfig`."""

from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from emohead.motion.features.mel import MelConfig
from emohead.types import Waveform


class SpeechEncoder(Protocol):
    """Audio -> features. `build()` of its frozen config makes one."""

    @property
    def fps(self) -> float:
        """Feature frames per second; frame `t` is centred at `(t + 0.5) / fps` seconds."""
        ...

    @property
    def dim(self) -> int:
        """Features per frame, `D`."""
        ...

    def __call__(self, audio: Waveform) -> Float[Tensor, "T D"]:
        """Features of audio at any sample rate; `T = max(1, ceil(duration * fps))`."""
        ...


EncoderConfig = MelConfig
"""Every encoder config there is (a union as soon as there is a second)."""
