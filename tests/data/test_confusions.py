"""What strangers' phones are taken for, and features that are as wrong."""

from dataclasses import replace

import numpy as np
import torch

from emohead.data.alignments import UNKNOWN_LABEL
from emohead.data.confusions import confusions_of, misheard
from emohead.data.phone_corpus import PhoneCorpus, Utterance
from emohead.motion.phone_net import PhoneNetConfig
from emohead.motion.phones import PHONES


def test_confusions_are_what_the_network_says():
    torch.manual_seed(0)
    net = replace(PhoneNetConfig(), width=16, n_blocks=2).build().eval()
    random = np.random.default_rng(0)
    labels = np.repeat(np.array([3, 7, 3, UNKNOWN_LABEL], np.uint8), 30)
    corpus = PhoneCorpus((3000 * random.standard_normal(labels.size * 160)).astype(np.int16), labels, (Utterance(0, 120, "one", ""),))
    table = confusions_of(corpus, net)
    assert table.shape == (len(PHONES), len(PHONES)) and np.allclose(table.sum(1), 1.0, atol=1e-5)
    assert table[3].max() < 0.9 and np.array_equal(table[5], np.eye(len(PHONES), dtype=np.float32)[5])


def test_a_share_of_the_phones_is_misheard():
    labels = np.repeat(np.arange(30, dtype=np.uint8), 10)
    heard = np.concatenate([np.eye(len(PHONES), dtype=np.float32)[labels], np.full((300, 3), 7.0, np.float32)], 1)
    table = np.roll(np.eye(len(PHONES), dtype=np.float32), 1, 1)
    none, some, every = (misheard(heard, labels, table, share, np.random.default_rng(1)) for share in (0.0, 0.4, 1.0))
    assert np.array_equal(none, heard)
    changed = (some != heard).any(1).reshape(30, 10)
    assert 0.15 < changed[:, 0].mean() < 0.65 and (changed == changed[:, :1]).all()
    assert (every[:, : len(PHONES)].argmax(1) == labels + 1).mean() > 0.6
    for result in (some, every):
        assert np.allclose(result[:, : len(PHONES)].sum(1), 1.0, atol=1e-5) and (result[:, len(PHONES) :] == 7.0).all()
    unknown = np.full(300, UNKNOWN_LABEL, np.uint8)
    assert np.array_equal(misheard(heard, unknown, table, 1.0, np.random.default_rng(1)), heard)
