"""One call from a voice to head motion: recognise or align the phones, then let an engine speak them."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError
from emohead.motion.align import align_transcript
from emohead.motion.phone_net import TRACTS, PhoneNet, is_speech, load_phone_net
from emohead.motion.rules import RuleConfig, RuleEngine, style_named, with_closure_threshold
from emohead.types import AUTrack, HeadMotion, PhonePosteriors, PhoneSegment, Waveform

if TYPE_CHECKING:
    from emohead.motion.diffusion_engine import DiffusionEngine

Speech = PhonePosteriors | Sequence[PhoneSegment]
ENGINES: tuple[str, ...] = ("rules", "diffusion")
"""What makes motion: by rule, or drawn from the AU-prompted diffusion."""


def speech_to_motion(
    audio: Waveform,
    *,
    prompt: AUTrack | None = None,
    transcript: str | Sequence[PhoneSegment] | None = None,
    fps: float = 25.0,
    seed: int = 0,
    style: str | RuleConfig = "default",
    engine: str = "rules",
    phone_net: PhoneNet | None = None,
) -> HeadMotion:
    """The motion of a head that speaks `audio`.

    Args:
        audio: the voice, any sample rate.
        prompt: what was asked for, with as many frames as the result; None asks for nothing.
        transcript: the words (aligned with the audio; English) or timed phones; every /p b m/ of it closes the lips. None recognises
            the phones, in any language, less surely.
        fps: frames per second of the result.
        seed: one seed gives one result.
        style: a name of `rules.STYLES`, or settings.
        engine: a name of `ENGINES`, or the file of a diffusion of your own.
        phone_net: a recogniser already loaded; None loads the one that ships.

    Raises:
        InputError: unusable audio, prompt, style, engine or transcript.
        ResourceError: a transcript of words without the aligner (extra `emohead[text]`).
    """
    check_engine(engine)
    speak, speech = _rules_or_diffusion(engine, audio, transcript, style, seed, phone_net or load_phone_net())
    return speak(audio, speech, prompt=prompt, fps=fps, seed=seed)


def diffusion_for(
    audio: Waveform,
    *,
    transcript: str | Sequence[PhoneSegment] | None = None,
    seed: int = 0,
    style: str | RuleConfig = "default",
    engine: str = "diffusion",
) -> tuple["DiffusionEngine", Speech]:
    """The diffusion as `speech_to_motion` would use it and the speech that it would be given, for edits.

    Raises:
        InputError: as `speech_to_motion`, or the engine is no diffusion.
    """
    check_engine(engine)
    if engine == "rules":
        raise InputError("the rule engine cannot draw a part of a performance; use the engine diffusion or the file of one")
    drawn, speech = _rules_or_diffusion(engine, audio, transcript, style, seed, load_phone_net())
    assert not isinstance(drawn, RuleEngine)
    return drawn, speech


def check_engine(engine: str) -> None:
    """Refuse an engine that is not there.

    Raises:
        InputError: neither a name of `ENGINES` nor a file.
    """
    if engine in ENGINES or Path(engine).is_file():
        return
    if Path(engine).suffix:
        raise InputError(f"engine {engine}: no such file; give the weights of a diffusion, or {', '.join(ENGINES)}")
    raise InputError(f"unknown engine {engine!r}; use {', '.join(ENGINES)}, or the file of a diffusion of your own")


def _rules_or_diffusion(
    engine: str,
    audio: Waveform,
    transcript: str | Sequence[PhoneSegment] | None,
    style: str | RuleConfig,
    seed: int,
    net: PhoneNet,
) -> tuple["RuleEngine | DiffusionEngine", Speech]:
    config = style_named(style) if isinstance(style, str) else style
    if isinstance(transcript, str):
        if not transcript.strip():
            raise InputError("the transcript is empty; give the words that are spoken, or leave it out")
        transcript = align_transcript(audio, transcript)
    if transcript is None:
        speech = net.posteriors(audio, tracts=TRACTS)
        if not is_speech(speech):
            warnings.warn("what is heard is hardly speech (music, noise?): the mouth follows it all the same", UserWarning, stacklevel=3)
    else:
        speech = transcript
    rules = with_closure_threshold(config, net.config.closure_threshold).build()
    if engine == "rules":
        return rules, speech
    drawn = replace(_diffusion(None if engine in ENGINES else Path(engine)), closure_threshold=net.config.closure_threshold)
    if config != RuleConfig():
        drawn = replace(drawn, style=_measured(rules, audio, speech, seed))
    return drawn, speech


def _measured(rules: RuleEngine, audio: Waveform, speech: Speech, seed: int) -> Float[Tensor, " Y"]:
    """A named style as numbers: what the rule engine's performance of the same voice measures to."""
    from emohead.motion.sampling import FPS
    from emohead.motion.style import style_of
    from emohead.motion.vector import to_vectors

    return style_of(to_vectors(*rules.parts(audio, speech, fps=FPS, seed=seed)), FPS)


@lru_cache(maxsize=1)
def _diffusion(weights: Path | None) -> "DiffusionEngine":
    from emohead.motion.diffusion_engine import DiffusionEngine

    return DiffusionEngine.load(weights)
