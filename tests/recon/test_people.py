"""Who is who in a clip: by place within a shot, by looks across cuts and gaps, together when in doubt."""

import math
from pathlib import Path

import pytest
import torch

from emohead.errors import InputError
from recon.flat_face import SIDE
from recon.landmarks import Face
from recon.people import Person, Sightings, choose_person, find_people
from recon.portraits import Portrait, chosen_portraits, likenesses

CLIP = Path("a b.mp4")
INSIDE = torch.ones(SIDE, SIDE, dtype=torch.bool)


def _face(x: float, size: float = 80.0) -> Face:
    spread = torch.rand(478, 2, generator=torch.Generator().manual_seed(1))
    spread[:2] = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    return Face(torch.tensor([x, 50.0]) + size * spread, torch.zeros(52))


def _portrait(who: int, frame: int = 0, *, alike: float = 0.95, turn: float = 0.0) -> Portrait:
    """Somebody's own pattern, and a little that differs from frame to frame."""
    own = torch.randn(1, SIDE, SIDE, generator=torch.Generator().manual_seed(who))
    chance = torch.randn(1, SIDE, SIDE, generator=torch.Generator().manual_seed(1000 + frame))
    return Portrait((128 + 20 * (alike**0.5 * own + (1 - alike) ** 0.5 * chance)).clamp(0, 255).to(torch.uint8), turn)


def _seen(*shots: tuple[int, int | None, float], cuts: bool = True) -> Sightings:
    """Shots of one face each: how many frames, who (None: not to be known), where; x < 0 is nobody."""
    faces, portraits, begins = [], [], []
    for count, who, x in shots:
        begins.append(len(faces))
        for _ in range(count):
            faces.append([] if x < 0 else [_face(x)])
            portraits.append([] if x < 0 else [None if who is None or len(faces) % 5 else _portrait(who, len(faces))])
    return Sightings(faces, portraits, begins[1:] if cuts else [], INSIDE)


def _choose(seen: Sightings, face: int | None = None) -> tuple[Person, list[str]]:
    return choose_person(find_people(seen), seen, face=face, fps=25.0, path=CLIP)


def test_the_person_seen_most_and_largest_is_taken_and_another_on_demand():
    pairs = [[_face(200, 40), _face(20 + number, 80)] for number in range(10)]
    frames = [pair if number % 2 else pair[::-1] for number, pair in enumerate(pairs)]
    seen = Sightings(frames, [[None, None]] * 10, [], INSIDE)
    person, notes = _choose(seen)
    assert person.which == [0 if number % 2 == 0 else 1 for number in range(10)] and "2 people" in notes[0]
    other, notes = _choose(seen, face=2)
    assert other.which == [1 if number % 2 == 0 else 0 for number in range(10)] and not notes
    with pytest.raises(InputError, match="2 people are seen"):
        _choose(seen, face=3)


def test_another_person_at_the_same_place_after_a_cut_is_refused_with_a_way_to_split():
    seen = _seen((50, 1, 100), (30, 2, 100), (25, 1, 200))
    with pytest.raises(InputError) as refusal:
        _choose(seen)
    said = str(refusal.value)
    assert "person 2 at 2.0-3.2 s" in said and "--face 2" in said and "ffmpeg -ss 0.00 -to 2.00 -i 'a b.mp4'" in said
    first, second = _choose(seen, face=1)[0], _choose(seen, face=2)[0]
    assert first.frames == {*range(50), *range(80, 105)} and second.frames == set(range(50, 80))


def test_one_person_elsewhere_after_a_cut_is_one():
    people = find_people(_seen((50, 1, 100), (30, 1, 300), (25, 1, 20)))
    assert len(people) == 1 and len(people[0].frames) == 105


def test_without_a_cut_place_counts():
    people = find_people(_seen((50, 1, 100), (40, None, -1), (25, 1, 104), cuts=False))
    assert len(people) == 1 and len(people[0].frames) == 75
    # Somebody who appears where another was is told apart, and is no takeover, for nothing was cut.
    seen = _seen((50, 1, 100), (40, None, -1), (25, 2, 100), cuts=False)
    assert len(find_people(seen)) == 2 and len(_choose(seen)[0].frames) == 50


def test_in_doubt_faces_are_one_person():
    seen = _seen((50, 1, 100), (30, None, 110), (30, 1, 105))
    assert len(find_people(seen)) == 1
    # A face that cannot be known joins its neighbour, and joins no two people who can be.
    people = find_people(_seen((50, 1, 100), (3, None, 110), (30, 2, 105)))
    assert [len(person.frames) for person in people] == [53, 30]
    # Turned away, elsewhere, after a cut: the only person there is.
    assert len(find_people(_seen((50, 1, 100), (30, None, 300)))) == 1
    assert len(find_people(_seen((50, 1, 100), (30, 2, 100), (30, None, 300)))) == 3
    # A short glimpse of somebody else stops nothing.
    assert len(_choose(_seen((50, 1, 100), (10, 2, 100)))[0].frames) == 50


def test_people_seen_together_are_two_however_alike():
    count = 20
    seen = Sightings([[_face(20), _face(200)]] * count, [[_portrait(1, 2 * n), _portrait(1, 2 * n + 1)] for n in range(count)], [], INSIDE)
    assert [len(person.frames) for person in find_people(seen)] == [count, count]


def test_a_face_found_twice_for_a_moment_is_one_person():
    seen = _seen((50, 1, 100))
    seen.faces[20], seen.portraits[20] = [_face(100), _face(200)], [None, _portrait(1, 7)]
    people = find_people(seen)
    assert len(people) == 1 and people[0].which[20] == 0


def test_likeness_is_of_features_not_of_light():
    first, other = _portrait(1), _portrait(2)
    ramp = torch.linspace(0.5, 1.0, SIDE)[None, None]
    dim = Portrait((first.flat.float() * ramp).to(torch.uint8), 0.0)
    alike = likenesses([[first], [dim, other], [other]], INSIDE)
    assert alike[0, 1] > 0.9 and alike[0, 2] < 0.4 and alike[1, 2] == pytest.approx(1.0, abs=1e-4)
    assert torch.allclose(alike, alike.T, atol=1e-5)


def test_portraits_are_chosen_from_the_front_and_over_time():
    taken = [_portrait(1, frame, turn=abs(math.sin(frame / 4))) for frame in range(40)]
    chosen = [number for portrait in chosen_portraits(taken) for number in range(40) if taken[number] is portrait]
    assert len(chosen) == 6 and chosen == sorted(chosen) and chosen[-1] - chosen[0] > 25
    assert max(taken[number].turn for number in chosen) < 0.75
    assert len(chosen_portraits(taken[:3])) == 3
