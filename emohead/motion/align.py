"""Timed phones from what a user knows about the speech: its words (forced alignment, English) or a TextGrid."""

import warnings

from emohead.data.alignments import LABEL_RATE, frame_labels, read_textgrid
from emohead.data.forced_alignment import ALIGNER_RATE, Alignment, SpokenWord, align_speech, unexplained_speech
from emohead.data.pronunciation import pronounce, words_of
from emohead.data.resampling import resampled
from emohead.types import PhoneSegment, Waveform

__all__ = ["align_text", "align_transcript", "read_textgrid"]

UNEXPLAINED_LIMIT = 0.3
"""Above this share of loud audio outside the transcript, the user is warned that it may not be what is spoken."""


def align_transcript(audio: Waveform, text: str) -> list[PhoneSegment]:
    """When each phone of `text` is spoken in `audio`: in order, without gaps, from 0 to the audio's end (errors of `align_text`)."""
    return align_text(audio, text).phones


def align_text(audio: Waveform, text: str) -> Alignment:
    """When each phone and each word of `text` is spoken in `audio`.

    A `UserWarning` names words that no dictionary has, which are said by their letters, and tells when much of the loud audio is not in
    the transcript. Runs at about 0.05 of real time.

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
    return found
