"""Synthetic speech: exact times, stops that are shut where their label says so, and one seed one corpus."""

import itertools
import shutil

import numpy as np
import pytest

from emohead.data.forced_alignment import unexplained_speech
from emohead.data.phone_corpus import load_corpus, save_corpus, synthetic_speech, well_aligned
from emohead.data.speech_text import random_sentence
from emohead.data.tts import Espeak, speak_festival, speak_flite
from emohead.errors import InputError, ResourceError
from emohead.motion.phones import PHONES


def _need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    _need("espeak-ng")
    return Espeak(n_random_voices=4, seed=3)


def _check(speech) -> None:
    assert speech.audio.samples.abs().max() > 0.05
    assert speech.segments[0].start == 0
    assert speech.segments[-1].end == pytest.approx(speech.audio.duration, abs=0.03)
    for segment, after in itertools.pairwise(speech.segments):
        assert segment.phone in PHONES
        assert segment.start < segment.end == after.start


def _loudness(speech, start: float, end: float) -> float:
    rate = speech.audio.sample_rate
    return float(speech.audio.samples[int(start * rate) : int(end * rate)].square().mean().sqrt())


@pytest.mark.parametrize("voice", ["slt", "rms", "kal16"])
def test_flite_closures_are_quiet_inside_the_phone(voice):
    _need("flite")
    speech = speak_flite("A happy puppy, a paper map.", voice=voice)
    _check(speech)
    stops = [s for before, s in itertools.pairwise(speech.segments) if s.phone == "p" and before.phone != "pau"]
    assert len(stops) >= 3
    # The middle of a /p/ is silence; a wrong time scale would put speech there.
    quiet = [_loudness(speech, s.start + 0.35 * (s.end - s.start), s.start + 0.55 * (s.end - s.start)) for s in stops]
    assert np.median(quiet) < 0.15 * _loudness(speech, 0, speech.audio.duration)


def test_espeak_closure_precedes_the_burst(espeak):
    speech = espeak.speak("a paper map, a happy puppy")
    _check(speech)
    stops = [s for before, s in itertools.pairwise(speech.segments) if s.phone == "p" and before.phone != "pau"]
    assert len(stops) >= 3
    quiet = [_loudness(speech, s.start + 0.010, s.start + 0.030) for s in stops]
    assert np.median(quiet) < 0.15 * _loudness(speech, 0, speech.audio.duration)


def test_random_voices_differ_and_unknown_voices_are_refused(espeak):
    first, second = (espeak.speak("hello bob", voice=f"en-us+{name}") for name in espeak.random_voices[:2])
    n = min(first.audio.samples.shape[0], second.audio.samples.shape[0])
    assert (first.audio.samples[:n] - second.audio.samples[:n]).abs().mean() > 1e-3
    with pytest.raises(ResourceError, match="no voice"):
        espeak.speak("hello", voice="nobody-speaks-this")


def test_festival_times_fit_the_audio():
    _need("festival")
    _check(speak_festival("My brother bought five maps."))


def test_sentences_are_seeded():
    def draw(seed):
        random = np.random.default_rng(seed)
        return [random_sentence(random) for _ in range(20)]

    assert draw(1) == draw(1) != draw(2)
    assert all(3 < len(sentence) < 300 for sentence in draw(3))


def test_a_corpus_goes_to_disk_and_back(tmp_path):
    # Makes its own espeak-ng, of which a process has one at a time: keep this after the tests of the shared one.
    _need("flite")
    _need("espeak-ng")
    spoken = list(synthetic_speech(3, seed=5))
    corpus = save_corpus(tmp_path / "corpus", spoken)
    again = load_corpus(tmp_path / "corpus")
    assert again.utterances == corpus.utterances
    utterance = again.utterances[0]
    assert len(again.samples(utterance)) == 160 * utterance.n_frames
    middle = spoken[0][1][len(spoken[0][1]) // 2]
    label = again.frame_labels(utterance)[int((middle.start + middle.end) / 2 * 100)]
    assert PHONES[label] == middle.phone
    assert well_aligned(again).utterances == again.utterances
    with pytest.raises(InputError, match="no phone corpus"):
        load_corpus(tmp_path)


def test_speech_that_labels_call_silence_is_unexplained():
    _need("flite")
    speech = speak_flite("a loud vowel here")
    samples = speech.audio.samples[: len(speech.audio.samples) // 160 * 160]
    n_frames = len(samples) // 160
    assert unexplained_speech(samples, np.zeros(n_frames, np.uint8)) == 1.0
    assert unexplained_speech(samples, np.ones(n_frames, np.uint8)) == 0.0
