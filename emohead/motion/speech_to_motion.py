"""One call from a voice to head motion: recognise or align the phones, then let the rule engine speak them."""

from collections.abc import Sequence

from emohead.errors import InputError
from emohead.motion.align import align_transcript
from emohead.motion.phone_net import PhoneNet, load_phone_net
from emohead.motion.rules import RuleConfig, style_named, with_closure_threshold
from emohead.types import AUTrack, HeadMotion, PhoneSegment, Waveform


def speech_to_motion(
    audio: Waveform,
    *,
    prompt: AUTrack | None = None,
    transcript: str | Sequence[PhoneSegment] | None = None,
    fps: float = 25.0,
    seed: int = 0,
    style: str | RuleConfig = "default",
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
        phone_net: a recogniser already loaded; None loads the one that ships.

    Raises:
        InputError: unusable audio, prompt, style or transcript.
        ResourceError: a transcript of words without the aligner (extra `emohead[text]`).
    """
    config = style_named(style) if isinstance(style, str) else style
    if isinstance(transcript, str):
        if not transcript.strip():
            raise InputError("the transcript is empty; give the words that are spoken, or leave it out")
        return config.build()(audio, align_transcript(audio, transcript), prompt=prompt, fps=fps, seed=seed)
    if transcript is not None:
        return config.build()(audio, transcript, prompt=prompt, fps=fps, seed=seed)
    net = phone_net or load_phone_net()
    engine = with_closure_threshold(config, net.config.closure_threshold).build()
    return engine(audio, net.posteriors(audio), prompt=prompt, fps=fps, seed=seed)
