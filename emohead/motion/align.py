"""Timed phones from what a user knows about the speech: its words (forced alignment, English) or a TextGrid."""

import warnings

from emohead.data.alignments import read_textgrid
from emohead.data.forced_alignment import SpokenWord, align_words
from emohead.data.pronunciation import pronounce, words_of
from emohead.types import PhoneSegment, Waveform

__all__ = ["align_transcript", "read_textgrid"]


def align_transcript(audio: Waveform, text: str) -> list[PhoneSegment]:
    """When each phone of `text` is spoken in `audio`: segments in order, without gaps, from 0 to the audio's end.

    A word that no dictionary has is said by its letters, and a `UserWarning` names it. Runs at about 0.05 of real time.

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
    segments = align_words(audio, words)
    if guessed:
        warnings.warn(f"not in the dictionary, pronunciation guessed: {', '.join(dict.fromkeys(guessed))}", UserWarning, stacklevel=2)
    return segments
