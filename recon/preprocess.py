"""Any common video -> `Footage`: upright, at a constant rate, cropped around one person, with landmarks of every frame.

The video is read twice, a frame at a time: once for faces, once for the pictures that are kept. Memory does not grow with its length.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from emohead.errors import InputError
from emohead.media import VideoFrame, probe, read_video
from emohead.types import Camera
from recon.cuts import find_cuts, thumbnail
from recon.heap import pictures_apart
from recon.in_order import in_order, side_by_side
from recon.landmarks import EYES, LIPS, Face, FaceDetector, opened, stacked, steadied
from recon.matte import Segmenter, SelfieSegmenter
from recon.people import Person, Sightings, choose_person, find_people
from recon.portraits import Portrait, Portraitist, sideways
from recon.types import FaceLandmarks, Footage, FrameSet

Progress = Callable[[float, str], None]
"""Told the share done, 0..1, and what is going on."""

MAX_RATE = 31.0
"""Frames per second; faster clips are thinned. Phones that say 30 film at a little more."""
MIN_RATE, MIN_FRAMES = 5.0, 2
MIN_FACE = 64
"""Pixels: side of the smallest face that can be reconstructed."""
MIN_FOUND = 0.2
"""Share of the frames that must show the face."""
MAX_HELD_OUT = 150
_MANY_FACES = 3
_FOCAL = 2.3
"""Focal length of a close-up in units of its side: a guess, for one still camera cannot tell it from a clip."""
_WIDE_FOCAL = 1.1
"""The least focal length in units of the full picture's longer side (a phone's wide lens)."""
_DISTANCE = 0.6
_CROP_FACES = 2.6
"""Side of the crop in faces: head and shoulders."""
DARK, BRIGHT, BLURRED = 25.0, 240.0, 12.0
"""Mean luminance (0..255) and mean squared Laplacian of a face below or above which a frame is not used."""
BLACK, SOFT = 10.0, 25.0
"""Mean luminance and mean squared Laplacian (at 128x128) of a picture without a face below which it is called black, or out of focus."""
_REMEDY = {"too dark": "film in more light", "over-exposed": "film in less light", "blurred": "focus, and move slowly"}
_PORTRAITS = 5.0
"""How often a second portraits are taken, to tell people apart."""
_SIDEWAYS = 0.75


@dataclass(frozen=True)
class FootageSettings:
    """How a clip is read."""

    size: int = 512
    """Largest side of the pictures, pixels."""
    hold_out: float = 0.1
    """The last share of the frames trains nothing and is scored; 0 for none."""
    face: int | None = None
    """Which person, 1 for the one seen most and largest; None chooses that one and says so."""
    max_pictures: int = 600
    """At most this many training pictures are kept, those that differ most."""


@dataclass(frozen=True)
class _Look:
    """What the first reading finds in one frame."""

    faces: list[Face]
    thumbnail: Float[Tensor, "18 32"]
    luminance: list[float]
    sharpness: list[float]
    portraits: list[Portrait | None]
    picture: tuple[float, float]
    """Luminance and sharpness of the whole picture, where no face is found."""


def read_footage(
    path: Path,
    *,
    settings: FootageSettings | None = None,
    detector: FaceDetector | None = None,
    segmenter: Segmenter | None = None,
    progress: Progress | None = None,
) -> Footage:
    """Read a clip of a person.

    Args:
        path: a video file.
        settings: size, split, person.
        detector: finds faces; None takes MediaPipe's.
        segmenter: tells the person from the background; None takes MediaPipe's.
        progress: told the share done.

    Raises:
        InputError: not a readable video, too few frames, no face, a face that is too small, too dark or hardly there.
    """
    with pictures_apart():
        return _read_footage(path, settings or FootageSettings(), detector, segmenter, progress)


def _read_footage(
    path: Path, settings: FootageSettings, detector: FaceDetector | None, segmenter: Segmenter | None, progress: Progress | None
) -> Footage:
    fps, expected = frame_rate(path)
    looks, shape, painter, flaws = [], (0, 0), Portraitist(), dict[str, None]()
    with opened(detector, most=_MANY_FACES) as find:

        def look(numbered: tuple[int, VideoFrame]) -> tuple[VideoFrame, _Look]:
            number, frame = numbered
            return frame, _look(frame.rgb, find, painter if number % max(1, round(fps / _PORTRAITS)) == 0 else None)

        for frame, seen in in_order(look, enumerate(read_video(path, fps=fps)), workers=side_by_side() if detector is None else 1):
            shape = (frame.rgb.shape[0], frame.rgb.shape[1])
            flaws |= {frame.flaw: None} if frame.flaw else {}
            looks.append(seen)
            if progress:
                progress(min(0.7, 0.7 * len(looks) / max(1, expected)), "finding the face")
    if len(looks) < MIN_FRAMES:
        raise InputError(f"{path}: a single picture, not a clip; give it as a .png or .jpg for an avatar from one picture")
    cuts = find_cuts([look.thumbnail for look in looks])
    sightings = Sightings([look.faces for look in looks], [look.portraits for look in looks], cuts, painter.inside)
    people = find_people(sightings)
    if not people:
        raise InputError(f"{path}: no face was found in any of {len(looks)} frames{_why_no_face(looks)}")
    person, notes = choose_person(people, sightings, face=settings.face, fps=fps, path=path)
    faces, reasons = _usable(person, looks)
    landmarks = stacked(faces)
    left_out = [f"{len(frames)} frames left out ({reason}): {_spans(frames)}" for reason, frames in reasons.items()]
    notes += [*flaws, *left_out, *_cut_notes(cuts, fps), *_check_faces(path, landmarks, reasons)]
    held_out = torch.arange(len(looks)) >= len(looks) - round(settings.hold_out * len(looks))
    if bool(held_out.any()) and not bool(landmarks.found[held_out].any()):
        notes.append(f"the last {settings.hold_out:.0%} of the clip, which are held out, do not show the person: nothing is scored")
    box, side = crop_around(landmarks, shape, settings.size)
    landmarks = FaceLandmarks((landmarks.points - torch.tensor(box[:2], dtype=torch.float32)) * (side / box[2]), landmarks.scores)
    chosen = _chosen(landmarks, held_out, settings.max_pictures)
    if progress:
        progress(0.7, "cutting out the person")
    frames = _pictures(path, fps, chosen, box, side, segmenter or SelfieSegmenter(), progress)
    frames = FrameSet(fps, *frames, chosen, held_out[chosen])
    return Footage(frames, landmarks, held_out, level_camera(box, side, shape), tuple(notes))


def frame_rate(path: Path) -> tuple[float, int]:
    """Frames per second that are read of a video, and about how many frames that makes; only the header is looked at.

    Raises:
        InputError: not a readable video, or too few frames per second.
    """
    info = probe(path)
    if info.video_codec is None:
        raise InputError(f"{path}: no moving pictures in it; give a video of a person")
    stored = info.fps or 25.0
    if stored < MIN_RATE:
        raise InputError(f"{path}: {stored:g} frames per second are too few to follow a face; film at 25 or more")
    fps = kept_rate(stored)
    return fps, round((info.video_duration or info.duration or 0.0) * fps)


def kept_rate(stored: float) -> float:
    """Frames per second that are read of a clip: all of them up to about 30, else every second, third, ... one."""
    return stored / math.ceil(stored / MAX_RATE)


def _look(image: UInt8[Tensor, "H W 3"], detector: FaceDetector, painter: Portraitist | None) -> _Look:
    faces = [steadied(image, face, detector) for face in detector(image)]
    crops = [face_crop(image, face) for face in faces]
    light, sharp = [float(crop.mean()) for crop in crops], [sharpness(crop) for crop in crops]
    fine = [flaw(*values) is None for values in zip(light, sharp, strict=True)]
    portraits = [painter(image, face) if painter and good else None for face, good in zip(faces, fine, strict=True)]
    return _Look(faces, thumbnail(image), light, sharp, portraits, (0.0, 0.0) if faces else look_of_picture(image))


def look_of_picture(image: UInt8[Tensor, "H W 3"]) -> tuple[float, float]:
    """Luminance and sharpness of a picture in which there is no face."""
    grey = image.float().mean(-1)
    return float(grey.mean()), sharpness(torch.nn.functional.interpolate(grey[None, None], (128, 128), mode="area")[0, 0])


def flaw(luminance: float, sharp: float) -> str | None:
    """Why a face cannot be used, None if it can."""
    if luminance < DARK:
        return "too dark"
    if luminance > BRIGHT:
        return "over-exposed"
    return "blurred" if sharp < BLURRED else None


def face_crop(image: UInt8[Tensor, "H W 3"], face: Face) -> Float[Tensor, "64 64"]:
    """A small grey picture of a face, 0..255; black where it is out of the picture."""
    left, top, right, bottom = (round(value) for value in face.box)
    crop = image[max(0, top) : max(1, bottom), max(0, left) : max(1, right)].float().mean(-1)
    if crop.numel() == 0:
        return crop.new_zeros(64, 64)
    return torch.nn.functional.interpolate(crop[None, None], (64, 64), mode="area")[0, 0]


def sharpness(crop: Tensor) -> float:
    laplacian = 4 * crop[1:-1, 1:-1] - crop[:-2, 1:-1] - crop[2:, 1:-1] - crop[1:-1, :-2] - crop[1:-1, 2:]
    return float(laplacian.square().mean())


def _why_no_face(looks: list[_Look]) -> str:
    values = torch.tensor([look.picture for look in looks]).median(0).values.tolist()
    reason = flaw_of_picture(*values)
    return f", they are {reason[0]}; {reason[1]}" if reason else "; give a clip that shows one face from the front"


def flaw_of_picture(luminance: float, sharp: float) -> tuple[str, str] | None:
    """What pictures are in which no face can be found, and what to do; None where nothing is wrong with them."""
    if luminance < BLACK:
        return "black", "check the camera and give more light"
    if luminance > BRIGHT:
        return "over-exposed", "give less light"
    return ("out of focus or empty", "focus the camera on one face, in even light") if sharp < SOFT else None


def _usable(person: Person, looks: list[_Look]) -> tuple[list[Face | None], dict[str, list[int]]]:
    """The person's face in each frame, None where it cannot be used, and the frames left out for each reason."""
    faces: list[Face | None] = []
    reasons: dict[str, list[int]] = {}
    for number, (which, look) in enumerate(zip(person.which, looks, strict=True)):
        if which is None:
            reason = "only other people" if look.faces else "no face"
        else:
            reason = flaw(look.luminance[which], look.sharpness[which])
        faces.append(look.faces[which] if which is not None and reason is None else None)
        if reason:
            reasons.setdefault(reason, []).append(number)
    return faces, reasons


def _spans(frames: list[int], *, most: int = 6) -> str:
    """Runs of frame numbers: 3-9, 40."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    words = [f"{first}-{last}" if last > first else str(first) for first, last in runs[:most]]
    return ", ".join(words) + (f" and {len(runs) - most} more stretches" if len(runs) > most else "")


def _cut_notes(cuts: list[int], fps: float) -> list[str]:
    if not cuts:
        return []
    count = "a cut" if len(cuts) == 1 else f"{len(cuts)} cuts"
    return [f"{count} found, at {', '.join(f'{cut / fps:.1f} s' for cut in cuts[:6])}; one shot without cuts gives a better avatar"]


def _check_faces(path: Path, landmarks: FaceLandmarks, reasons: dict[str, list[int]]) -> list[str]:
    """Refuse a face that is hardly there or too small; say what else there is to know."""
    share, notes = float(landmarks.found.float().mean()), []
    why = "; ".join(f"{reason} in {_spans(frames)}" for reason, frames in reasons.items())
    remedy = _REMEDY.get(max(reasons, key=lambda reason: len(reasons[reason]), default=""), "cut the clip to where the person is seen")
    if share == 0:
        raise InputError(f"{path}: no face that can be used in any of {len(landmarks.found)} frames ({why}); {remedy}")
    if share < MIN_FOUND:
        raise InputError(f"{path}: a face that can be used in only {share:.0%} of the frames ({why}); {remedy}")
    seen = landmarks.points[landmarks.found]
    size = float((seen.amax(1) - seen.amin(1)).amax(1).median())
    if size < MIN_FACE:
        raise InputError(f"{path}: the face is only {size:.0f} pixels high; film closer, so that it has at least {MIN_FACE} (better 200)")
    if float(sideways(seen).abs().median()) > _SIDEWAYS:
        notes.append("the face is seen from the side only; the other half will be invented")
    spread = (seen - seen.mean(1, keepdim=True)).std(0, correction=0).amax() / size
    if float(spread) < 0.004:
        notes.append("nothing moves: a still picture; expressions will be those of the generic head")
    return notes


def crop_around(landmarks: FaceLandmarks, shape: tuple[int, int], size: int) -> tuple[tuple[int, int, int], int]:
    """The square (left, top, side) around head and shoulders in all frames, and the side it is resized to."""
    height, width = shape
    seen = landmarks.points[landmarks.found]
    low, high = seen.amin(1), seen.amax(1)
    face = float((high - low).amax(1).median())
    lowest, highest = low.quantile(0.02, dim=0), high.quantile(0.98, dim=0)
    reach = float((highest - lowest).amax()) + 1.2 * face
    side = min(int(max(_CROP_FACES * face, reach)), height, width)
    if min(height, width) < 1.35 * side:
        side = min(height, width)
    side = max(16, side // 16 * 16)
    centre = (lowest + highest) / 2 + torch.tensor([0.0, 0.1 * face])
    left = int(max(0, min(width - side, round(float(centre[0]) - side / 2))))
    top = int(max(0, min(height - side, round(float(centre[1]) - side / 2))))
    return (left, top, side), min(side, size // 16 * 16)


def level_camera(box: tuple[int, int, int], side: int, shape: tuple[int, int]) -> Camera:
    """A level camera before the head; tracking finds its place. The focal length is a guess and stays one."""
    scale = side / box[2]
    focal = max(_FOCAL * box[2], _WIDE_FOCAL * max(shape)) * scale
    centre = [(shape[1] / 2 - box[0]) * scale, (shape[0] / 2 - box[1]) * scale]
    intrinsics = torch.tensor([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[2, 3] = _DISTANCE
    return Camera(world_to_camera[None], intrinsics[None], side, side)


def _chosen(landmarks: FaceLandmarks, held_out: Bool[Tensor, " T"], most: int) -> Tensor:
    """Which frames keep their picture: training ones that differ most, held-out ones at even distances."""
    training = torch.nonzero(~held_out & landmarks.found)[:, 0]
    scored = torch.nonzero(held_out & landmarks.found)[:, 0]
    if len(training) == 0:
        raise InputError("no face that can be used outside the held-out frames; give a longer clip or --hold-out 0")
    if len(training) > most:
        training = training[_farthest(landmarks.points[training][:, list(EYES + LIPS)].flatten(1), most)]
    if len(scored) > MAX_HELD_OUT:
        scored = scored[torch.linspace(0, len(scored) - 1, MAX_HELD_OUT).round().long()]
    return torch.cat([training, scored]).sort().values


def _farthest(features: Float[Tensor, "n d"], count: int) -> Tensor:
    """Greedy farthest-point sampling (Gonzalez 1985), from the first row."""
    chosen, distance = [0], (features - features[0]).square().sum(1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (features - features[chosen[-1]]).square().sum(1))
    return torch.tensor(chosen)


def _pictures(
    path: Path, fps: float, chosen: Tensor, box: tuple[int, int, int], side: int, segmenter: Segmenter, progress: Progress | None
) -> tuple[Tensor, Tensor]:
    images = torch.empty(len(chosen), side, side, 3, dtype=torch.uint8)
    mattes = torch.empty(len(chosen), side, side, dtype=torch.uint8)
    wanted: Iterator[int] = iter(chosen.tolist())
    next_wanted, count = next(wanted, None), 0
    for number, frame in enumerate(read_video(path, fps=fps)):
        if number != next_wanted:
            continue
        images[count] = resized(frame.rgb[box[1] : box[1] + box[2], box[0] : box[0] + box[2]], side)
        mattes[count] = segmenter(images[count])
        count, next_wanted = count + 1, next(wanted, None)
        if progress:
            progress(0.7 + 0.3 * count / len(chosen), "cutting out the person")
        if next_wanted is None:
            break
    return images, mattes


def resized(image: UInt8[Tensor, "h w 3"], side: int) -> UInt8[Tensor, "H W 3"]:
    if image.shape[0] == side:
        return image
    planes = image.float().permute(2, 0, 1)[None]
    return (
        torch.nn.functional.interpolate(planes, (side, side), mode="bilinear", antialias=True)[0].permute(1, 2, 0).round().to(torch.uint8)
    )
