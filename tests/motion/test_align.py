"""Transcripts are aligned, unknown words are guessed with a warning, and what cannot be aligned is refused."""

import itertools
import shutil

import numpy as np
import pytest
import torch

from emohead.data.tts import speak_flite
from emohead.errors import InputError
from emohead.motion.align import align_transcript
from emohead.types import Waveform


@pytest.fixture(scope="module")
def spoken():
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    return speak_flite("Bob might buy a purple umbrella, maybe.", voice="slt")


def test_alignment_finds_the_true_times(spoken):
    segments = align_transcript(spoken.audio, "Bob might buy a purple umbrella, maybe.")
    assert segments[0].start == 0
    assert segments[-1].end == pytest.approx(spoken.audio.duration)
    assert all(a.end == b.start for a, b in itertools.pairwise(segments))
    true = [s for s in spoken.segments if s.phone in "pbm"]
    found = [s for s in segments if s.phone in "pbm"]
    assert [s.phone for s in found] == [s.phone for s in true]
    # pocketsphinx works in 10 ms frames; its boundaries on flite speech are within 25 ms (quartiles within 10 ms).
    offsets = np.array([f.start - t.start for f, t in zip(found, true, strict=True)])
    assert np.abs(offsets).max() < 0.06
    assert abs(np.median(offsets)) < 0.015


def test_any_sample_rate(spoken):
    audio = Waveform(torch.repeat_interleave(spoken.audio.samples, 3), 3 * spoken.audio.sample_rate)
    assert align_transcript(audio, "bob might buy a purple umbrella maybe")[-1].end == pytest.approx(spoken.audio.duration)


def test_unknown_word_is_guessed_with_a_warning(spoken):
    with pytest.warns(UserWarning, match="purpelish"):
        segments = align_transcript(spoken.audio, "bob might buy a purpelish umbrella maybe")
    assert sum(s.phone in "pbm" for s in segments) >= 7


@pytest.mark.parametrize(("text", "message"), [("", "no words"), ("?!", "no words"), ("far too many words " * 40, "too long")])
def test_impossible_transcripts_are_refused(spoken, text, message):
    with pytest.raises(InputError, match=message):
        align_transcript(spoken.audio, text)


def test_silence_cannot_be_aligned():
    with pytest.raises(InputError):
        align_transcript(Waveform(torch.zeros(800), 16000), "hello there")


def test_audio_that_the_transcript_does_not_cover_is_reported(spoken):
    with pytest.warns(UserWarning, match="not in the transcript"):
        align_transcript(spoken.audio, "bob")
