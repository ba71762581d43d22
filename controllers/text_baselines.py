"""Simple ways to understand a sentence, to compare with: the mean, keywords, the most alike known phrase, the binary edit."""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from controllers.binary_edit import binary_edit, meant_units
from controllers.described import Described, face_row
from controllers.expression import scaled
from controllers.meaning import MeaningModel
from controllers.minilm import MiniLM
from controllers.phrases import Phrase
from controllers.states import states
from emohead.channels import AU_INDEX, N_AU
from emohead.metrics.text_scores import Phases

Method: TypeAlias = Callable[[Sequence[str]], list[Phases]]
"""Sentences to what they mean."""
_BARE = 0.7
_AT_ONCE = 64
_GRAMS, _N_HASHES = 4, 4096


def prototype(phrase: Phrase) -> Float[Tensor, " A"]:
    """The action units of a phrase, a state at its usual strength."""
    row = torch.zeros(N_AU)
    for channel, value in scaled(phrase.expression, _BARE if phrase.concept in states() else 1.0).au.items():
        row[AU_INDEX[channel]] = value
    return row


def always(row: Float[Tensor, " A"]) -> Method:
    """The same face for every sentence."""
    return lambda sentences: [Phases(row[None]) for _ in sentences]


def keywords(phrases: Sequence[Phrase]) -> Method:
    """Every known phrase that stands in the sentence as it is spelt, all at once, at usual strength: no grammar."""
    known = {tuple(phrase.text.split()): phrase for phrase in phrases}
    longest = max(len(words) for words in known)

    def understand(sentence: str) -> Phases:
        words = tuple(re.findall(r"[a-z']+", sentence.lower()))
        rows, at = [], 0
        while at < len(words):
            size = next((n for n in range(longest, 0, -1) if words[at : at + n] in known), 0)
            if size:
                rows.append(prototype(known[words[at : at + size]]))
            at += max(size, 1)
        return Phases(torch.stack(rows).amax(0)[None] if rows else torch.zeros(0, N_AU))

    return lambda sentences: [understand(sentence) for sentence in sentences]


def nearest_by_letters(phrases: Sequence[Phrase]) -> Method:
    """The known phrase with the most alike letters (cosine of hashed character 1- to 4-grams)."""
    return _nearest([phrase.text for phrase in phrases], _prototypes(phrases), _letters)


def nearest_by_minilm(phrases: Sequence[Phrase], model: MiniLM) -> Method:
    """The known phrase that MiniLM finds most alike."""
    return _nearest([phrase.text for phrase in phrases], _prototypes(phrases), _by_minilm(model))


def nearest_described(sentences: Sequence[Described], model: MiniLM) -> Method:
    """The described sentence that MiniLM finds most alike, with the face that it was given."""
    faces = torch.stack([face_row(item.expression)[:N_AU] for item in sentences])
    return _nearest([item.text.lower() for item in sentences], faces, _by_minilm(model))


def binary(model: MeaningModel, face: Float[Tensor, " A"]) -> Method:
    """EmoDiffTalk's edit of one and the same face."""
    return lambda sentences: [Phases(binary_edit(face[None], meant_units(text, model), alpha=1.0, beta=1.0)) for text in sentences]


def _prototypes(phrases: Sequence[Phrase]) -> Float[Tensor, "N A"]:
    return torch.stack([prototype(phrase) for phrase in phrases])


def _by_minilm(model: MiniLM) -> Callable[[Sequence[str]], Tensor]:
    def embed(texts: Sequence[str]) -> Tensor:
        # By length: the short ones of a mixed batch would be mostly filling.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        found = [model([texts[index] for index in order[at : at + _AT_ONCE]]) for at in range(0, len(order), _AT_ONCE)]
        return torch.cat(found)[torch.tensor(order).argsort()]

    return embed


def _nearest(texts: Sequence[str], faces: Float[Tensor, "N A"], embed: Callable[[Sequence[str]], Tensor]) -> Method:
    known = functional.normalize(embed(texts), dim=1)

    def understand(sentences: Sequence[str]) -> list[Phases]:
        best = (functional.normalize(embed(sentences), dim=1) @ known.T).argmax(1).tolist()
        return [Phases(faces[index][None]) for index in best]

    return understand


def _letters(texts: Sequence[str]) -> Float[Tensor, "B D"]:
    rows = torch.zeros(len(texts), _N_HASHES)
    for row, text in zip(rows, texts, strict=True):
        framed = f" {text.lower()} "
        for size in range(1, _GRAMS + 1):
            for at in range(len(framed) - size + 1):
                row[_hash(framed[at : at + size])] += 1.0
    return rows


def _hash(gram: str) -> int:
    import zlib

    return zlib.crc32(gram.encode()) % _N_HASHES
