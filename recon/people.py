"""Who of several people in a clip is meant, and who takes whose place at a cut."""

import shlex
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from emohead.errors import InputError
from recon.landmarks import Face
from recon.portraits import SAME, SAME_PLACE, Portrait, chosen_portraits, likenesses

_NEAR = 0.6
"""Distance of two faces, in face sizes, up to which they are the same person in neighbouring frames."""
_MEMORY = 25
"""Frames for which a person who is not seen is remembered."""
_TWICE = 2
"""Frames in which a face may be found twice; people seen together in more are two."""
_TAKEOVER = 0.5
"""Seconds for which somebody else must be seen without the person to count."""
_SURE = 2
"""Portraits without which nobody is said to be somebody else."""


@dataclass(frozen=True)
class Sightings:
    """The faces of a clip, frame by frame."""

    faces: list[list[Face]]
    """Found in each frame."""
    portraits: list[list[Portrait | None]]
    """Of the same faces; None where none was taken."""
    cuts: list[int]
    """Frames that begin a new shot."""
    inside: Bool[Tensor, "S S"]
    """Of the portraits, see `recon.portraits.Portraitist`."""


@dataclass(frozen=True)
class Person:
    """One person followed through a clip."""

    which: list[int | None]
    """For each frame, the index of this person's face among those found, or None."""
    importance: float
    """Sum of the face's area over the frames, pixels squared."""
    portraits: int
    """How many of them tell this person from others."""

    @property
    def frames(self) -> set[int]:
        """In which this person is seen."""
        return {number for number, which in enumerate(self.which) if which is not None}


def find_people(seen: Sightings) -> list[Person]:
    """Everybody in a clip, the one seen most and largest first.

    Faces are followed by their place within a shot. What is seen in several shots is one person if the portraits say so; a face without
    portraits (turned away, small) belongs to the one that is seen at its place before or after, or, in another shot, to the only one.
    """
    tracks = _follow(seen)
    people = [_person([tracks[index] for index in group], seen) for group in _joined(tracks, seen)]
    return sorted(people, key=lambda person: -person.importance)


def _person(tracks: list["_Track"], seen: Sightings) -> Person:
    which = {number: index for track in reversed(tracks) for number, index in track.which.items()}
    area = sum(_area(seen.faces[number][index]) for number, index in which.items())
    return Person([which.get(number) for number in range(len(seen.faces))], area, sum(len(track.portraits) for track in tracks))


def choose_person(people: list[Person], seen: Sightings, *, face: int | None, fps: float, path: Path) -> tuple[Person, list[str]]:
    """The person that is meant and what to tell the user.

    Args:
        people: at least one, see `find_people`.
        seen: where they were found.
        face: 1 for the person seen most and largest, 2 for the next; None takes the first and says so.
        fps: frames per second.
        path: of the clip, for messages.

    Raises:
        InputError: fewer people than `face`, or somebody else is seen after a cut and `face` is None.
    """
    if face is not None and not 1 <= face <= len(people):
        count = "1 person is" if len(people) == 1 else f"{len(people)} people are"
        raise InputError(f"--face {face}: {count} seen in {path}; give " + ("1" if len(people) == 1 else f"1 to {len(people)}"))
    if face is not None:
        return people[face - 1], []
    others = taking_over(people, seen.cuts, fps)
    if others:
        raise InputError(f"{path}: {_split_advice(people, others, seen, fps, path)}")
    together = max(len(found) for found in seen.faces)
    note = f"{together} people are seen at once; the one seen most and largest was taken (--face 2 takes the next)"
    return people[0], [note] if together > 1 else []


def taking_over(people: list[Person], cuts: list[int], fps: float) -> list[tuple[int, list[int]]]:
    """People who are seen in shots without the first, as --face counts them, and the frames of those shots in which they are seen."""
    if not people or people[0].portraits < _SURE:
        return []
    with_first = {bisect_right(cuts, number) for number in people[0].frames}
    others = []
    for number, person in enumerate(people[1:], start=2):
        alone = sorted(frame for frame in person.frames if bisect_right(cuts, frame) not in with_first)
        if person.portraits >= _SURE and len(alone) >= _TAKEOVER * fps:
            others.append((number, alone))
    return others


def seconds_seen(frames: list[int], fps: float, *, most: int = 4) -> str:
    """Stretches of a clip: 2.0-3.5 s, 8.0-9.0 s."""
    runs = _runs(frames, round(fps))
    words = [f"{first / fps:.1f}-{(last + 1) / fps:.1f} s" for first, last in runs[:most]]
    return ", ".join(words) + (f" and {len(runs) - most} more" if len(runs) > most else "")


def _split_advice(people: list[Person], others: list[tuple[int, list[int]]], seen: Sightings, fps: float, path: Path) -> str:
    """Who is seen when, and how to make a clip of one person."""
    who = "; ".join(f"person {number} at {seconds_seen(frames, fps)}" for number, frames in others[:3])
    theirs = {bisect_right(seen.cuts, frame) for _, frames in others for frame in frames}
    edges = [0, *seen.cuts, len(seen.faces)]
    free = [number for number in range(len(edges) - 1) if number not in theirs]
    start, end = max(((edges[first], edges[last + 1]) for first, last in _runs(free, 1)), key=lambda run: run[1] - run[0])
    cut = f"ffmpeg -ss {start / fps:.2f} -to {end / fps:.2f} -i {shlex.quote(str(path))} one.mp4"
    choice = f"give --face 1 for the one seen most or --face {others[0][0]} for the other"
    return f"another person seems to be seen after a cut ({who}); {choice}, or cut the clip: {cut}"


def _runs(numbers: list[int], gap: int) -> list[tuple[int, int]]:
    """First and last of stretches without a gap larger than that."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number - runs[-1][1] <= gap:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


@dataclass
class _Track:
    """A face followed by its place within a shot."""

    which: dict[int, int]
    """Frame and index of the face there, ascending."""
    portraits: list[Portrait]
    shot: int

    @property
    def first(self) -> int:
        return next(iter(self.which))

    @property
    def last(self) -> int:
        return next(reversed(self.which))


def _follow(seen: Sightings) -> list[_Track]:
    tracks: list[_Track] = []
    live: list[_Track] = []
    for number, faces in enumerate(seen.faces):
        shot = bisect_right(seen.cuts, number)
        free = set(range(len(faces)))
        live = [track for track in live if track.shot == shot and number - track.last <= _MEMORY]
        for track in live:
            if not free:
                break
            before = seen.faces[track.last][track.which[track.last]]
            nearest = min(free, key=lambda which: _distance(faces[which], before))
            if _distance(faces[nearest], before) < _NEAR:
                free.discard(nearest)
                track.which[number] = nearest
        new = [_Track({number: which}, [], shot) for which in sorted(free)]
        tracks += new
        live += new
    for track in tracks:
        taken = [seen.portraits[number][which] for number, which in track.which.items()]
        track.portraits = chosen_portraits([portrait for portrait in taken if portrait is not None])
    return tracks


def _joined(tracks: list[_Track], seen: Sightings) -> list[list[int]]:
    """Which tracks are of one person; the first of each list is owner of frames in which a face was found twice."""
    groups = [[index] for index in range(len(tracks))]
    frames = [set(track.which) for track in tracks]

    def join(one: int, other: int) -> None:
        first, second = (next(group for group in groups if index in group) for index in (one, other))
        if first is second or len(_all(frames, first) & _all(frames, second)) > _TWICE:
            return
        first += second
        groups.remove(second)

    known = [index for index, track in enumerate(tracks) if track.portraits]
    if len(known) > 1:
        alike = likenesses([tracks[index].portraits for index in known], seen.inside)
        pairs = torch.nonzero(alike.triu(1) >= SAME_PLACE).tolist()
        for one, other in sorted(pairs, key=lambda pair: -float(alike[pair[0], pair[1]])):
            first, second = known[one], known[other]
            if alike[one, other] >= (SAME_PLACE if _comes_back(tracks[first], tracks[second], seen) else SAME):
                join(first, second)
    sole = [group for group in groups if tracks[group[0]].portraits]
    for index, track in enumerate(tracks):
        if track.portraits:
            continue
        neighbour = _neighbour(index, tracks, seen)
        if neighbour is not None:
            join(neighbour, index)
        elif len(sole) == 1 and track.shot not in {tracks[other].shot for other in sole[0]}:
            join(sole[0][0], index)
    return groups


def _all(frames: list[set[int]], group: list[int]) -> set[int]:
    return set().union(*(frames[index] for index in group))


def _comes_back(one: _Track, other: _Track, seen: Sightings) -> bool:
    """Whether a later track begins where an earlier one of the same shot ended."""
    first, second = sorted((one, other), key=lambda track: track.first)
    return first.shot == second.shot and first.last < second.first and _gap_in_place(first, second, seen) < _NEAR


def _gap_in_place(before: _Track, after: _Track, seen: Sightings) -> float:
    return _distance(seen.faces[after.first][after.which[after.first]], seen.faces[before.last][before.which[before.last]])


def _neighbour(index: int, tracks: list[_Track], seen: Sightings) -> int | None:
    """Which track, the nearest in time, is seen at the place of a face that cannot be known: one before it, or a known one after."""
    track = tracks[index]
    before = [other for other in range(index) if tracks[other].last < track.first]
    after = [other for other in range(index + 1, len(tracks)) if tracks[other].portraits and tracks[other].first > track.last]
    near = [(track.first - tracks[other].last, other) for other in before if _gap_in_place(tracks[other], track, seen) < _NEAR]
    near += [(tracks[other].first - track.last, other) for other in after if _gap_in_place(track, tracks[other], seen) < _NEAR]
    return min(near)[1] if near else None


def _distance(face: Face, other: Face) -> float:
    (left, top, right, bottom), (a, b, c, d) = face.box, other.box
    size = max(right - left, bottom - top, 1.0)
    return (((left + right - a - c) / 2) ** 2 + ((top + bottom - b - d) / 2) ** 2) ** 0.5 / size


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)
