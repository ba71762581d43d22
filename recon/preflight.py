"""What to expect of a video or picture before the long run: a quick look at some of its frames, and advice on how to film better."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emohead.channels import RIG_INDEX
from emohead.media import PICTURE_SUFFIXES, VideoFrame, probe, read_picture, sample_video
from recon.cuts import find_cuts, thumbnail
from recon.landmarks import Face, FaceDetector, opened, stacked
from recon.people import Sightings, find_people, seconds_seen, taking_over
from recon.portraits import Portrait, Portraitist, sideways
from recon.preprocess import (
    BLURRED,
    BRIGHT,
    DARK,
    MIN_FACE,
    MIN_FOUND,
    MIN_FRAMES,
    MIN_RATE,
    face_crop,
    flaw_of_picture,
    look_of_picture,
    sharpness,
)

_SIDEWAYS_PER_TANGENT = 1.6
"""`sideways` over the tangent of the yaw: 1.47 to 2.3 on five tracked clips, where the two correlate .98 or better."""
_EXPRESSIONS = {
    "mouth_open": (("jawOpen",), 0.3, "an open mouth"),
    "smile": (("mouthSmileLeft", "mouthSmileRight"), 0.4, "a smile"),
    "brows_up": (("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), 0.35, "raised brows"),
    "blink": (("eyeBlinkLeft", "eyeBlinkRight"), 0.45, "shut eyes"),
    "pucker": (("mouthPucker", "mouthFunnel"), 0.4, "pursed lips"),
}
"""Rig channels whose highest score counts, the score from which the expression was seen, and its name."""
_ENOUGH_YAW, _GOOD_FACE, _GOOD_SECONDS = 20.0, 200.0, 10.0
_SECONDS_OF_ESTIMATES = 16.0
"""Length of the clip that the times in `recon.reconstruct` are of."""
_MANY_FACES = 3
_SUDDEN = 15.0
"""Least difference of two looks that makes a cut: between them, which are far apart, a head turns by more than from frame to frame."""


@dataclass(frozen=True)
class Preflight:
    """What a quick look tells."""

    facts: dict[str, Any]
    """Flat figures, units in the keys; angles are the subject's own left and right."""
    advice: tuple[str, ...]
    """What `emohead reconstruct` would refuse, then what would make a better avatar, one line each."""


@dataclass(frozen=True)
class _Look:
    time: float
    faces: list[Face]
    thumbnail: Tensor
    luminance: float
    sharpness: float
    portraits: list[Portrait | None]


def preflight(path: Path, *, detector: FaceDetector | None = None, most_frames: int = 120, most_seconds: float = 15.0) -> Preflight:
    """Look at evenly spaced frames of a video, or at one picture.

    Args:
        path: what would be given to `emohead reconstruct`.
        detector: finds faces; None takes MediaPipe's.
        most_frames: at most about this many frames are looked at.
        most_seconds: after so many seconds of work the rest of the video is not looked at.

    Raises:
        InputError: not a readable video or picture, or the face landmarker is not on the asset path.
        ResourceError: the `recon` extra is not installed.
    """
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return _of_picture(path, detector)
    info = probe(path)
    length = info.video_duration or info.duration
    deadline, looks, painter, flaws = time.monotonic() + most_seconds, [], Portraitist(), dict[str, None]()
    with opened(detector, most=_MANY_FACES) as find:
        for frame in sample_video(path, every=length / most_frames):
            looks.append(_look(frame, find, painter))
            flaws |= {frame.flaw: None} if frame.flaw else {}
            if time.monotonic() > deadline:
                break
    facts: dict[str, Any] = {"looked_at_frames": len(looks), "looked_at_until_s": round(looks[-1].time, 2)}
    refusals, hints = _film_advice(info.fps, info.n_frames or 0, length, looks)
    hints += [*flaws]
    cuts = find_cuts([look.thumbnail for look in looks], sudden=_SUDDEN)
    facts |= {"people_at_once": max(len(look.faces) for look in looks), "cuts_seen": len(cuts)}
    if cuts:
        hints.append(f"cuts near {', '.join(f'{looks[cut].time:.1f} s' for cut in cuts[:6])}: give one shot without cuts")
        refusals += _others(looks, cuts, painter)
    about_face, refused, advised = _face_facts(looks)
    facts |= {**about_face, **_minutes(length)}
    return Preflight(facts, (*refusals, *refused, *hints, *advised))


def _of_picture(path: Path, detector: FaceDetector | None) -> Preflight:
    with opened(detector, most=_MANY_FACES) as find:
        looks = [_look(VideoFrame(read_picture(path), 0.0, 0.0), find, None)]
    facts, refusals, _ = _face_facts(looks)
    chosen = {key: value for key, value in facts.items() if key.startswith(("face_", "yaw_"))}
    advice = (
        () if refusals else ("one picture: the far side, the inside of the mouth and all movement will be invented; a video is better",)
    )
    return Preflight({"people_at_once": len(looks[0].faces), **chosen}, (*refusals, *advice))


def _look(frame: VideoFrame, find: FaceDetector, painter: Portraitist | None) -> _Look:
    faces = sorted(find(frame.rgb), key=lambda face: -_height(face))
    if not faces:
        return _Look(frame.time, faces, thumbnail(frame.rgb), *look_of_picture(frame.rgb), [])
    crop = face_crop(frame.rgb, faces[0])
    portraits = [painter(frame.rgb, face) if painter else None for face in faces]
    return _Look(frame.time, faces, thumbnail(frame.rgb), float(crop.mean()), sharpness(crop), portraits)


def _others(looks: list[_Look], cuts: list[int], painter: Portraitist) -> list[str]:
    """Whether somebody else is seen after a cut."""
    seen = Sightings([look.faces for look in looks], [look.portraits for look in looks], cuts, painter.inside)
    rate = (len(looks) - 1) / looks[-1].time
    others = taking_over(find_people(seen), cuts, rate)
    who = "; ".join(f"person {number} at {seconds_seen(frames, rate)}" for number, frames in others[:3])
    return (
        [f"another person seems to be seen after a cut ({who}): choose with --face 1 or --face {others[0][0]}, or cut the clip"]
        if others
        else []
    )


def _height(face: Face) -> float:
    left, top, right, bottom = face.box
    return max(right - left, bottom - top)


def _film_advice(fps: float | None, n_frames: int, length: float, looks: list[_Look]) -> tuple[list[str], list[str]]:
    """What the film itself is refused for, and what would be better."""
    if len(looks) < MIN_FRAMES and n_frames < MIN_FRAMES:
        return ["a single picture, not a clip: give it as a .png or .jpg for an avatar from one picture"], []
    if fps is not None and fps < MIN_RATE:
        return [f"{fps:g} frames per second are too few to follow a face: film at 25 or more"], []
    return [], [f"only {length:.0f} s long: film {_GOOD_SECONDS:.0f} s or more"] if length < _GOOD_SECONDS else []


def _face_facts(looks: list[_Look]) -> tuple[dict[str, Any], list[str], list[str]]:
    """Figures of the largest face of each look, what is refused for it, and what would be better."""
    seen = [look for look in looks if look.faces]
    share = len(seen) / len(looks)
    facts: dict[str, Any] = {"face_found_share": round(share, 3)}
    if not seen:
        flaw = flaw_of_picture(_median([look.luminance for look in looks]), _median([look.sharpness for look in looks]))
        reason = f"the pictures are {flaw[0]}, {flaw[1]}" if flaw else "film one face from the front, in even light"
        return facts, [f"no face was found: {reason}"], []
    size = _median([_height(look.faces[0]) for look in seen])
    dark, bright = _share(seen, lambda look: look.luminance < DARK), _share(seen, lambda look: look.luminance > BRIGHT)
    blurred = _share(seen, lambda look: look.sharpness < BLURRED)
    facts |= {
        "face_size_px": round(size),
        "face_luminance_of_255": round(_median([look.luminance for look in seen]), 1),
        "face_sharpness": round(_median([look.sharpness for look in seen]), 1),
        "face_dark_share": dark,
        "face_overexposed_share": bright,
        "face_blurred_share": blurred,
    }
    refusals = []
    if share < MIN_FOUND:
        refusals.append(f"a face in only {share:.0%} of the frames: cut the clip to where the person is seen")
    if size < MIN_FACE:
        refusals.append(f"the face is only {size:.0f} pixels high: film closer, so that it has at least {MIN_FACE} (better 200)")
    moving, more = _movement_facts(seen)
    return {**facts, **moving}, refusals, _picture_hints(size, dark, bright, blurred, max(len(look.faces) for look in seen)) + more


def _picture_hints(size: float, dark: float, bright: float, blurred: float, people: int) -> list[str]:
    hints = []
    if MIN_FACE <= size < _GOOD_FACE:
        hints.append(f"the face is {size:.0f} pixels high: film closer, {_GOOD_FACE:.0f} or more are better")
    if dark > 0.05:
        hints.append(f"the face is dark in {dark:.0%} of the frames: more light from the front")
    if bright > 0.05:
        hints.append(f"the face is over-exposed in {bright:.0%} of the frames: less light")
    if blurred > 0.05:
        hints.append(f"the face is blurred in {blurred:.0%} of the frames: focus, more light, slower movements")
    if people > 1:
        hints.append(f"{people} people at once: the one seen most and largest is taken, --face 2 takes the next")
    return hints


def _movement_facts(seen: list[_Look]) -> tuple[dict[str, Any], list[str]]:
    landmarks = stacked([look.faces[0] for look in seen])
    yaw = torch.rad2deg(torch.atan(sideways(landmarks.points) / _SIDEWAYS_PER_TANGENT))
    left, right = max(0.0, float(yaw.amax())), max(0.0, -float(yaw.amin()))
    facts: dict[str, Any] = {"yaw_left_deg": round(left), "yaw_right_deg": round(right), "yaw_median_deg": round(float(yaw.median()))}
    hints = []
    if abs(float(yaw.median())) > 40.0:
        hints.append("the face is seen from the side only: the other half will be invented")
    for name, reach in (("left", left), ("right", right)):
        if reach < _ENOUGH_YAW:
            hints.append(f"turn the head {name}: nothing beyond {math.ceil(reach):.0f} degrees seen")
    missing = []
    for name, (channels, enough, request) in _EXPRESSIONS.items():
        peak = float(landmarks.scores[:, [RIG_INDEX[channel] for channel in channels]].mean(1).amax())
        facts |= {f"{name}_peak_score": round(peak, 2), f"{name}_seen": peak >= enough}
        if peak < enough:
            missing.append(request)
    if missing:
        hints.append(f"not seen, and so only guessed: {', '.join(missing)}; show them too")
    return facts, hints


def _minutes(length: float) -> dict[str, float]:
    """Minutes of two cores at each quality; reading and tracking take time in proportion to the length, the fit does not."""
    from recon.reconstruct import QUALITY, SECONDS_BEFORE, SECONDS_PER_STEP

    before = SECONDS_BEFORE * length / _SECONDS_OF_ESTIMATES
    return {f"estimate_{name}_minutes": round((before + steps * SECONDS_PER_STEP) / 60, 1) for name, steps in QUALITY.items()}


def _median(values: list[float]) -> float:
    return float(torch.tensor(values).median())


def _share(looks: list[_Look], holds: Callable[[_Look], bool]) -> float:
    return round(sum(1 for look in looks if holds(look)) / len(looks), 3)
