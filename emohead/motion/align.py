"""Timed phones from what a user knows about the speech: its words (forced alignment, English) or a TextGrid."""

import warnings
from collections.abc import Sequence

import torch

from emohead.data.alignments import LABEL_RATE, frame_labels, read_textgrid
from emohead.data.forced_alignment import ALIGNER_RATE, Alignment, SpokenWord, align_speech, unexplained_speech
from emohead.data.pronunciation import pronounce, words_of
from emohead.data.resampling import resampled
from emohead.motion.phone_net import load_phone_net
from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.types import PhoneSegment, Waveform

__all__ = ["align_text", "align_transcript", "read_textgrid"]

LEAST_HEARD = 0.17
"""Mean probability that the phone network gives to the transcript's phones where they are said to be, below which the user is warned: 29 of
30 transcripts of other recordings are below it, and 2 of 24 right ones, of learners of English."""
UNEXPLAINED_LIMIT = 0.3
"""Above this share of loud audio outside the transcript, the user is warned that it may not be what is spoken."""


def align_transcript(audio: Waveform, text: str) -> list[PhoneSegment]:
    """When each phone of `text` is spoken in `audio`: in order, without gaps, from 0 to the audio's end (errors of `align_text`)."""
    return align_text(audio, text).phones


def align_text(audio: Waveform, text: str) -> Alignment:
    """When each phone and each word of `text` is spoken in `audio`.

    A `UserWarning` names words that no dictionary has, which are said by their letters, and tells when much of the loud audio is not in
    the transcript, or what is heard does not sound like it. Runs at about 0.05 of real time.

    Raises:
        ResourceError: pocketsphinx (extra `emohead[text]`) is not installed.
        InputError: the text has no words, or cannot be aligned with the audio.
    """
    words, guessed = [], []
    for word in words_of(text):
        pronunciations, known = pronounce(word)
        words.append(SpokenWord(word, pronunciations))
        if not known:
            guessed.append(word)
    found = align_speech(audio, words)
    if guessed:
        warnings.warn(f"not in the dictionary, pronunciation guessed: {', '.join(dict.fromkeys(guessed))}", UserWarning, stacklevel=2)
    samples = resampled(audio, ALIGNER_RATE).samples
    unexplained = unexplained_speech(samples, frame_labels(found.phones, int(audio.duration * LABEL_RATE)))
    if unexplained > UNEXPLAINED_LIMIT:
        warnings.warn(f"{unexplained:.0%} of the loud audio is not in the transcript; is it what is spoken?", UserWarning, stacklevel=2)
    elif (share := _heard(found.phones, audio)) < LEAST_HEARD:
        said = f"the recording hardly sounds like the transcript ({share:.2f} of 1; other words have less than {LEAST_HEARD})"
        warnings.warn(f"{said}; is it what is spoken?", UserWarning, stacklevel=2)
    return found


def _heard(phones: Sequence[PhoneSegment], audio: Waveform) -> float:
    """Mean probability of each phone by the phone network while it is said to sound."""
    probabilities = load_phone_net().posteriors(audio).probabilities
    labels = torch.from_numpy(frame_labels(phones, probabilities.shape[0])).long()
    spoken = (labels < len(PHONES)) & (labels != PHONE_INDEX["pau"])
    return float(probabilities[spoken, labels[spoken]].mean()) if bool(spoken.any()) else 1.0
