"""A sentence as people type it: understood, with what is doubtful about it said first (another language, unknown signs, opposed wishes)."""

import re
import unicodedata
from collections import Counter
from dataclasses import replace
from functools import lru_cache

import torch

from controllers.plan import Event, TextPlan
from controllers.tables import read_table
from controllers.text_to_au import MAX_CHARACTERS, text_to_plan
from controllers.understanding import DEFAULT_READING, Reading
from emohead.channels import AU_INDEX, N_AU
from emohead.errors import InputError
from emohead.head.action_units import resolve_conflicts

LEAST_SHARE = 0.2
"""Share of a sentence's words that must be common words of a language for it to be taken for that language."""
ASKED, LEFT = 0.3, 0.5
"""An action unit that is asked for at least this strongly, and of which less than this share is left, gives way to its opponents."""
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SIGNS = ((0x2600, 0x27C0), (0x1F000, 0x1FB00))
"""Where emoji are in Unicode."""


def understood(
    sentence: str, *, duration: float | None = None, intensity: float = 1.0, strict: bool = False, reading: Reading = DEFAULT_READING
) -> TextPlan:
    """`text_to_au.text_to_plan` with warnings about the sentence as a whole; signs that mean nothing count as not understood.

    Args:
        sentence: at most 2,000 characters.
        duration: seconds of the clip, if known.
        intensity: multiplier of every expression, 0..1.3.
        strict: refuse another language, unknown words and signs, and guesses. Wishes that oppose each other are only told.
        reading: what guesses the meaning of words that no table lists.

    Raises:
        InputError: as of `text_to_plan`; with `strict` also for another language or an unknown sign.
        ResourceError: `reading` needs an extra that is not installed.
    """
    short = sentence if len(sentence) <= MAX_CHARACTERS else ""
    language, signs = other_language(short), unknown_signs(short)
    said = [f"the sentence seems to be {language}; only English is understood"] if language else []
    said += [f"{sign!r} is not known and changes nothing" for sign in signs]
    if strict and said:
        raise InputError(f"{said[0]}; rephrase it or leave --strict out")
    # What learned English would see a face in any other language.
    plan = text_to_plan(sentence, duration=duration, intensity=intensity, strict=strict, reading="lexicon" if language else reading)
    opposed = [text for event in plan.events if (text := opposed_wishes(event))]
    return replace(plan, not_understood=(*plan.not_understood, *signs), warnings=(*said, *plan.warnings, *dict.fromkeys(opposed)))


def other_language(sentence: str) -> str:
    """The language that a sentence seems to be in, or its letters; empty for English and for what cannot be told."""
    text = unicodedata.normalize("NFKC", sentence)
    scripts = Counter(unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha())
    letters, count = scripts.most_common(1)[0] if scripts else ("LATIN", 0)
    if letters != "LATIN" and 2 * count > scripts.total():
        return f"in another language ({letters.capitalize()} letters)"
    words = [word.lower() for word in _WORD.findall(text)]
    hits = {name: sum(word in common for word in words) for name, common in _common_words().items()}
    english, most = hits.pop("English"), max(hits.values())
    if most <= english or most < LEAST_SHARE * len(words):
        return ""
    names = [name for name, found in hits.items() if found == most]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def unknown_signs(sentence: str) -> tuple[str, ...]:
    """The emoji of a sentence that the table of emoji does not have, each once."""
    known = read_table("emoji")["emoji"]
    found = (sign for sign in sentence if unicodedata.category(sign) == "So" and any(a <= ord(sign) < b for a, b in _SIGNS))
    return tuple(dict.fromkeys(sign for sign in found if sign not in known))


def opposed_wishes(event: Event) -> str:
    """What to say of an event whose action units oppose each other so far that some all but vanish; empty where none does."""
    asked = torch.zeros(1, N_AU)
    for name, value in event.au.items():
        asked[0, AU_INDEX[name]] = value
    left = resolve_conflicts(asked)[0]
    lost = [name for name, value in event.au.items() if value >= ASKED and float(left[AU_INDEX[name]]) < LEFT * value]
    units = list(dict.fromkeys(name.rstrip("LR") for name in lost))
    return f"{event.text!r} asks for actions that oppose each other: {', '.join(units)} gives way" if units else ""


@lru_cache(maxsize=1)
def _common_words() -> dict[str, frozenset[str]]:
    table = read_table("languages")
    lists = {**table["languages"], "English": table["english"]}
    return {name: frozenset(words.split()) for name, words in lists.items()}
