"""Text becomes words, and every word becomes phones, known or not."""

import pytest

from emohead.data.phone_symbols import arpabet_phone, ipa_phone
from emohead.data.pronunciation import letter_to_sound, number_words, pronounce, words_of
from emohead.motion.phones import PHONES


def test_words_of_plain_text():
    assert words_of("Don't stop — it's 42% off, Bob’s well-known (offer)!") == [
        "don't", "stop", "it's", "forty", "two", "percent", "off", "bob's", "well", "known", "offer",
    ]  # fmt: skip
    assert words_of("...") == []


@pytest.mark.parametrize(
    ("digits", "words"),
    [("0", "zero"), ("17", "seventeen"), ("305", "three hundred five"), ("1000000", "one million"), ("007", "zero zero seven")],
)
def test_number_words(digits, words):
    assert number_words(digits) == words


def test_known_inflected_compound_and_unknown_words():
    assert pronounce("bob") == (("B AA B",), True)
    assert pronounce("woodchuck")[0][0] == "W UH D CH AH K"
    assert pronounce("hazarded") == (("HH AE Z ER D D",), False)
    for nonsense in ("kuntrifob", "zzyzx", "œuvre", "ñandú", "шум"):
        pronunciations, known = pronounce(nonsense)
        assert not known
        assert all(arpabet_phone(symbol) in PHONES for symbol in pronunciations[0].split())


def test_letters_keep_the_lips():
    assert letter_to_sound("plomb") == "P L AA M"
    assert letter_to_sound("phobe") == "F AA B"
    assert letter_to_sound("qwbm").split()[-2:] == ["B", "M"]


@pytest.mark.parametrize(("symbol", "phone"), [("AH0", "ax"), ("AH1", "ah"), ("jh", "jh"), ("sil", "pau"), ("spn", "pau"), ("QQ", None)])
def test_arpabet(symbol, phone):
    assert arpabet_phone(symbol) == phone


@pytest.mark.parametrize(
    ("symbol", "phone"), [("tʃ", "ch"), ("ɫ", "l"), ("iː", "iy"), ("tʲ", "t"), ("ˈæ", "ae"), ("aɪɚ", "ay"), ("", "pau"), ("§", None)]
)
def test_ipa(symbol, phone):
    assert ipa_phone(symbol) == phone
