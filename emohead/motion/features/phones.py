"""The phone network's hearing as a speech encoder with a name, so that a checkpoint can say which network it listened through."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from jaxtyping import Float
from torch import Tensor

from emohead.motion.features.weights import weights_checksum
from emohead.types import Waveform

if TYPE_CHECKING:
    from emohead.motion.phone_net import PhoneNet


@dataclass(frozen=True)
class PhonesConfig:
    """Which phone network."""

    name: ClassVar[str] = "phones"
    """What checkpoints call this encoder."""
    source: str | None = None
    """Its file; None is the one that ships."""

    def build(self) -> "Phones":
        """The encoder with this network; InputError when the file is not one."""
        from emohead.motion.phone_net import load_phone_net

        return Phones(load_phone_net(self.source))


class Phones:
    """Callable speech encoder (a `features.base.SpeechEncoder`): phone probabilities, loudness and pitch (`features.phone_bottleneck`)."""

    def __init__(self, net: "PhoneNet"):
        # The networks build on log-mel features, which are an encoder themselves: what needs them comes when it is called for.
        from emohead.motion.features.phone_bottleneck import PhoneBottleneck

        self.hear = PhoneBottleneck(net)
        self.fps, self.dim = self.hear.fps, self.hear.dim

    @cached_property
    def fingerprint(self) -> str:
        """Checksum of the network."""
        return weights_checksum(self.hear.net)

    def __call__(self, audio: Waveform) -> Float[Tensor, "T D"]:
        """Features of audio at any sample rate; `T = max(1, ceil(100 * duration))`."""
        return self.hear(audio)
