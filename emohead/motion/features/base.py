"""What a speech encoder is, which there are, and how a checkpoint remembers the one it was trained with.

A new encoder is a frozen config with a `name` and `build()`, added to the union `EncoderConfig` and to `_CONFIGS`.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError
from emohead.motion.features.mel import MelConfig
from emohead.motion.features.phones import PhonesConfig
from emohead.motion.features.pretrained import HubertConfig, Wav2Vec2Config, WavLMConfig
from emohead.types import Waveform


@runtime_checkable
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


EncoderConfig = MelConfig | PhonesConfig | HubertConfig | Wav2Vec2Config | WavLMConfig
"""Every encoder config there is; its `name` tells which."""
_CONFIGS = {config.name: config for config in (MelConfig, PhonesConfig, HubertConfig, Wav2Vec2Config, WavLMConfig)}
ENCODER_NAMES = tuple(_CONFIGS)


def encoder_named(name: str, settings: Mapping[str, Any] | None = None) -> EncoderConfig:
    """The config of the encoder called `name`, with its defaults where `settings` says nothing.

    Args:
        name: one of `ENCODER_NAMES`.
        settings: values of the config's fields by name, as a checkpoint stores them.

    Raises:
        InputError: no such encoder, no such setting, or a value that is not of the setting's type.
    """
    if name not in _CONFIGS:
        raise InputError(f"no speech encoder is called {name!r}; there are {', '.join(ENCODER_NAMES)}")
    default = _CONFIGS[name]()
    kinds: dict[str, Any] = {field.name: field.type for field in fields(default)}
    for key, value in (settings or {}).items():
        if key not in kinds:
            raise InputError(f"speech encoder {name} has no setting {key!r}; it has {', '.join(kinds)}")
        if (isinstance(value, bool) and kinds[key] is not bool) or not isinstance(value, kinds[key]):
            raise InputError(f"speech encoder {name}: {key} is {value!r}; it must be {getattr(kinds[key], '__name__', kinds[key])}")
    return replace(default, **(settings or {}))


def encoder_record(encoder: SpeechEncoder, config: EncoderConfig) -> dict[str, Any]:
    """What a checkpoint stores of its encoder, as plain JSON: name, settings, rate and number of features, checksum of the weights."""
    weights = getattr(encoder, "fingerprint", None)
    return {"name": config.name, "settings": asdict(config), "fps": encoder.fps, "dim": encoder.dim, "weights": weights}


def encoder_of(record: Mapping[str, Any], *, trained: str, source: str | None = None) -> SpeechEncoder:
    """Build again the encoder that a checkpoint was trained with.

    Args:
        record: as `encoder_record` made it.
        trained: the checkpoint's name, for messages.
        source: where the model is now, if not where it was.

    Raises:
        InputError: the record is damaged, the model is not there, or it is another one.
    """
    if not isinstance(record.get("name"), str) or not isinstance(record.get("settings"), dict):
        raise InputError(f"{trained}: it does not say what speech features it was trained with; train it again")
    config = encoder_named(record["name"], record["settings"] | ({"source": source} if source else {}))
    encoder = config.build()
    check_features(record, encoder_record(encoder, config), trained=trained)
    return encoder


def check_features(wanted: Mapping[str, Any], given: Mapping[str, Any], *, trained: str) -> None:
    """Raise InputError when features are not those that a checkpoint was trained with; both are records of `encoder_record`.

    What says nothing about the features (where the model lies, how audio is cut) may differ.
    """
    parts = {"name": "encoder", "dim": "number of features", "fps": "frames per second", "weights": "checksum of the weights"}
    for key, meaning in parts.items():
        if wanted.get(key) != given.get(key):
            raise InputError(f"{trained}: trained on {_described(wanted)}, given {_described(given)}: another {meaning}; give the former")
    placing = {"source", "revision", "local_files_only", "window_seconds", "overlap_seconds"}
    for key, value in wanted.get("settings", {}).items():
        other = given.get("settings", {}).get(key)
        if key not in placing and value != other:
            raise InputError(f"{trained}: trained on {wanted['name']} features with {key}={value}, given {other}; give {value}")


def _described(record: Mapping[str, Any]) -> str:
    settings = record.get("settings") or {}
    facts = [settings.get("source"), f"{record.get('dim')} at {record.get('fps')} fps", f"weights {record.get('weights') or 'none'}"]
    return f"{record.get('name')} features ({', '.join(fact for fact in facts if fact)})"
