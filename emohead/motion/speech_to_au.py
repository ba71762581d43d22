"""From a voice to action units: what the mouth does, where accents fall, and what the tone of the voice suggests."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from emohead import assets
from emohead.channels import AU_NAMES
from emohead.errors import InputError
from emohead.motion.features.phone_bottleneck import N_FEATURES, PhoneBottleneck
from emohead.motion.phone_net import load_phone_net
from emohead.motion.phones import PHONES
from emohead.motion.speech_to_au_net import FPS, SOUNDS_PER_FRAME, SpeechToAUConfig, SpeechToAUNet
from emohead.types import AUTrack, Waveform

ASSET_NAME = "speech_to_au.safetensors"
_KIND, _FEATURES = "emohead.speech_to_au", f"phone_bottleneck {N_FEATURES}"
_CHUNK = 750
"""Frames that the network sees at a time, beside its context."""


@dataclass(frozen=True)
class SpeechToAU:
    """A voice in, action units out."""

    net: SpeechToAUNet
    """Trained, in evaluation mode."""
    spread: Float[Tensor, " A"]
    """Standard deviation of each channel over what the network learned from: the widest that any of its sources shows."""

    def __call__(self, audio: Waveform, *, look_ahead: float | None = None) -> AUTrack:
        """The action units that a voice tells, at 25 frames per second.

        Args:
            audio: any rate and length; silence too.
            look_ahead: seconds of features after a frame that may change it, 0 or more; None for all that the network was trained to use.
                The phone recogniser behind the features hears about a second to either side whatever is given here.

        Returns:
            round(25 * duration) frames, at least one: the expected intensity, weighted by its certainty (`certainty`).

        Raises:
            InputError: a negative look-ahead.
        """
        if look_ahead is not None and not look_ahead >= 0.0:
            raise InputError(f"look_ahead must be 0 seconds or more, got {look_ahead:g}")
        features = PhoneBottleneck(load_phone_net())(audio)
        return self.of_features(features, max(1, round(audio.duration * FPS)), look_ahead=look_ahead)

    @torch.no_grad()
    def of_features(self, features: Float[Tensor, "S D"], n_frames: int, *, look_ahead: float | None = None) -> AUTrack:
        """The first `n_frames` frames of features every 10 ms; hours need no more memory than half a minute, and cuts change nothing."""
        needed = SOUNDS_PER_FRAME * n_frames
        # Features may end up to half a frame before the motion does.
        features = torch.cat([features, silence(max(0, needed - features.shape[0]))])[:needed]
        behind, ahead = sum(self.net.reaches), sum(self.net.aheads(look_ahead))
        neutral = AUTrack.neutral(n_frames, FPS)
        for first in range(0, n_frames, _CHUNK):
            last = min(first + _CHUNK, n_frames)
            begin, end = max(first - behind, 0), min(last + ahead, n_frames)
            heard = features[None, SOUNDS_PER_FRAME * begin : SOUNDS_PER_FRAME * end]
            estimate = self.net(heard, look_ahead=look_ahead)
            kept = slice(first - begin, last - begin)
            neutral.intensity[first:last] = estimate.mean[0, kept]
            neutral.weight[first:last] = certainty(estimate.log_variance[0, kept])
        return neutral


def certainty(log_variance: Float[Tensor, "*T A"]) -> Float[Tensor, "*T A"]:
    """How much the voice tells of a channel, 0..1: the share of its variance that is explained, 1 - variance / own variance."""
    return (1.0 - log_variance.exp()).clamp(0.0, 1.0)


def silence(n_sounds: int) -> Float[Tensor, "S D"]:
    """Features of silence, every 10 ms."""
    pause = functional.one_hot(torch.tensor(PHONES.index("pau")), N_FEATURES).float()
    pause[len(PHONES)] = _SILENT
    return pause.repeat(n_sounds, 1)


_SILENT = -1.75
"""Loudness of silence as the features have it (log -6, less their middle, over their spread)."""


def save_speech_to_au(model: SpeechToAU, path: Path) -> None:
    """Write weights (half precision), sizes and spread as one safetensors file."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.net.state_dict().items()}
    about = {"kind": _KIND, "features": _FEATURES, "network": json.dumps(asdict(model.net.config)), "channels": " ".join(AU_NAMES)}
    save_file(tensors | {"spread": model.spread.float()}, path, metadata=about)


def load_speech_to_au(path: Path | None = None) -> SpeechToAU:
    """A trained network from a file, or the one that ships; on the CPU, in evaluation mode.

    Raises:
        InputError: no such file, another kind of file, or one made for other channels or features.
    """
    source = path or assets.find(ASSET_NAME)
    try:
        with safe_open(source, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if about.get("kind") != _KIND:
            raise KeyError("kind")
        spread = tensors.pop("spread")
        net = SpeechToAUConfig(**json.loads(about["network"])).build()
        net.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{source}: not a speech-to-AU network ({type(error).__name__}); fetch or train it again") from error
    if about.get("channels") != " ".join(AU_NAMES) or about.get("features") != _FEATURES:
        raise InputError(f"{source}: made for other action units or speech features; train it again with emohead train speech-to-au")
    return SpeechToAU(net.eval(), spread)
