"""Movements listed with commas: at once where they can be, one after the other where they cannot."""

import pytest

from controllers.plan import Event
from controllers.text_to_au import text_to_plan


def events(sentence: str) -> list[Event]:
    return list(text_to_plan(sentence, reading="lexicon").events)


@pytest.mark.parametrize(
    ("sentence", "signs"),
    [("look left, look right", (1, -1)), ("look right, look left", (-1, 1)), ("look left, look at the camera, look right", (1, 0, -1))],
)
def test_directions_come_in_turn(sentence: str, signs: tuple[int, ...]):
    found = events(sentence)
    assert [event.gaze and (event.gaze[0] > 0) - (event.gaze[0] < 0) for event in found] == list(signs)
    assert [round(event.start, 3) for event in found] == [round(place / len(signs), 3) for place in range(len(signs))]


def test_antagonists_come_in_turn():
    smile, frown, surprise = events("smile, frown, look surprised")
    assert "AU12L" in smile.au and "AU12L" not in frown.au and frown.au["AU15L"] > 0.3 and surprise.au["AU1L"] > 0.3
    shut, wide = events("eyes closed, eyes open")
    assert shut.au["AU43L"] == 1.0 and wide.au["AU5L"] > 0.1 and shut.end == wide.start == 0.5


def test_wished_and_then_denied():
    first, rest, again = events("smile, stop smiling, smile again")
    assert first.au["AU12L"] == again.au["AU12L"] > 0.5 and rest.au["AU12L"] == 0.0


@pytest.mark.parametrize("sentence", ["tilt head, chin up, smile", "smile, eyebrows raised, look left", "frown and smile", "happy, sad"])
def test_what_can_be_together_is(sentence: str):
    assert len({event.start for event in events(sentence) if event.gesture is None}) == 1


def test_an_ending_is_at_the_end():
    (grin,) = events("ends on a grin")
    assert grin.start == 0.75 and grin.au["AU12L"] > 0.5
    sad, smile = events("sad, ending with a smile")
    assert "AU15L" in sad.au and smile.start == 0.5 and "AU12L" in smile.au


def test_more_and_more_is_slow():
    (event,) = events("gets angrier and angrier")
    assert event.onset >= 0.5 and event.au["AU4L"] > 0.4


@pytest.mark.parametrize("sentence", ["sad, then even sadder", "sad, then sadder", "sad, then sadder still"])
def test_a_mood_that_is_compared_with_itself_grows(sentence: str):
    first, more = events(sentence)
    assert more.au["AU15L"] > 1.2 * first.au["AU15L"] > 0.0


def test_a_comparison_alone_is_the_mood():
    (event,) = events("a little happier than before")
    assert 0.2 < event.au["AU12L"] < events("happy")[0].au["AU12L"]
    assert events("a sober driver")[0].text == "sober"


@pytest.mark.parametrize("sentence", ["he hides a smile", "trying not to grin", "suppresses a grin"])
def test_a_smile_that_is_held_back(sentence: str):
    (event,) = events(sentence)
    assert event.au["AU12L"] > 0.2 and event.au["AU24"] > 0.3


def test_the_viewers_left_is_the_persons_right():
    theirs, own = events("looks to the viewer's left"), events("looks right")
    assert theirs[0].gaze == own[0].gaze and events("looks to the viewer's right")[0].gaze == events("looks left")[0].gaze
    (ahead,) = events("keeps his eyes on the camera")
    assert ahead.gaze == (0.0, 0.0)


@pytest.mark.parametrize("sentence", ["smiles, drops it, smiles again", "she smiles, then it fades, then smiles again"])
def test_what_was_asked_for_last_is_undone(sentence: str):
    first, rest, again = events(sentence)
    assert first.au["AU12L"] == again.au["AU12L"] > 0.5 and rest.au["AU12L"] == 0.0
    shut, opened = events("opens mouth, closes it")
    assert shut.au["AU26"] > 0.5 and opened.au["AU26"] == 0.0
    assert events("drop it") == []


@pytest.mark.parametrize("sentence", ["her smile fades", "the smile vanishes slowly", "happy, but the smile fades"])
def test_what_fades_is_there_before(sentence: str):
    before, after = events(sentence)
    assert before.au["AU12L"] > 0.5 and after.au["AU12L"] == 0.0 and before.end == after.start


@pytest.mark.parametrize(
    ("sentence", "start"), [("stops smiling at the end", 0.75), ("stop smiling after 3 s", 0.5), ("quits smiling halfway", 0.375)]
)
def test_what_stops_later_is_there_before(sentence: str, start: float):
    before, after = events(sentence)
    assert before.au["AU12L"] > 0.5 and (before.start, before.end) == (0.0, 1.0)
    assert after.overlay and after.au["AU12L"] == 0.0 and (round(after.start, 3), after.end) == (start, 1.0)
    (absent,) = events("not smiling at the end")
    assert absent.au["AU12L"] == 0.0


def test_moods_alternate():
    found = events("alternates between happy and sad")
    assert [("AU12L" in event.au, "AU15L" in event.au) for event in found] == 2 * [(True, False), (False, True)]
    assert [event.start for event in found] == [0.0, 0.25, 0.5, 0.75]
    assert len({event.start for event in events("somewhere between happy and sad")}) == 1


def test_each_half_of_a_face_has_its_mood():
    (event,) = events("left side happy, right side sad")
    assert event.au["AU12L"] > 0.5 and "AU12R" not in event.au and event.au["AU15R"] > 0.3 and "AU15L" not in event.au
    assert events("the left side is happy")[0].au["AU12R"] > 0.5, "one mood has the whole face"


@pytest.mark.parametrize("sentence", ["smiling at first", "initially a smile", "a smile to begin with; later nothing"])
def test_what_is_so_at_first_does_not_last(sentence: str):
    first, second = (text_to_plan(sentence).events[index] for index in (0, -1))
    assert first.au["AU12L"] > 0.4 and first.end <= 0.55
    assert second.au["AU12L"] == 0.0 and second.end == 1.0


def test_what_begins_goes_on():
    assert [event.au["AU12L"] > 0.4 for event in text_to_plan("starts smiling").events] == [True]
    assert text_to_plan("starts smiling").events[0].end == 1.0


@pytest.mark.parametrize(
    ("sentence", "more", "less"),
    [
        ("raises the left brow higher than the right", "AU2L", "AU2R"),
        ("squints harder with the right eye than with the left", "AU7R", "AU7L"),
        ("smiles more on the left side than on the right one", "AU12L", "AU12R"),
        ("smiles less with the left than with the right", "AU12R", "AU12L"),
        ("the right corner of the mouth goes up more than the left", "AU12R", "AU12L"),
    ],
)
def test_sides_that_are_compared(sentence: str, more: str, less: str):
    found = text_to_plan(sentence).peak()
    assert found[more] > found.get(less, 0.0) + 0.2


def test_eyes_that_open_again():
    shut, opened = text_to_plan("closes her eyes, then opens them again").events
    assert shut.au["AU43L"] == 1.0 and opened.au["AU43L"] == 0.0


@pytest.mark.parametrize(
    "sentence", ["stifles a yawn", "trying hard to suppress a laugh", "holds in a scream", "wants to cry", "restrains her anger"]
)
def test_what_is_held_back_hardly_shows_behind_closed_lips(sentence: str):
    (event,) = events(sentence)
    assert event.au["AU24"] >= 0.5 and all(event.au[name] == 0.0 for name in ("AU25", "AU26", "AU27"))
    shown, free = event.au, text_to_plan(sentence.split()[-1]).peak()
    upper = [name for name, value in free.items() if name[2:4] in ("12", "43", "4L", "1L", "6L") and value > 0.1]
    assert all(0.0 < shown.get(name, 0.0) < free[name] for name in upper)


def test_what_is_not_held_back_shows():
    assert (
        text_to_plan("I want to see you laugh").peak() == text_to_plan("laugh").peak() == text_to_plan("he wants to see her laugh").peak()
    )
    assert "AU24" not in text_to_plan("not suppressing her anger").peak() or text_to_plan("not suppressing her anger").peak()["AU24"] < 0.5
    assert text_to_plan("stifles a yawn, then smiles").events[1].au["AU12L"] > 0.5


def test_directions_go_on_from_a_look():
    up, left, back = (event.gaze for event in events("looks up, then left, then at us"))
    assert up and up[1] < -0.2 and left and left[0] > 0.3 and back == (0.0, 0.0)
    assert [event.gaze is not None for event in events("smiles, then left eyebrow up")] == [False, False]


@pytest.mark.parametrize(
    "sentence",
    ["looks at the viewer's left", "glances left from the viewer's point of view", "looks camera left", "looks screen left, then smiles"],
)
def test_sides_of_who_watches(sentence: str):
    gaze = events(sentence)[0].gaze
    assert gaze is not None and gaze[0] < -0.3
    assert events("looks at the camera right now")[0].gaze == (0.0, 0.0)


def test_a_head_that_turns_away_turns():
    head = events("turns her head away in disgust")[0].head
    assert head is not None and abs(head[1]) > 0.2 and text_to_plan("turns her head away in disgust").peak()["AU9L"] > 0.3


def test_half_a_smile():
    assert text_to_plan("a half-hearted smile").peak()["AU12L"] < text_to_plan("a smile").peak()["AU12L"] - 0.1


def test_cheeks_are_puffed_behind_closed_lips():
    peak = text_to_plan("blows out her cheeks in exasperation").peak()
    assert peak["AU34"] > 0.5 and peak["AU4L"] > 0.2 and "AU25" not in peak and "AU26" not in peak
