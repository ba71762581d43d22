"""Another language, unknown signs and opposed wishes are said; English is left in peace."""

import json
from pathlib import Path

import pytest

from controllers.control import control
from controllers.doubts import opposed_wishes, other_language, understood, unknown_signs
from controllers.plan import Event
from controllers.tables import read_table
from controllers.tags import parse_script, script_to_plan
from controllers.text_to_au import text_to_plan
from controllers.word_times import spread
from emohead.errors import InputError

CASES = Path(__file__).parents[2] / "benchmarks" / "text"


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("sehr wütend und traurig", "German"), ("lächelt", "German"), ("très content mais un peu triste", "French"),
        ("muy feliz", "Spanish or Portuguese"), ("molto felice ma poi triste", "Italian"),
        ("очень грустный", "in another language (Cyrillic"),
        ("とても悲しい", "in another language (Hiragana"), ("حزين جدا", "in another language (Arabic"),
    ],
)  # fmt: skip
def test_other_languages_are_said(sentence: str, language: str):
    assert other_language(sentence).startswith(language)
    plan = understood(sentence, reading="lexicon")
    assert plan.warnings[0].startswith(f"the sentence seems to be {language}") and "only English" in plan.warnings[0]
    with pytest.raises(InputError, match="only English is understood; rephrase it"):
        understood(sentence, strict=True)


@pytest.mark.parametrize(
    "sentence", ["", "...", "happy", "Maria is very sad", "la la la", "12345", "𝒽𝒶𝓅𝓅𝓎", "hapy", "a naïve smile", "déjà vu"]
)
def test_english_is_not_taken_for_another_language(sentence: str):
    assert other_language(sentence) == ""


def test_no_sentence_of_the_benchmark_is_taken_for_another_language():
    sentences = [json.loads(line)["sentence"] for part in ("s1", "s3", "s4") for line in (CASES / f"{part}.jsonl").read_text().splitlines()]
    sentences += [line.split("\t")[2] for line in (CASES / "paraphrases.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert len(sentences) > 1000 and not [sentence for sentence in sentences if other_language(sentence)]


def test_lists_of_languages_have_no_english():
    table = read_table("languages")
    english = set(table["english"].split())
    assert all(not english & set(words.split()) for words in table["languages"].values())


def test_unknown_emoji_are_told_and_known_ones_are_words():
    assert unknown_signs("sad 😂🤖🤖 👍🏽 ☺") == ("🤖", "👍") and unknown_signs("© 5° →") == ()
    plan = understood("happy 🤖")
    assert plan.not_understood == ("🤖",) and "'🤖' is not known and changes nothing" in plan.warnings and plan.peak()["AU12L"] > 0.4
    assert understood("😀", strict=True).events
    with pytest.raises(InputError, match="'🤖' is not known"):
        understood("happy 🤖", strict=True)


def test_wishes_that_oppose_each_other_are_performed_and_told():
    plan = understood("eyes wide open and eyes closed", strict=True)
    assert plan.warnings == ("'eyes wide open and eyes closed' asks for actions that oppose each other: AU5 gives way",)
    assert plan.peak()["AU5L"] > 0.5 < plan.peak()["AU43L"], "the head model resolves it"
    assert opposed_wishes(Event(0.0, 1.0, {"AU12L": 0.6, "AU15L": 0.3, "AU1L": 0.8, "AU4L": 0.5})) == "", "a mixture is no contradiction"


def test_tags_and_control_say_the_same():
    script = parse_script("[sehr traurig] We won. [happy 🤖] Oh.")
    plan = script_to_plan(script, spread(script.words, [(0.0, 3.0)]), 3.0)
    assert plan.warnings[0] == "tag [sehr traurig]: the sentence seems to be German; only English is understood"
    assert "🤖" in plan.not_understood
    assert "seems to be German" in control(25, 25.0, sentence="sehr traurig").warnings[0]


def test_what_is_not_doubtful_is_left_as_it_is():
    sentence = "at first worried, then slowly a shy smile"
    assert understood(sentence, duration=4.0, intensity=0.8) == text_to_plan(sentence, duration=4.0, intensity=0.8)
    with pytest.raises(InputError, match="shorten it to at most 2000"):
        understood("sehr " * 2_000_000)
