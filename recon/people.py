"""Who of several people in a clip is meant."""

from dataclasses import dataclass
from pathlib import Path

from emohead.errors import InputError
from recon.landmarks import Face

_NEAR = 0.6
"""Distance of two faces, in face sizes, up to which they are the same person in neighbouring frames."""
_MEMORY = 25
"""Frames for which a person who is not seen is remembered."""


@dataclass(frozen=True)
class Person:
    """One face followed through a clip."""

    which: list[int | None]
    """For each frame, the index of this person's face among those found, or None."""
    importance: float
    """Sum of the face's area over the frames, pixels squared."""


def choose_person(frames: list[list[Face]], *, face: int | None, path: Path) -> tuple[Person, list[str]]:
    """The person that is meant and what to tell the user.

    Args:
        frames: the faces found in each frame.
        face: 1 for the person seen most and largest, 2 for the next; None takes the first and says so.
        path: of the clip, for messages.

    Raises:
        InputError: there is no face at all, or fewer people than `face`.
    """
    people = sorted(_follow(frames), key=lambda person: -person.importance)
    if not people:
        raise InputError(f"{path}: no face was found in any of {len(frames)} frames; give a clip that shows one face from the front")
    if face is not None and not 1 <= face <= len(people):
        raise InputError(f"--face {face}: {len(people)} people are seen in {path}; give 1 to {len(people)}")
    together = max(len(found) for found in frames)
    notes = []
    if together > 1 and face is None:
        notes.append(f"{together} people are seen at once; the one seen most and largest was taken (--face 2 takes the next)")
    return people[(face or 1) - 1], notes


def _follow(frames: list[list[Face]]) -> list[Person]:
    tracks: list[dict[int, int]] = []
    last: list[tuple[int, Face]] = []
    for number, faces in enumerate(frames):
        free = set(range(len(faces)))
        for index, (seen, before) in enumerate(last):
            if number - seen > _MEMORY or not free:
                continue
            nearest = min(free, key=lambda which: _distance(faces[which], before))
            if _distance(faces[nearest], before) < _NEAR:
                free.discard(nearest)
                tracks[index][number] = nearest
                last[index] = (number, faces[nearest])
        for which in sorted(free):
            tracks.append({number: which})
            last.append((number, faces[which]))
    return [
        Person([track.get(number) for number in range(len(frames))], sum(_area(frames[number][which]) for number, which in track.items()))
        for track in tracks
    ]


def _distance(face: Face, other: Face) -> float:
    (left, top, right, bottom), (a, b, c, d) = face.box, other.box
    size = max(right - left, bottom - top, 1.0)
    return (((left + right - a - c) / 2) ** 2 + ((top + bottom - b - d) / 2) ** 2) ** 0.5 / size


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)
