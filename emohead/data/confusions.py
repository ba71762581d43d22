"""What a phone network takes phones for in voices that it never heard, and features that are as wrong as that.

A motion network behind a phone network is trained on voices that the phone network was trained on too, and learns to trust it more than
strangers' voices deserve. Mixing in the confusions measured on speakers kept out teaches it to hedge.
"""

import itertools

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from emohead.data.alignments import UNKNOWN_LABEL
from emohead.data.phone_corpus import CORPUS_RATE, PhoneCorpus
from emohead.motion.phone_net import PhoneNet
from emohead.motion.phones import PHONES
from emohead.types import Waveform

_LEAST_FRAMES = 20
"""A phone spoken less than that is taken as always understood."""
_CERTAIN = 0.6
"""Share of a wrong answer that is one phone; the rest is spread as the network spreads it."""


def confusions_of(corpus: PhoneCorpus, net: PhoneNet) -> Float32[np.ndarray, "P P"]:
    """Mean probabilities that `net` gives each phone (columns) where a phone is spoken (rows) by strangers; rows sum to 1."""
    total, spoken = np.zeros((len(PHONES), len(PHONES))), np.zeros(len(PHONES))
    for utterance in corpus.utterances:
        audio = Waveform(torch.from_numpy(corpus.samples(utterance)), CORPUS_RATE)
        labels = corpus.frame_labels(utterance)
        heard = net.posteriors(audio).probabilities.numpy()[: len(labels)]
        known = np.flatnonzero(labels[: len(heard)] != UNKNOWN_LABEL)
        np.add.at(total, labels[known], heard[known])
        spoken += np.bincount(labels[known], minlength=len(PHONES))
    table = np.eye(len(PHONES), dtype=np.float32)
    often = spoken >= _LEAST_FRAMES
    table[often] = total[often] / total[often].sum(1, keepdims=True)
    return table


def misheard(
    heard: Float32[np.ndarray, "S D"],
    labels: UInt8[np.ndarray, " S"],
    table: Float32[np.ndarray, "P P"],
    share: float,
    random: np.random.Generator,
) -> Float32[np.ndarray, "S D"]:
    """The features with a share of the phones heard as `table` says that strangers' phones are."""
    result = heard.copy()
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    for start, stop in itertools.pairwise(edges):
        if labels[start] == UNKNOWN_LABEL or random.random() >= share:
            continue
        row, strength = table[labels[start]], random.uniform(0.4, 1.0)
        wrong = (1.0 - _CERTAIN) * row
        wrong[random.choice(len(PHONES), p=row / row.sum())] += _CERTAIN
        result[start:stop, : len(PHONES)] += strength * (wrong - result[start:stop, : len(PHONES)])
    return result
