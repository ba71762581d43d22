"""Forced alignment of known words with pocketsphinx: when each phone of a transcript is spoken (English)."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from emohead.data.alignments import LABEL_RATE, TimedWord
from emohead.data.phone_symbols import arpabet_phone
from emohead.data.resampling import resampled
from emohead.errors import InputError, ResourceError
from emohead.motion.features.mel import frame_rms, speech_level
from emohead.motion.phones import PHONE_INDEX
from emohead.types import PhoneSegment, Waveform

ALIGNER_RATE = 16000
"""Hz, the rate of pocketsphinx's acoustic model."""

ATTEMPTS = ((1e-48, 0.0), (1e-48, 0.3), (1e-30, 0.3), (1e-64, 0.6), (1e-48, 0.15), (1e-20, 0.2), (1e-48, 0.6), (1e-48, 1.0))
"""(beam, padding in seconds), tried in turn: an utterance may fail with one setting and pass with the next, and wider is not safer."""

REDUCED_VOWEL_SECONDS = 0.075
"""The dictionary has no stress: an AH shorter than this is taken as the reduced vowel `ax`."""


ALIGNER_EARLY_SECONDS = 0.007
"""pocketsphinx's boundaries are early by this much: median over 1,300 phones of flite speech, whose times are exact."""


@dataclass(frozen=True)
class SpokenWord:
    """A word to be aligned."""

    text: str
    """As written, for messages."""
    pronunciations: tuple[str, ...]
    """Space-separated ARPAbet; digits after vowels (stress) are allowed and decide between `ah` and `ax`."""


@dataclass(frozen=True)
class Alignment:
    """When everything in a text is spoken."""

    phones: list[PhoneSegment]
    """In order and without gaps, silence is `pau`."""
    words: list[TimedWord]
    """One for each word of the text, in order."""


def align_words(audio: Waveform, words: Sequence[SpokenWord]) -> list[PhoneSegment]:
    """The phones of `align_speech`."""
    return align_speech(audio, words).phones


def align_speech(audio: Waveform, words: Sequence[SpokenWord]) -> Alignment:
    """When each of `words` is spoken in `audio`; the phones go from 0 to the audio's end.

    Raises:
        ResourceError: pocketsphinx is not installed.
        InputError: there are no words, the audio is too short for them, or every attempt failed.
    """
    n_phones = sum(len(word.pronunciations[0].split()) for word in words)
    if not words:
        raise InputError("the transcript has no words; give the spoken text, or leave the transcript out")
    if n_phones * 0.03 > audio.duration:
        raise InputError(f"the transcript ({len(words)} words) is too long for {audio.duration:.2f} s of audio; give what is spoken")
    samples = _aligner_samples(audio)
    with tempfile.TemporaryDirectory(prefix="emohead-") as folder:
        dictionary = _write_dictionary(Path(folder) / "words.dict", words)
        for beam, padding in ATTEMPTS:
            found = _attempt(samples, dictionary, words, beam, padding)
            if found.phones:
                times = [replace(word, start=_within(word.start, audio), end=_within(word.end, audio)) for word in found.words]
                return Alignment(_without_gaps(found.phones, audio.duration), times)
    raise InputError(
        f"the transcript ({len(words)} words) could not be aligned with the {audio.duration:.1f} s of audio; is it what is spoken?"
    )


def unexplained_speech(samples: Float[Tensor, " S"], labels: np.ndarray) -> float:
    """Share of the loud frames (within 10 dB of the speech level) that 10 ms labels call silence, 0..1: what an alignment fails to explain.

    Sound alignments stay under 0.1; no synthetic utterance, whose times are exact, exceeds 0.06.
    """
    rms = frame_rms(samples, ALIGNER_RATE // LABEL_RATE)
    loud = (rms > 0.3 * speech_level(rms)).numpy()[: len(labels)]
    return float((loud & (labels[: len(loud)] == PHONE_INDEX["pau"])).sum() / max(loud.sum(), 1))


def _attempt(samples: np.ndarray, dictionary: Path, words: Sequence[SpokenWord], beam: float, padding: float) -> Alignment:
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise ResourceError("aligning a transcript needs pocketsphinx; install it with: pip install 'emohead[text]'") from error
    pad = np.random.default_rng(0).normal(0.0, np.percentile(np.abs(samples), 5) + 1e-4, int(padding * ALIGNER_RATE))
    pcm = (np.clip(np.concatenate([pad, samples, pad]), -1, 1) * 32767).astype(np.int16).tobytes()
    decoder = Decoder(loglevel="FATAL", samprate=ALIGNER_RATE, lm=None, dict=str(dictionary), beam=beam, wbeam=beam * 1e15, pbeam=beam)
    try:
        decoder.set_align_text(" ".join(_key(index) for index in range(len(words))))
        _run(decoder, pcm)
        decoder.set_alignment()
        _run(decoder, pcm)
        aligned = decoder.get_alignment()
    except RuntimeError:
        return Alignment([], [])  # pocketsphinx's only word for "no path survived the beam"; the caller goes on to the next setting.
    segments: list[PhoneSegment] = []
    times: dict[int, tuple[float, float]] = {}
    for word in aligned or []:
        index = _index(word.name)
        stresses = _stresses(words[index], word.name) if index is not None else []
        first = len(segments)
        for position, phone in enumerate(word):
            start = phone.start * 0.01 - padding + ALIGNER_EARLY_SECONDS
            end = start + phone.duration * 0.01
            symbol = stresses[position] if position < len(stresses) else phone.name
            segments.append(PhoneSegment(_phone(symbol, end - start) if index is not None else "pau", start, end))
        if index is not None and len(segments) > first:
            times[index] = (segments[first].start, segments[-1].end)
    return Alignment(segments, _words(words, times))


def _words(words: Sequence[SpokenWord], times: Mapping[int, tuple[float, float]]) -> list[TimedWord]:
    """One timed word for each; one that the aligner passed over stands where the word before it ends."""
    timed: list[TimedWord] = []
    for index, word in enumerate(words):
        before = timed[-1].end if timed else 0.0
        timed.append(TimedWord(word.text, *times.get(index, (before, before))))
    return timed


def _within(time: float, audio: Waveform) -> float:
    return min(max(time, 0.0), audio.duration)


def _run(decoder, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _write_dictionary(path: Path, words: Sequence[SpokenWord]) -> Path:
    # Each word of the transcript gets its own entry, so that the aligner's answer names the word's place and chosen pronunciation.
    lines = []
    for index, word in enumerate(words):
        for variant, phones in enumerate(word.pronunciations):
            name = _key(index) if variant == 0 else f"{_key(index)}({variant + 1})"
            lines.append(f"{name} {' '.join(symbol.rstrip('012') for symbol in phones.split())}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _key(index: int) -> str:
    return f"word{index}"


def _index(name: str) -> int | None:
    bare = name.split("(")[0]
    return int(bare[4:]) if bare.startswith("word") else None


def _stresses(word: SpokenWord, name: str) -> list[str]:
    variant = int(name.split("(")[1].rstrip(")")) - 1 if "(" in name else 0
    return word.pronunciations[variant].split()


def _phone(symbol: str, duration: float) -> str:
    if symbol == "AH" and duration < REDUCED_VOWEL_SECONDS:
        return "ax"
    return arpabet_phone(symbol) or "ax"


def _aligner_samples(audio: Waveform) -> np.ndarray:
    samples = resampled(audio, ALIGNER_RATE).samples.numpy()
    return samples / max(float(np.abs(samples).max(initial=0.0)), 1e-4) * 0.5


def _without_gaps(segments: list[PhoneSegment], duration: float) -> list[PhoneSegment]:
    # Padding is cut off again, silences that touch are joined, and the first and last phone reach the audio's ends.
    joined: list[PhoneSegment] = [PhoneSegment("pau", 0.0, 0.0)]
    for segment in segments:
        start, end = joined[-1].end, min(max(segment.end, 0.0), duration)
        if end <= start:
            continue
        if segment.phone == joined[-1].phone == "pau":
            joined[-1] = PhoneSegment("pau", joined[-1].start, end)
        else:
            joined.append(PhoneSegment(segment.phone, start, end))
    if joined[-1].phone == "pau":
        joined[-1] = PhoneSegment("pau", joined[-1].start, duration)
    elif joined[-1].end < duration:
        joined.append(PhoneSegment("pau", joined[-1].end, duration))
    return [segment for segment in joined if segment.end > segment.start]
