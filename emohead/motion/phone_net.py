"""The phone network: which phone is spoken at each time, from log-mel features, looking both ways (offline use)."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from emohead import assets
from emohead.data.resampling import resampled
from emohead.errors import InputError
from emohead.motion.features.mel import MelConfig, frame_rms, speech_level
from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.types import PhonePosteriors, Waveform

ASSET_NAME = "phone_net.safetensors"
TRACTS = (0.93, 1.0, 1.07)
"""Lengths of the vocal tract, against the speaker's own, that a whole recording is heard with; a stream has time for one."""
_SOME, _SURE = 0.2, 0.38
"""Share of a recording that must not be silent to be judged, and the mean probability of the likeliest phone from which it is speech."""


@dataclass(frozen=True)
class PhoneNetConfig:
    """Settings of the phone network, stored with its weights."""

    width: int = 192
    """Channels."""
    n_blocks: int = 8
    """Residual blocks."""
    kernel: int = 7
    """Taps of each depthwise convolution, odd."""
    dilations: tuple[int, ...] = (1, 2, 4)
    """Dilations, repeated over the blocks."""
    dropout: float = 0.0
    """Share of channels dropped in each block while training, 0..1."""
    closure_threshold: float = 0.3
    """A frame is taken as a closure when p + b + m exceed this; calibrated on speakers kept out of training."""
    mel: MelConfig = field(default_factory=MelConfig)
    """The front end."""

    def build(self) -> "PhoneNet":
        """An untrained network with these settings."""
        return PhoneNet(self)


class ConvBlock(nn.Module):
    """Gated depthwise convolution over time, then a position-wise layer, both residual (the convolution module of Gulati et al. 2020)."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        self.norm_in = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.convolution = nn.Conv1d(width, width, kernel, groups=width, dilation=dilation, padding=(kernel - 1) // 2 * dilation)
        self.mix = nn.Linear(width, width)
        self.norm_mid = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.reduce = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Float[Tensor, "B N width"]) -> Float[Tensor, "B N width"]:
        """`N` tokens in, `N` tokens out."""
        gated = functional.glu(self.gate(self.norm_in(hidden)), dim=-1)
        gated = self.convolution(gated.transpose(1, 2)).transpose(1, 2)
        hidden = hidden + self.dropout(self.mix(functional.silu(gated)))
        return hidden + self.dropout(self.reduce(functional.silu(self.expand(self.norm_mid(hidden)))))


class PhoneNet(nn.Module):
    """Log-mel -> phone log-odds at 100 frames per second; two frames share a token, so the core runs at 50 Hz."""

    def __init__(self, config: PhoneNetConfig):
        super().__init__()
        self.config = config
        self.front_end = config.mel.build()
        self.embed = nn.Linear(2 * config.mel.n_bands, config.width)
        self.blocks = nn.ModuleList(
            ConvBlock(config.width, config.kernel, config.dilations[index % len(config.dilations)], config.dropout)
            for index in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, 2 * len(PHONES))

    @property
    def context_frames(self) -> int:
        """Mel frames on either side that can change an output."""
        dilations = [self.config.dilations[index % len(self.config.dilations)] for index in range(self.config.n_blocks)]
        return 2 * ((self.config.kernel - 1) // 2 * sum(dilations) + 1)

    def forward(self, mel: Float[Tensor, "B T D"]) -> Float[Tensor, "B T P"]:
        """Logits of each phone at each frame."""
        n_batch, n_frames, _ = mel.shape
        mel = functional.pad(mel, (0, 0, 0, n_frames % 2))
        hidden = self.embed(mel.reshape(n_batch, -1, 2 * mel.shape[-1]))  # [B, T/2, width]
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(self.norm(hidden)).reshape(n_batch, -1, len(PHONES))[:, :n_frames]

    @torch.no_grad()
    def posteriors(self, audio: Waveform, *, tracts: Sequence[float] = (1.0,), chunk_seconds: float = 30.0) -> PhonePosteriors:
        """The probability of each phone every 10 ms; `T = max(1, ceil(100 * duration))`. Works for any length, empty and silent audio too.

        The network sees `chunk_seconds` at a time with its whole context on both sides: hours of audio need no more memory than that,
        and the result does not depend on the cuts.

        Args:
            audio: a voice.
            tracts: factors on the vocal tract's length that it is heard with; the answer is the mean. `TRACTS` errs a little less than one
                and takes three times as long.
            chunk_seconds: seen at once.
        """
        mel_config = self.config.mel
        samples = resampled(audio, mel_config.sample_rate).samples
        samples = self.front_end.levelled(samples)
        n_frames = max(1, math.ceil(samples.shape[0] / mel_config.hop))
        context = self.context_frames + self.context_frames % 2
        step = max(int(chunk_seconds * self.front_end.fps) // 2 * 2, 2)
        was_training = self.training
        self.eval()
        chunks = []
        for first in range(0, n_frames, step):
            last = min(first + step, n_frames)
            begin, end = max(first - context, 0), min(last + context, n_frames)
            heard = [self(self._mel(samples, begin, end, tract)[None])[0, first - begin : last - begin] for tract in tracts]
            chunks.append(torch.stack(heard).float().softmax(-1).mean(0))
        self.train(was_training)
        return PhonePosteriors(self.front_end.fps, torch.cat(chunks), _relative_energy(samples, mel_config))

    def _mel(self, samples: Float[Tensor, " S"], begin: int, end: int, tract: float) -> Float[Tensor, "T D"]:
        # A window reaches into the neighbouring frames; one more frame on each side makes the piece equal to the whole.
        hop = self.config.mel.hop
        margin_before, margin_after = min(begin, 2), 2
        piece = samples[(begin - margin_before) * hop : (end + margin_after) * hop]
        return self.front_end.features(piece[None], warp=tract)[0, margin_before : margin_before + end - begin]


def save_phone_net(net: PhoneNet, path: str) -> None:
    """Write weights (half precision) and settings as one safetensors file."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, path, metadata={"kind": "emohead.phone_net", "config": json.dumps(asdict(net.config)), "phones": " ".join(PHONES)})


def is_speech(heard: PhonePosteriors) -> bool:
    """Whether what is not silence sounds like phones: the network is surer of them (.45 and more, in 100 human recordings) than in music
    (.25 to .31) or hum (.41). Silence counts as speech that says nothing."""
    sound = heard.probabilities[:, PHONE_INDEX["pau"]] < 0.5
    if float(sound.float().mean()) < _SOME:
        return True
    return float(heard.probabilities[sound].amax(1).mean()) > _SURE


def load_phone_net(path: str | None = None) -> PhoneNet:
    """The trained network from a file, or from the asset search path when none is given; on the CPU, in evaluation mode, float32.

    Raises:
        InputError: no such asset, or the file is not a phone network of this phone set.
    """
    source = path or str(assets.find(ASSET_NAME))
    try:
        with safe_open(source, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        settings = json.loads(metadata["config"])
        settings["mel"] = MelConfig(**settings["mel"])
        settings["dilations"] = tuple(settings["dilations"])
        net = PhoneNet(PhoneNetConfig(**settings))
        net.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{source}: not a phone network ({type(error).__name__}); fetch or train it again") from error
    if metadata.get("phones") != " ".join(PHONES):
        raise InputError(f"{source}: made for another phone set; train it again with tools/train_phone_net.py")
    return net.eval()


def _relative_energy(samples: Float[Tensor, " S"], config: MelConfig) -> Float[Tensor, " T"]:
    # Over the same 25 ms as the features, so that a burst and its neighbours read alike; -6 is silence below any recording.
    power = frame_rms(samples, config.hop).square()
    smooth = functional.avg_pool1d(functional.pad(power[None, None], (1, 1), mode="replicate"), 3, 1)[0, 0]
    level = speech_level(frame_rms(samples, config.hop))
    return torch.log(smooth.sqrt() / level + math.exp(-6.0))
