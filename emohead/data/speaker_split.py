"""Splits of a corpus by speaker: nobody who is heard in training is met again in validation or test, whatever is added later."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from emohead.errors import InputError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitConfig:
    """Shares of speakers."""

    validation: float = 0.1
    """Share of speakers to choose settings with, 0..1."""
    test: float = 0.1
    """Share of speakers to report on, 0..1."""
    salt: str = ""
    """Another text, another split."""

    def __post_init__(self):
        if not (self.validation >= 0 and self.test >= 0 and self.validation + self.test < 1):
            raise InputError(f"validation={self.validation:g}, test={self.test:g}: shares from 0 that leave something to train on, please")


def part_of(speaker: str, config: SplitConfig | None = None) -> Part:
    """The part that a speaker belongs to, from the SHA-256 of the name alone: the same on every machine and with any other speakers.

    Shares are kept on average: of few speakers, a part may have none. Give every speaker of a corpus one spelling.
    """
    config = config or SplitConfig()
    digest = hashlib.sha256(f"{config.salt}\0{speaker}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < config.test:
        return "test"
    return "validation" if place < config.test + config.validation else "train"


def split_by_speaker(
    speakers: Iterable[str], config: SplitConfig | None = None, *, fixed: Mapping[str, Part] | None = None
) -> dict[Part, tuple[int, ...]]:
    """Indices of clips by part.

    Args:
        speakers: who speaks in each clip.
        config: shares.
        fixed: parts of speakers that are given, such as a corpus's official test set.

    Raises:
        InputError: nobody is left to train on.
    """
    given = fixed or {}
    parts: dict[Part, list[int]] = {part: [] for part in PARTS}
    count = 0
    for count, speaker in enumerate(speakers, 1):
        parts[given.get(speaker) or part_of(speaker, config)].append(count - 1)
    if count and not parts["train"]:
        raise InputError(f"of {count} clips none is left to train on; there are too few speakers: fix their parts, or change the salt")
    return {part: tuple(indices) for part, indices in parts.items()}
