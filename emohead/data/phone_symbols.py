"""Other phone alphabets -> the 41 phone classes of `motion.phones`: ARPAbet (with or without stress) and IPA."""

import re
import unicodedata

from emohead.motion.phones import PHONE_INDEX

SILENCE_SYMBOLS = frozenset({"", "sil", "sp", "spn", "spnn", "pau", "h#", "<eps>", "<sil>", "#", "_", "noise"})
"""Labels that corpora use for "no speech here"."""

_ARPABET_EXTRA = {
    "axr": "er", "ix": "ih", "ux": "uw", "dx": "d", "nx": "n", "el": "l", "em": "m", "en": "n", "eng": "ng", "hv": "hh", "q": "t",
}  # fmt: skip

_IPA = {
    "ɑ": "aa", "ɒ": "aa", "a": "aa", "æ": "ae", "ʌ": "ah", "ɐ": "ax", "ɔ": "ao", "o": "ow", "ə": "ax", "ɚ": "er", "ɝ": "er",
    "ɜ": "er", "ɛ": "eh", "e": "eh", "ɪ": "ih", "ᵻ": "ih", "ɨ": "ih", "i": "iy", "ʊ": "uh", "u": "uw", "ʉ": "uw", "ɵ": "uh",
    "y": "uw", "ø": "er", "œ": "er", "aɪ": "ay", "aj": "ay", "aʊ": "aw", "aw": "aw", "eɪ": "ey", "ej": "ey", "oʊ": "ow", "əʊ": "ow",
    "ow": "ow", "əw": "ow", "ɔɪ": "oy", "ɔj": "oy", "aɪə": "ay", "aɪɚ": "ay", "eə": "eh", "iə": "iy", "ɪə": "iy", "ʊə": "uh",
    "ɛɹ": "eh", "oɹ": "ao", "ɔɹ": "ao", "ɑɹ": "aa", "ʊɹ": "uh", "ɪɹ": "ih", "əl": "l", "p": "p", "b": "b", "m": "m", "ɱ": "m",
    "f": "f", "v": "v", "θ": "th", "ð": "dh", "t": "t", "d": "d", "ɾ": "d", "ʈ": "t", "ɖ": "d", "ʔ": "t", "n": "n", "ɲ": "n",
    "ŋ": "ng", "s": "s", "z": "z", "ʃ": "sh", "ʒ": "zh", "ç": "hh", "ɕ": "sh", "ʑ": "zh", "tʃ": "ch", "tɕ": "ch", "dʒ": "jh",
    "dʑ": "jh", "k": "k", "c": "k", "g": "g", "ɡ": "g", "ɟ": "g", "x": "k", "h": "hh", "ɦ": "hh", "l": "l", "ɫ": "l", "ʎ": "l",
    "ɭ": "l", "ɹ": "r", "r": "r", "ʁ": "r", "ɻ": "r", "j": "y", "w": "w", "ʍ": "w", "ʋ": "v", "β": "v", "ɸ": "f",
}  # fmt: skip
_IPA_DROPPED = re.compile("[ˈˌːˑ_:|‖ʰʲʷˠˤ̃ʼ̚.‿͡ ]")


def is_silence(symbol: str) -> bool:
    """Whether a corpus label means silence or noise rather than a phone."""
    return symbol.strip().lower() in SILENCE_SYMBOLS


def arpabet_phone(symbol: str) -> str | None:
    """The class of an ARPAbet symbol such as `AH0`, `ah` or `JH`; None if it is not one. Unstressed `AH0` is the reduced vowel `ax`."""
    if is_silence(symbol):
        return "pau"
    name, stress = symbol.strip().lower(), ""
    if name[-1] in "012":
        name, stress = name[:-1], name[-1]
    if name == "ah" and stress == "0":
        return "ax"
    return name if name in PHONE_INDEX else _ARPABET_EXTRA.get(name)


def ipa_phone(symbol: str) -> str | None:
    """The class of an IPA symbol such as `tʃ`, `oʊ` or `ɫ`; None if it is not one. Length, stress and palatalisation are dropped."""
    if is_silence(symbol):
        return "pau"
    bare = _IPA_DROPPED.sub("", unicodedata.normalize("NFD", symbol.strip()))
    bare = "".join(mark for mark in unicodedata.normalize("NFC", bare) if not unicodedata.combining(mark))
    return _IPA.get(bare) or _IPA.get(bare[:2]) or _IPA.get(bare[:1])
