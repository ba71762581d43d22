"""Loudness, pitch, phrases and accents of voices whose answer is known."""

import math

import pytest
import torch

from emohead.motion.prosody import SILENCE, analyse, find_phrases, loudness, pitch
from emohead.types import PhoneSegment, Waveform
from tests.motion.voices import certain, silence, spoken


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("frequency", [95.0, 180.0, 310.0])
def test_pitch_of_a_harmonic_tone(frequency: float, sample_rate: int):
    times = torch.arange(sample_rate) / sample_rate
    tone = sum(torch.sin(2 * math.pi * frequency * harmonic * times) / harmonic for harmonic in range(1, 6))
    found = pitch(Waveform(0.1 * torch.as_tensor(tone), sample_rate), 100)[10:90]
    assert (found - frequency).abs().max() < 0.04 * frequency


def test_noise_and_silence_have_no_pitch():
    noise = 0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    assert (pitch(Waveform(noise, 16_000), 100) > 0).float().mean() < 0.1
    assert (pitch(Waveform(torch.zeros(16_000), 16_000), 100) == 0).all()


def test_loudness_does_not_depend_on_the_recording_level():
    audio, segments = spoken()
    n_frames = math.ceil(audio.duration * 100)
    activity = analyse(audio, segments, n_frames).activity
    quiet = Waveform(audio.samples * 0.01, audio.sample_rate)
    one, other = loudness(audio, n_frames, activity), loudness(quiet, n_frames, activity)
    spoken_frames = one > -2.0
    assert torch.allclose(one[spoken_frames], other[spoken_frames], atol=0.02)
    assert one.min() >= SILENCE and abs(float(one[activity > 0.5].median())) < 0.01


def test_phrases_join_over_short_gaps():
    activity = torch.zeros(500)
    activity[50:100] = activity[110:200] = activity[300:400] = activity[450:460] = 1.0
    phrases = find_phrases(activity)
    assert [(p.start, p.end) for p in phrases] == [(0.5, 2.0), (3.0, 4.0)]


def test_a_voice_has_accents_where_it_swells():
    audio, segments = spoken()
    prosody = analyse(audio, segments, math.ceil(audio.duration * 100))
    rate = len(prosody.accents) / sum(phrase.end - phrase.start for phrase in prosody.phrases)
    assert 0.3 < rate < 2.5 and len(prosody.phrases) == 3
    assert all(0 < accent.strength <= 1 for accent in prosody.accents)
    gaps = torch.tensor([accent.time for accent in prosody.accents]).diff()
    assert gaps.min() >= 0.17


def test_posteriors_and_segments_tell_the_same_phrases():
    audio, segments = spoken()
    n_frames = math.ceil(audio.duration * 100)
    one, other = analyse(audio, segments, n_frames), analyse(audio, certain(segments), n_frames)
    assert all(abs(a.start - b.start) < 0.03 and abs(a.end - b.end) < 0.03 for a, b in zip(one.phrases, other.phrases, strict=True))


def test_silence_has_nothing():
    audio, segments = silence(2.0)
    prosody = analyse(audio, segments, 200)
    assert prosody.phrases == () and prosody.accents == () and (prosody.energy == SILENCE).all()


def test_segments_beyond_the_audio_are_cut():
    audio, _ = silence(0.5)
    assert analyse(audio, [PhoneSegment("aa", 0.2, 3.0)], 50).activity.shape == (50,)
