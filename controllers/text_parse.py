"""A sentence to clauses: what is mentioned, how strongly, on which side, denied or not, and in which order."""

import re
import unicodedata

from controllers.mentions import Parsed
from controllers.tables import read_table
from controllers.text_guess import GuessingReader
from controllers.text_reader import CODE
from controllers.understanding import Understanding, load_understanding

_TOKEN = re.compile(rf"\b(?:{CODE.pattern})(?!\w|\.\d|\s*=)|[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:\.\d+)?|[.!?;,:()\u2014]", re.IGNORECASE)

_ARROW = re.compile(r"\s*(?:[-=]+>|\u2192|\u21d2|(?<=\s)>(?=\s))\s*")
"""Arrows between looks: first one, then the other."""
_PERCENT = re.compile(r"(\d)\s*(?:%|per\s?cent\b)", re.IGNORECASE)
_RISING = re.compile(r"\b(\w+er) and \1\b", re.IGNORECASE)
"""`Angrier and angrier`."""


def parse(sentence: str, understanding: Understanding | None = None) -> Parsed:
    """Reads a sentence. Every string can be read; what means nothing to it is listed."""
    text = _plain(sentence)
    found = list(_TOKEN.finditer(text))
    reader = GuessingReader(understanding or load_understanding(), [token[0] for token in found])
    clauses = reader.read(loud="!!" in text)
    return Parsed(clauses, text, [token.span() for token in found], reader.unknown, reader.guessed, reader.first_side)


def _plain(sentence: str) -> str:
    """Emoji in words, typographic and control characters as plain ones."""
    for emoji, words in read_table("emoji")["emoji"].items():
        if emoji in sentence:
            sentence = sentence.replace(emoji, f", {words}, ")
    sentence = _RISING.sub(r"gradually \1", _ARROW.sub(", then ", sentence))
    sentence = _PERCENT.sub(r"\1 percent ", sentence)
    text = unicodedata.normalize("NFKC", sentence).replace("\u2019", "'").replace("\u2018", "'")
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "So", "Sk") else char for char in text)
