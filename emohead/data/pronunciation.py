"""How English words are said: text -> words, the CMU dictionary that pocketsphinx carries, and letter-to-sound rules for the rest."""

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from emohead.errors import ResourceError

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SUFFIXES = (
    ("'s", "Z", "S"), ("s", "Z", "S"), ("es", "IH Z", "IH Z"), ("ed", "D", "T"), ("ing", "IH NG", "IH NG"), ("ly", "L IY", "L IY"),
)  # fmt: skip
_SIGNS = {"&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "$": "dollars", "£": "pounds", "€": "euros"}

# Longest spelling first; `^` and `$` stand for the word's start and end. A small table: it only has to get the lips about right.
_LETTER_RULES = {
    "ough": "AO", "augh": "AO", "eigh": "EY", "igh": "AY", "tion": "SH AH N", "sion": "ZH AH N", "tch": "CH", "dge": "JH",
    "sch": "S K", "eau": "OW", "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W", "ck": "K", "ng$": "NG", "gh": "G",
    "qu": "K W", "^kn": "N", "^wr": "R", "^ps": "S", "^x": "Z", "mb$": "M", "ee": "IY", "ea": "IY", "ie": "IY", "ei": "IY",
    "oo": "UW", "ou": "AW", "ow": "OW", "oa": "OW", "oi": "OY", "oy": "OY", "ai": "EY", "ay": "EY", "ey$": "IY", "au": "AO",
    "aw": "AO", "ew": "UW", "ue$": "UW", "er": "ER", "ir": "ER", "ur": "ER", "ar": "AA R", "or": "AO R", "ce": "S", "ci": "S IH",
    "cy": "S IY", "ge$": "JH", "es$": "Z", "ed$": "D", "e$": "", "y$": "IY", "^y": "Y", "bb": "B", "cc": "K", "dd": "D", "ff": "F",
    "gg": "G", "ll": "L", "mm": "M", "nn": "N", "pp": "P", "rr": "R", "ss": "S", "tt": "T", "zz": "Z", "a": "AE", "b": "B",
    "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N",
    "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IH", "z": "Z",
}  # fmt: skip


def words_of(text: str) -> list[str]:
    """The spoken words of a text in lower case: numbers spelled out, signs named, punctuation dropped, hyphens split, apostrophes kept."""
    plain = text.lower().replace("’", "'").replace("‘", "'")
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", plain)
    plain = re.sub(r"\d+", lambda digits: f" {number_words(digits[0])} ", plain)
    plain = re.sub("[" + re.escape("".join(_SIGNS)) + "]", lambda sign: f" {_SIGNS[sign[0]]} ", plain)
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*'?|'[^\W\d_]+", plain)
    return [word.rstrip("'") if not word.endswith("s'") else word for word in words]


def number_words(digits: str) -> str:
    """English words of a whole number; more than twelve digits, or a leading zero, are read digit by digit."""
    if len(digits) > 12 or (len(digits) > 1 and digits[0] == "0"):
        return " ".join(_ONES[int(digit)] for digit in digits)
    value = int(digits)
    if value < 20:
        return _ONES[value]
    if value < 100:
        return _TENS[value // 10] + (f" {_ONES[value % 10]}" if value % 10 else "")
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if value >= size:
            rest = f" {number_words(str(value % size))}" if value % size else ""
            return f"{number_words(str(value // size))} {name}{rest}"
    raise AssertionError("unreachable: every value of 100 and more has a size")


@lru_cache(maxsize=1)
def cmu_dictionary() -> dict[str, tuple[str, ...]]:
    """Word -> its pronunciations (ARPAbet without stress), from the dictionary in pocketsphinx's package.

    Raises:
        ResourceError: pocketsphinx is not installed.
    """
    try:
        from pocketsphinx import get_model_path
    except ImportError as error:
        raise ResourceError("aligning a transcript needs pocketsphinx; install it with: pip install 'emohead[text]'") from error
    entries: dict[str, list[str]] = {}
    for line in Path(get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8").splitlines():
        word, _, phones = line.partition(" ")
        if phones:
            entries.setdefault(re.sub(r"\(\d+\)$", "", word), []).append(phones.strip())
    return {word: tuple(phones) for word, phones in entries.items()}


def pronounce(word: str) -> tuple[tuple[str, ...], bool]:
    """The pronunciations of a lower-case word, and whether it was known (else a suffix, a compound or letters were guessed from)."""
    dictionary = cmu_dictionary()
    if word in dictionary:
        return dictionary[word], True
    return (_inflected(word, dictionary) or _compound(word, dictionary) or (letter_to_sound(word),)), False


def letter_to_sound(word: str) -> str:
    """ARPAbet phones guessed from the letters of an unknown word; a letter that is not English says nothing."""
    marked, phones, position = f"^{_ascii(word)}$", [], 1
    while position < len(marked) - 1:
        for length in (5, 4, 3, 2, 1):
            for start in (position - 1, position) if position == 1 else (position,):
                spelling = marked[start : start + length]
                if spelling in _LETTER_RULES and start + length > position:
                    phones.append(_LETTER_RULES[spelling])
                    position = start + length
                    break
            else:
                continue
            break
        else:
            position += 1
    return " ".join(" ".join(phones).split()) or "AH"


def _inflected(word: str, dictionary: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    for suffix, voiced, voiceless in _SUFFIXES:
        stem = word.removesuffix(suffix)
        for base in (stem, stem + "e") if suffix in ("ed", "ing") else (stem,):
            if stem != word and len(stem) > 1 and base in dictionary:
                phones = dictionary[base][0]
                ending = voiceless if phones.split()[-1] in ("P", "T", "K", "F", "TH", "S", "SH", "CH") else voiced
                return (f"{phones} {ending}",)
    return ()


def _compound(word: str, dictionary: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    for cut in range(3, len(word) - 2):
        if word[:cut] in dictionary and word[cut:] in dictionary:
            return (f"{dictionary[word[:cut]][0]} {dictionary[word[cut:]][0]}",)
    return ()


def _ascii(word: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if letter.isascii() and letter.isalpha())
