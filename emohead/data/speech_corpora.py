"""The voices that networks here are trained on: synthetic ones with exact phone times, and human recordings aligned to their words."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from emohead.data.phone_corpus import PhoneCorpus, human_speech, load_corpus, save_corpus, synthetic_speech

SYNTHETIC_UTTERANCES = 3600
"""Of a shard of synthetic speech: about 3.2 hours in 180 random voices."""


def build_speech_corpora(human: Path | None, work: Path, *, n_synthetic: int) -> list[PhoneCorpus]:
    """Phone corpora below `work`, made where they are missing: the human training recordings first if there are any, then synthetic shards.

    Args:
        human: folder with transcripts.tsv (speechocean762's columns) and recordings; None for synthetic voices alone.
        work: made if it is not there.
        n_synthetic: number of shards; shard k is drawn with seed k.

    Raises:
        InputError: the recordings cannot be read.
        ResourceError: a synthesiser or the aligner is not installed.
    """
    corpora = []
    if human is not None:
        corpora.append(_kept(work / "human_train", lambda: human_speech(human, split="train")))
    for seed in range(1, n_synthetic + 1):
        corpora.append(_kept(work / f"synthetic_{seed}", lambda seed=seed: synthetic_speech(SYNTHETIC_UTTERANCES, seed=seed)))
    return corpora


def split_speakers(corpus: PhoneCorpus) -> tuple[PhoneCorpus, PhoneCorpus]:
    """The corpus without every tenth speaker, and those speakers."""
    kept_out = set(sorted({utterance.speaker for utterance in corpus.utterances})[::10])
    parts = [[u for u in corpus.utterances if (u.speaker in kept_out) == wanted] for wanted in (False, True)]
    return replace(corpus, utterances=tuple(parts[0])), replace(corpus, utterances=tuple(parts[1]))


def _kept(folder: Path, make: Callable[[], Iterable[Any]]) -> PhoneCorpus:
    if not (folder / "utterances.json").exists():
        save_corpus(folder, make())
    return load_corpus(folder)
