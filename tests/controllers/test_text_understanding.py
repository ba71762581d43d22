"""What no table lists is understood by what was learned; what says nothing stays nothing; everything is said."""

import time
from pathlib import Path

import pytest
import torch

from controllers.doubts import understood
from controllers.meaning import ASSETS, load_meaning
from controllers.minilm import is_installed
from controllers.plan import plan_to_track
from controllers.text_controller import TextController
from controllers.text_to_au import text_to_plan
from emohead.assets import search_path
from emohead.errors import InputError
from emohead.head.action_units import mirror

UNSEEN = {
    "looks like he swallowed a lemon": "AU9L",
    "she just won a medal": "AU12L",
    "her dog died this morning": "AU15L",
    "as if he had seen a huge spider": "AU5L",
    "like someone who missed the last bus": "AU15L",
    "has not slept in three nights": "AU43L",
    "she stubbed her toe on the table": "AU4L",
}


@pytest.mark.parametrize("sentence", UNSEEN)
def test_situations_are_understood_and_said_to_be_guessed(sentence: str):
    plan = text_to_plan(sentence)
    assert plan.peak().get(UNSEEN[sentence], 0.0) > 0.1, plan
    assert plan.guessed and any("by what was learned" in warning for warning in plan.warnings)
    assert plan.to_json()["guessed"] == list(plan.guessed)


@pytest.mark.parametrize("sentence", UNSEEN)
def test_strict_refuses_guesses(sentence: str):
    with pytest.raises(InputError, match="--strict"):
        text_to_plan(sentence, strict=True)


@pytest.mark.parametrize(
    "sentence",
    [
        "a woman with a violin", "the printer needs paper", "he parked the truck near the bakery", "a saxophone player from Lisbon",
        "sitting under an oak with a ladder", "eating noodles with chopsticks", "reading subtitles on the second floor",
    ],
)  # fmt: skip
def test_scenery_that_no_table_lists_changes_nothing(sentence: str):
    assert text_to_plan(sentence).events == ()
    plain, with_scenery = text_to_plan("sad").peak(), text_to_plan(f"sad, {sentence}").peak()
    assert with_scenery == plain


def test_grammar_holds_for_guesses():
    plain = text_to_plan("she swallowed a lemon").peak()
    assert text_to_plan("at first she swallowed a lemon, then she is happy").events[0].start == 0.0
    first, second = text_to_plan("she swallowed a lemon, then she is happy").events
    assert set(first.au) == set(plain) and "AU12L" in second.au
    assert text_to_plan("very haunted").peak()["AU5L"] > text_to_plan("a bit haunted").peak()["AU5L"]
    assert text_to_plan("not haunted").peak().get("AU5L", 0.0) < 0.1


def test_a_guess_about_a_part_shows_nothing_that_the_whole_does_not_ask_for():
    units = set(text_to_plan("left corner of the mouth twitches").peak())
    assert "AU12L" in units and not units & {"AU4L", "AU6L", "AU7L"}, units
    units = set(text_to_plan("lips sealed between the phrases, mum's the word").peak())
    assert "AU24" in units and not units & {"AU1L", "AU2L", "AU12L"}, units


def test_first_after_an_article_counts_things():
    assert len(text_to_plan("she is happy about the first steps").events) == 1
    assert len(text_to_plan("first she is happy, then sad").events) == 2


def test_exchanging_left_and_right_mirrors_guesses_exactly():
    for sentence in (
        "swivels her noggin to the left",
        "the left half of his mouth creeps upward, gutted",
        "peeks leftward, left lid twitching",
    ):
        swapped = sentence.replace("left", "#").replace("right", "left").replace("#", "right")
        one, other = (plan_to_track(text_to_plan(text), 50, 25.0) for text in (sentence, swapped))
        assert torch.equal(mirror(one.intensity), other.intensity) or "leftward" in sentence
        assert torch.equal(one.gaze * torch.tensor([-1.0, 1.0]), other.gaze) or "leftward" in sentence


def test_without_the_network_words_are_only_looked_up():
    plan = text_to_plan("she swallowed a lemon", reading="lexicon")
    assert plan.events == () and plan.guessed == () and set(plan.not_understood) == {"swallowed", "lemon"}


def test_an_english_word_is_not_taken_for_a_misspelt_one():
    assert "taken for" not in " ".join(text_to_plan("a haunted man").warnings)


def test_what_is_done_to_a_thing_is_no_mood():
    (guess,) = text_to_plan("she lost her keys").guessed
    assert guess.startswith("she lost her keys: "), "the whole stretch was asked about"
    assert text_to_plan("she lost her keys").peak() != text_to_plan("she looks lost").peak()


def test_a_network_that_is_not_there_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("emohead.assets.search_path", lambda: [tmp_path])
    load_meaning.cache_clear()
    with pytest.raises(InputError, match="emohead train text-to-au --front-end minilm"):
        load_meaning("minilm")
    load_meaning.cache_clear()


has_minilm_network = any((folder / ASSETS["minilm"]).is_file() for folder in search_path())


@pytest.mark.skipif(not (is_installed() and has_minilm_network), reason="the extra text or the network on it is not installed")
def test_minilm_reads_too():
    plan = text_to_plan("looks like he swallowed a lemon", reading="minilm")
    assert plan.peak()["AU9L"] > 0.1
    assert TextController("happy", reading="minilm")(10, 25.0).intensity.max() > 0.3


def test_a_sentence_takes_less_than_fifty_milliseconds():
    sentence = "starts out like he swallowed a lemon, then slowly becomes gobsmacked, and finally looks like a kid in a candy store"
    text_to_plan(sentence)
    best = min(_seconds(sentence) for _ in range(10))
    assert best < 0.05


def _seconds(sentence: str) -> float:
    start = time.perf_counter()
    text_to_plan(sentence)
    return time.perf_counter() - start


def test_a_controller_warns_of_what_it_does_not_understand():
    with pytest.warns(UserWarning, match="only English is understood"):
        TextController("sie ist sehr traurig und weint")(10, 25.0)


def test_a_sentence_without_a_known_word_is_asked_about_as_a_whole():
    assert text_to_plan("utterly done with this customer", reading="lexicon").events == ()
    (event,) = text_to_plan("utterly done with this customer").events
    assert event.au and text_to_plan("a boy in a cold room").events == ()
    (told,) = text_to_plan("a blue coat by the door").warnings
    assert "nothing in these words" in told


def test_of_what_is_no_english_nothing_is_guessed():
    happy, beside = text_to_plan("happy"), text_to_plan("xqzzt and happy")
    assert beside.peak() == happy.peak() and beside.not_understood == ("xqzzt",) and "nearest" not in beside.warnings[0]
    german = understood("er ist traurig und lacht dann")
    assert german.peak() == {} and "German" in german.warnings[0]


def test_words_that_were_read_with_their_clause_are_understood():
    assert text_to_plan("clenches his jaw in silent rage").not_understood == ()
