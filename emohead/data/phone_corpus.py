"""A corpus of speech with a phone label every 10 ms: its on-disk form, and how it is made from synthetic voices or aligned recordings.

On disk it is a folder of plain arrays (`audio.npy` int16 at 16 kHz, `labels.npy` uint8 at 100 Hz) and `utterances.json`.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from emohead.data.alignments import LABEL_RATE, frame_labels
from emohead.data.forced_alignment import SpokenWord, align_words, unexplained_speech
from emohead.data.resampling import resampled
from emohead.data.speech_text import random_sentence
from emohead.data.tts import Espeak, random_speech
from emohead.errors import InputError
from emohead.media import read_audio
from emohead.types import PhoneSegment, Waveform

CORPUS_RATE = 16000
"""Hz."""
_HOP = CORPUS_RATE // LABEL_RATE


@dataclass(frozen=True)
class Utterance:
    """Where one utterance lies in a corpus."""

    start: int
    """First frame."""
    n_frames: int
    """Frames of 10 ms."""
    speaker: str
    text: str


@dataclass(frozen=True)
class PhoneCorpus:
    """Speech and its phone labels, all utterances end to end."""

    audio: np.ndarray
    """int16 samples at 16 kHz, 160 per frame."""
    labels: np.ndarray
    """uint8 class of `motion.phones.PHONES` per frame, or `UNKNOWN_LABEL`."""
    utterances: tuple[Utterance, ...]

    def samples(self, utterance: Utterance) -> np.ndarray:
        """The audio of one utterance, float32 -1..1."""
        start = utterance.start * _HOP
        return self.audio[start : start + utterance.n_frames * _HOP].astype(np.float32) / 32768

    def frame_labels(self, utterance: Utterance) -> np.ndarray:
        """The labels of one utterance."""
        return self.labels[utterance.start : utterance.start + utterance.n_frames]

    @property
    def hours(self) -> float:
        """Length of the corpus in hours."""
        return sum(utterance.n_frames for utterance in self.utterances) / (3600 * LABEL_RATE)


def well_aligned(corpus: PhoneCorpus, *, limit: float = 0.1) -> PhoneCorpus:
    """The corpus without utterances whose labels leave more than `limit` of the loud frames unexplained (see `unexplained_speech`).

    Readers who hesitate, repeat or misread break a forced alignment. No synthetic utterance, whose times are exact, exceeds 0.06.
    """
    kept = [u for u in corpus.utterances if unexplained_speech(torch.from_numpy(corpus.samples(u)), corpus.frame_labels(u)) <= limit]
    return replace(corpus, utterances=tuple(kept))


def save_corpus(folder: Path, spoken: Iterable[tuple[Waveform, Sequence[PhoneSegment], str, str]]) -> PhoneCorpus:
    """Write (audio, segments, speaker, text) items as a corpus folder and return it."""
    audio, labels, utterances, start = [], [], [], 0
    for waveform, segments, speaker, text in spoken:
        samples = resampled(waveform, CORPUS_RATE).samples.numpy()
        n_frames = len(samples) // _HOP
        if n_frames < LABEL_RATE // 4:
            continue
        samples = samples[: n_frames * _HOP] / max(float(np.abs(samples).max()), 1e-4) * 0.9
        audio.append((samples * 32767).astype(np.int16))
        labels.append(frame_labels(segments, n_frames))
        utterances.append(Utterance(start, n_frames, speaker, text))
        start += n_frames
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "audio.npy", np.concatenate(audio))
    np.save(folder / "labels.npy", np.concatenate(labels))
    (folder / "utterances.json").write_text(json.dumps([asdict(utterance) for utterance in utterances]))
    return load_corpus(folder)


def load_corpus(folder: Path) -> PhoneCorpus:
    """Open a corpus folder; the audio stays on disk until it is read.

    Raises:
        InputError: the folder is not a corpus.
    """
    if not (folder / "utterances.json").is_file():
        raise InputError(f"{folder}: no phone corpus there (utterances.json is missing); build it with tools/train_phone_net.py")
    audio = np.load(folder / "audio.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(folder / "labels.npy", allow_pickle=False)
    utterances = tuple(Utterance(**entry) for entry in json.loads((folder / "utterances.json").read_text()))
    return PhoneCorpus(audio, labels, utterances)


def synthetic_speech(n_utterances: int, *, seed: int) -> Iterator[tuple[Waveform, Sequence[PhoneSegment], str, str]]:
    """Random sentences in random synthetic voices; one seed, one corpus."""
    random = np.random.default_rng(seed)
    espeak = Espeak(n_random_voices=180, seed=seed)
    for _ in range(n_utterances):
        text = random_sentence(random)
        speech = random_speech(text, random, espeak)
        if speech.segments:
            yield speech.audio, speech.segments, speech.voice, text


def human_speech(folder: Path, *, split: str) -> Iterator[tuple[Waveform, Sequence[PhoneSegment], str, str]]:
    """The recordings of one split of a folder with `transcripts.tsv` (speechocean762's columns), aligned to their canonical phones.

    An utterance that cannot be aligned is left out.
    """
    with open(folder / "transcripts.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == split]
    for row in rows:
        audio = read_audio(folder / row["file"], sample_rate=CORPUS_RATE)
        try:
            segments = align_words(audio, _canonical_words(row["text"], row["canonical_phones"]))
        except InputError:
            continue
        yield audio, segments, row["speaker"], row["text"]


def _canonical_words(text: str, canonical: str) -> list[SpokenWord]:
    # "IH0_B T_I S_E | JH_B AH0_E": words divided by bars, phones with stress and their place in the word.
    pronunciations = [" ".join(phone.split("_")[0] for phone in word.split()) for word in canonical.split("|")]
    names = text.lower().split()
    if len(names) != len(pronunciations):
        names = [f"word {index + 1}" for index in range(len(pronunciations))]
    return [SpokenWord(name, (phones,)) for name, phones in zip(names, pronunciations, strict=True)]
