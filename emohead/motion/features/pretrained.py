"""Self-supervised speech encoders through `transformers`: HuBERT, wav2vec 2.0 and WavLM, from the user's folder or the Hugging Face hub.

Weights are read from safetensors only. Frames lie where the protocol has them: the models' convolutions see a few samples more than a
frame's step, half of which is put before the first sample as silence, so that frame `t` is centred at `(t + 0.5) / fps` seconds.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from emohead.data.resampling import resampled
from emohead.errors import InputError, ResourceError
from emohead.motion.features.weights import weights_checksum
from emohead.types import Waveform

SAMPLE_RATE = 16_000
"""Hz that all these models hear."""


@dataclass(frozen=True)
class PretrainedConfig:
    """Which model, which of its layers, and how long audio is cut."""

    name: ClassVar[str]
    """What `transformers` calls the kind of model."""
    source: str
    """Name on the Hugging Face hub, or a folder with `config.json`, `preprocessor_config.json` and `model.safetensors`."""
    revision: str | None = None
    """Branch, tag or commit on the hub; None is the main branch."""
    layer: int | None = None
    """Which layer's output is given: 1 is the first transformer layer; None is the model's own last output."""
    local_files_only: bool = False
    """Never ask the network: only a folder, or what was fetched before."""
    window_seconds: float = 20.0
    """Longest stretch the model hears at once; memory grows with its square."""
    overlap_seconds: float = 4.0
    """Neighbouring stretches share as much, over which one fades into the other."""

    def __post_init__(self):
        if not 0 < 2 * self.overlap_seconds <= self.window_seconds <= 120:
            raise InputError(
                f"{self.name}: window_seconds={self.window_seconds:g}, overlap_seconds={self.overlap_seconds:g}; the overlap must be"
                " above 0 and at most half of the window, the window at most 120"
            )

    def build(self) -> "PretrainedEncoder":
        """Load the model.

        Raises:
            ResourceError: `transformers` is not installed.
            InputError: no such weights here or on the hub, no safetensors, or a model of another kind.
        """
        return PretrainedEncoder(self)


@dataclass(frozen=True)
class HubertConfig(PretrainedConfig):
    """HuBERT (Hsu et al. 2021)."""

    name: ClassVar[str] = "hubert"
    source: str = "facebook/hubert-base-ls960"


@dataclass(frozen=True)
class Wav2Vec2Config(PretrainedConfig):
    """wav2vec 2.0 (Baevski et al. 2020)."""

    name: ClassVar[str] = "wav2vec2"
    source: str = "facebook/wav2vec2-base-960h"


@dataclass(frozen=True)
class WavLMConfig(PretrainedConfig):
    """WavLM (Chen et al. 2022)."""

    name: ClassVar[str] = "wavlm"
    source: str = "microsoft/wavlm-base-plus"


class PretrainedEncoder:
    """Callable speech model (a `features.base.SpeechEncoder`), 50 frames per second with the published models."""

    def __init__(self, config: PretrainedConfig):
        self.config = config
        self.model, self.normalizes = _load(config)
        settings = self.model.config
        self.hop = math.prod(settings.conv_stride)
        self.field = _receptive_field(settings.conv_kernel, settings.conv_stride)
        self.fps = SAMPLE_RATE / self.hop
        self.dim = int(settings.hidden_size)
        if config.layer is not None and not 1 <= config.layer <= settings.num_hidden_layers:
            raise InputError(f"{config.source}: has the layers 1..{settings.num_hidden_layers}, not {config.layer}; choose one of them")

    @cached_property
    def fingerprint(self) -> str:
        """Checksum of the model: the same for the same weights under another name."""
        return weights_checksum(self.model)

    @torch.no_grad()
    def __call__(self, audio: Waveform) -> Float[Tensor, "T D"]:
        """Features of audio at any sample rate and of any length; `T = max(1, ceil(duration * fps))`.

        Clips longer than `window_seconds` are heard in overlapping stretches, whose places depend on nothing but the distance to the
        beginning (the last one apart). A frame then knows the sound up to `overlap_seconds` / 2 around it at least, not the whole clip.
        """
        samples = self.heard(audio)
        n_frames = (samples.shape[0] - self.field) // self.hop + 1
        window, overlap = (round(seconds * self.fps) for seconds in (self.config.window_seconds, self.config.overlap_seconds))
        total, weights = torch.zeros(n_frames, self.dim), torch.zeros(n_frames, 1)
        for start in window_starts(n_frames, window, overlap):
            stop = min(start + window, n_frames)
            features = self._hidden(samples[start * self.hop : (stop - 1) * self.hop + self.field])
            weight = _fade(stop - start, overlap, rising=start > 0, falling=stop < n_frames)
            total[start:stop] += features * weight
            weights[start:stop] += weight
        return total / weights

    def heard(self, audio: Waveform) -> Float[Tensor, " S"]:
        """The samples as the model gets them: 16 kHz, levelled if it was trained so, with silence before and after (see the module)."""
        samples = torch.nan_to_num(resampled(audio, SAMPLE_RATE).samples, nan=0.0, posinf=1.0, neginf=-1.0)
        if self.normalizes and samples.numel():
            # transformers' Wav2Vec2FeatureExtractor: zero mean, unit variance, over the whole clip.
            samples = (samples - samples.mean()) / (samples.var(correction=0) + 1e-7).sqrt()
        n_frames = max(1, math.ceil(samples.shape[0] / self.hop))
        before = (self.field - self.hop) // 2
        return functional.pad(samples, (before, (n_frames - 1) * self.hop + self.field - before - samples.shape[0]))

    def _hidden(self, samples: Float[Tensor, " S"]) -> Float[Tensor, "T D"]:
        layer = self.config.layer
        output = self.model(samples[None].to(self.model.device), output_hidden_states=layer is not None)
        hidden = output.last_hidden_state if layer is None else output.hidden_states[layer]
        return hidden[0].float().cpu()


def window_starts(n_frames: int, window: int, overlap: int) -> list[int]:
    """First frames of the stretches: every `window - overlap`, the last one moved back so that it is whole."""
    if n_frames <= window:
        return [0]
    step = window - overlap
    starts = list(range(0, n_frames - window, step))
    return [*starts, n_frames - window]


def _fade(n_frames: int, overlap: int, *, rising: bool, falling: bool) -> Float[Tensor, "T 1"]:
    """One in the middle; towards a cut less and less, for a stretch's edge knows least of what surrounds it."""
    ramp = (torch.arange(n_frames) + 0.5) / overlap
    ones = torch.ones(n_frames)
    return torch.minimum(ramp.clamp(max=1.0) if rising else ones, ramp.flip(0).clamp(max=1.0) if falling else ones)[:, None]


def _receptive_field(kernels: list[int] | tuple[int, ...], strides: list[int] | tuple[int, ...]) -> int:
    field, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * step
        step *= stride
    return field


def _load(config: PretrainedConfig) -> tuple[Any, bool]:
    """The model in evaluation mode, and whether it wants its input at unit variance."""
    try:
        import transformers
    except ImportError:
        raise ResourceError(f"{config.name} features need transformers; pip install 'emohead[encoders]'") from None
    kinds = {"hubert": transformers.HubertModel, "wav2vec2": transformers.Wav2Vec2Model, "wavlm": transformers.WavLMModel}
    where = {"revision": config.revision or "main", "local_files_only": config.local_files_only}
    settings = _from_source(config, "config.json", transformers.PretrainedConfig.get_config_dict, where)[0]
    if not settings:
        raise InputError(f"{config.source}: config.json is not in the folder; {_wanted(config)}")
    if settings.get("model_type") != config.name:
        raise InputError(f"{config.source}: holds a model of kind {settings.get('model_type')!r}, not {config.name}; give another source")
    extractor = _from_source(config, "preprocessor_config.json", transformers.Wav2Vec2FeatureExtractor.from_pretrained, where)
    model, found = _from_source(
        config,
        "model.safetensors",
        kinds[config.name].from_pretrained,
        {**where, "use_safetensors": True, "output_loading_info": True},
    )
    # The vector that replaces masked input is of use in training alone; some published weights come without it.
    missing = sorted(set(found["missing_keys"]) - {"masked_spec_embed"})
    if missing:
        raise InputError(f"{config.source}: its weights lack {missing[0]} ({len(missing)} in all); give a whole {config.name} model")
    return model.float().eval(), bool(extractor.do_normalize)


def _from_source(config: PretrainedConfig, file: str, load: Any, options: dict[str, Any]) -> Any:
    from safetensors import SafetensorError

    try:
        return load(config.source, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        if Path(config.source).is_dir():
            raise InputError(f"{config.source}: {_lacking(Path(config.source), file, error)}; {_wanted(config)}") from error
        where = "neither a folder nor fetched before" if config.local_files_only else "neither a folder nor to be had from the hub"
        raise InputError(f"{config.source}: {file} is {where} ({_first_line(error)}); {_wanted(config)}") from error


def _wanted(config: PretrainedConfig) -> str:
    return f"give a folder or hub name of a {config.name} model with safetensors weights (docs/encoders.md)"


def _lacking(folder: Path, file: str, error: Exception) -> str:
    """What is wrong with a model's folder."""
    if (folder / file).is_file() or (folder / f"{file}.index.json").is_file():
        return f"{file} cannot be read ({_first_line(error)})"
    if file.endswith(".safetensors") and any(folder.glob("*.bin")):
        return "its weights are pickled, which is not read; save them again with transformers' save_pretrained"
    return f"{file} is not in the folder"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:140] if str(error).strip() else 'no reason given'}"
