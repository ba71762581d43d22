"""When each word of a script is spoken: from a TextGrid, by alignment with the recording, or by the length of the words."""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controllers.tags import Script
from emohead.data.alignments import TimedWord, read_textgrid_words
from emohead.errors import InputError, ResourceError
from emohead.motion.align import align_text
from emohead.motion.features.mel import frame_rms, speech_level
from emohead.types import PhoneSegment, Waveform

LOUD = 0.2
"""A frame over this share of the speech level counts as speech."""
_HOP = 0.02


@dataclass(frozen=True)
class WordTimes:
    """The words of a script in time."""

    words: list[TimedWord]
    """One for each."""
    phones: Sequence[PhoneSegment] | None
    """What is spoken, for the mouth; None where only the ear can tell."""
    warnings: tuple[str, ...] = ()
    """What the user should know, one line each."""


def word_times(
    script: Script, audio: Waveform, *, phones: Sequence[PhoneSegment] | None = None, textgrid: Path | None = None, strict: bool = False
) -> WordTimes:
    """When each word of a script is spoken in a recording.

    Args:
        script: the words.
        audio: the recording.
        phones: timed phones; the words are then not aligned.
        textgrid: where the phones came from; its tier of words is used when it has as many words as the script.
        strict: refuse a script that cannot be aligned instead of guessing.

    Raises:
        InputError: with `strict`, a script that cannot be aligned with the recording.
    """
    if phones is not None:
        words = read_textgrid_words(textgrid) if textgrid is not None else []
        if len(words) == len(script.words):
            return WordTimes(words, phones)
        found = f"its {len(words)} timed words are not the {len(script.words)} of the script" if words else "it has no timed words"
        spans = [(phone.start, phone.end) for phone in phones if phone.phone != "pau"]
        said = f"{textgrid or 'the transcript'}: {found}; tags are placed by the number of letters before them"
        return WordTimes(spread(script.words, spans or [(0.0, audio.duration)]), phones, (said,))
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            found = align_text(audio, script.text)
    except (ResourceError, InputError) as error:
        if strict and isinstance(error, InputError):
            raise
        said = f"tags are placed by the number of letters before them, since the words have no times: {error}"
        return WordTimes(letter_times(script, audio), None, (said,))
    return WordTimes(found.words, found.phones, tuple(str(warning.message) for warning in told))


def letter_times(script: Script, audio: Waveform) -> list[TimedWord]:
    """A guess without an aligner: the words spread by their letters over what is loud."""
    return spread(script.words, _loud_spans(audio))


def spread(words: Sequence[str], spans: Sequence[tuple[float, float]]) -> list[TimedWord]:
    """The words one after the other over stretches of time (seconds, in order), each as long as its letters; pauses are left out."""
    total = sum(end - start for start, end in spans)
    letters = list(itertools.accumulate((len(word) for word in words), initial=0))
    times = [share / max(letters[-1], 1) * total for share in letters]
    return [
        TimedWord(word, _after(begin, spans, at_end=False), _after(end, spans, at_end=True))
        for word, (begin, end) in zip(words, itertools.pairwise(times), strict=True)
    ]


def _after(spoken: float, spans: Sequence[tuple[float, float]], *, at_end: bool) -> float:
    """The time at which that many seconds were spoken; at a pause, its beginning or its end."""
    for start, end in spans:
        if spoken < end - start - 1e-9 or (at_end and spoken <= end - start + 1e-9):
            return start + spoken
        spoken -= end - start
    return spans[-1][1]


def _loud_spans(audio: Waveform) -> list[tuple[float, float]]:
    rms = frame_rms(audio.samples, max(1, round(_HOP * audio.sample_rate)))
    loud = (rms > LOUD * speech_level(rms)).tolist()
    spans: list[tuple[float, float]] = []
    for is_loud, frames in itertools.groupby(range(len(loud)), key=lambda index: loud[index]):
        places = list(frames)
        if is_loud:
            spans.append((places[0] * _HOP, min((places[-1] + 1) * _HOP, audio.duration)))
    return spans or [(0.0, audio.duration)]
