"""What a motion network hears, every 10 ms: the phones that are known already, or another speech encoder's features."""

import math
from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from emohead.motion.articulation import frame_times, sample
from emohead.motion.features.base import EncoderConfig, SpeechEncoder, encoder_named, encoder_of, encoder_record
from emohead.motion.features.phone_bottleneck import FEATURE_RATE, speech_features
from emohead.motion.features.phones import PhonesConfig
from emohead.types import PhonePosteriors, Waveform


def sounds(audio: Waveform, speech: PhonePosteriors, encoder: SpeechEncoder | None) -> Float[Tensor, "S D"]:
    """Features of a voice, `S = max(1, ceil(100 * duration))`; `encoder` None takes them from `speech` (`features.phone_bottleneck`)."""
    if encoder is None:
        return speech_features(audio, speech)
    found = encoder(audio)
    if encoder.fps == FEATURE_RATE:
        return found
    return sample(found, encoder.fps, frame_times(max(1, math.ceil(audio.duration * FEATURE_RATE)), FEATURE_RATE))


def encoder_to_train_with(name: str, source: str | None = None) -> tuple[SpeechEncoder | None, dict[str, Any]]:
    """The encoder of a name (None for `phones`, which are known already) and what checkpoints keep of it.

    Args:
        name: one of `features.base.ENCODER_NAMES`.
        source: where its weights are, if it has any and they are not where they usually are.

    Raises:
        InputError: no such encoder, or its weights are not there.
    """
    config: EncoderConfig = encoder_named(name, {"source": source} if source else {})
    encoder = config.build()
    return (None if isinstance(config, PhonesConfig) else encoder), encoder_record(encoder, config)


def encoder_for(record: Mapping[str, Any] | None, *, trained: str) -> SpeechEncoder | None:
    """The encoder to give `sounds` for a network trained with that of `record` (None: the phones of whatever network there is).

    Raises:
        InputError: the encoder is not there, or another one than the network was trained with.
    """
    if record is None:
        return None
    encoder = encoder_of(record, trained=trained)
    return None if record["name"] == PhonesConfig.name else encoder
