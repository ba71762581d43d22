"""Several calibrated cameras around a head: a `transforms.json` beside the pictures -> what the fit needs.

The layout is that of NeRF and GaussianAvatars: `frames` with `file_path` and `transform_matrix` (camera to world, OpenGL axes), intrinsics
at the top or per frame (`camera_angle_x`, or `fl_x fl_y cx cy w h`), and per frame `timestep_index` and `camera_index`. Pictures with
alpha bring their own matte.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor

from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.errors import InputError
from emohead.head.base import HeadModel
from emohead.media import read_picture
from emohead.types import Camera, HeadMotion
from recon.fitting import FitData
from recon.hull_alignment import Alignment, align, carve_by_silhouettes
from recon.initialise import Layout, initial_avatar
from recon.landmark_head import landmark_points
from recon.landmarks import Face, FaceDetector, feature_boxes, mouth_is_shut, opened, stacked, steadied
from recon.matte import Segmenter, SelfieSegmenter
from recon.preprocess import resized
from recon.silhouette import carve_scalp
from recon.subject import project
from recon.targets import clean_plate, over_flat_background
from recon.tracking import FOR_AVATARS, track_footage
from recon.types import FaceLandmarks, Footage, FrameSet, TrackedSequence
from recon.visual_hull import LEAST_CAMERAS, carve, signed_distances, surface

Progress = Callable[[float, str], None]
"""Told the share done, 0..1, and what is going on."""

LAYOUT = "transforms.json"
_OPENGL_TO_OPENCV = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
_MAX_PICTURES = 1200
_SCALES = torch.linspace(0.7, 1.4, 141)
_AROUND = (-1.4, -0.9, -0.45, 0.45, 0.9, 1.4)
"""Turns of the whole person (rad) whose visible surface gets Gaussians, besides what the main camera sees."""
_FACING = 0.5
"""Yaw (rad) up to which a landmarker's answer is believed while the scale is sought."""
_LEAST_COVERED = 0.005
"""A matte that covers less of the picture, or leaves less of it, is no silhouette."""


@dataclass(frozen=True)
class MultiView:
    """Pictures by several cameras of one performance."""

    frames: FrameSet
    """All pictures; `index` is the time step of each."""
    camera_of: Int[Tensor, " T"]
    """Which camera took each picture."""
    cameras: Camera
    """The calibrated cameras, in the file's world."""
    landmarks: FaceLandmarks
    """Of every picture; NaN where no face was found."""


@dataclass(frozen=True)
class Placed:
    """A performance explained by a head model, with every camera in the head's world."""

    tracked: TrackedSequence
    """One frame per time step, seen by the camera that sees the face most."""
    cameras: Camera
    """All cameras."""
    scale: float
    """Units of the file's world per metre of the head's."""
    main: int
    """The camera that sees the face most."""
    notes: tuple[str, ...] = ()
    """What the user should know, one line each."""


def read_multiview(
    folder: Path,
    *,
    size: int = 512,
    detector: FaceDetector | None = None,
    segmenter: Segmenter | None = None,
    progress: Progress | None = None,
) -> MultiView:
    """Read the pictures and cameras of a folder.

    Args:
        folder: with `transforms.json`.
        size: largest side of the pictures, pixels.
        detector: finds faces; None takes MediaPipe's.
        segmenter: for pictures without alpha; None takes MediaPipe's.
        progress: told the share done.

    Raises:
        InputError: no or a damaged `transforms.json`, missing pictures, pictures of different sizes, too many of them.
    """
    layout, entries = read_layout(folder)
    steps = _numbered([entry.get("timestep_index", number) for number, entry in enumerate(entries)])
    cameras = _numbered([entry.get("camera_index", _pose_key(entry)) for entry in entries])
    images, mattes, faces, views = [], [], [], {}
    with opened(detector, most=1) as find:
        cut = None
        for number, entry in enumerate(entries):
            image, matte = _read_image(folder, entry, size)
            if matte is None:
                cut = cut or segmenter or SelfieSegmenter()
                matte = cut(image)
            images.append(image)
            mattes.append(matte)
            faces.append(next((steadied(image, face, find) for face in find(image)), None))
            views.setdefault(cameras[number], _camera(folder, layout, entry, image.shape[1], image.shape[0]))
            if progress:
                progress(number / len(entries), "reading pictures")
    if len({image.shape for image in images}) > 1:
        raise InputError(f"{folder}: pictures of different sizes; scale them all to one")
    order = sorted(range(len(entries)), key=lambda number: (steps[number], cameras[number]))
    frames = FrameSet(
        float(layout.get("fps", 25.0)),
        torch.stack([images[number] for number in order]),
        torch.stack([mattes[number] for number in order]),
        torch.tensor([steps[number] for number in order]),
        torch.zeros(len(order), dtype=torch.bool),
    )
    every = [views[number] for number in sorted(views)]
    together = Camera(torch.stack([view[0] for view in every]), torch.stack([view[1] for view in every]), *frames.images.shape[2:0:-1])
    chosen: list[Face | None] = [faces[number] for number in order]
    return MultiView(frames, torch.tensor([cameras[number] for number in order]), together, stacked(chosen))


def place(view: MultiView, head: HeadModel, *, progress: Progress | None = None) -> Placed:
    """Explain a performance: motion by the camera that sees the face most, the size of the world by the others.

    Where no face is found the silhouettes say where the head is (`place_by_silhouettes`); it is then still.

    Raises:
        InputError: no camera sees a face and there are too few silhouettes.
    """
    found, index = view.landmarks.found, view.frames.index
    seen = torch.bincount(view.camera_of[found], minlength=view.cameras.intrinsics.shape[0])
    if int(seen.max()) == 0:
        return place_by_silhouettes(view, head, progress=progress)
    main = int(seen.argmax())
    n_steps = int(index.max()) + 1
    own = found & (view.camera_of == main)
    points = torch.full((n_steps, *view.landmarks.points.shape[1:]), torch.nan)
    scores = torch.full((n_steps, view.landmarks.scores.shape[1]), torch.nan)
    points[index[own]], scores[index[own]] = view.landmarks.points[own], view.landmarks.scores[own]
    camera = _one(view.cameras, main)
    level = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    level[2, 3] = 0.6
    guess = replace(camera, world_to_camera=level[None])
    footage = Footage(view.frames, FaceLandmarks(points, scores), torch.zeros(n_steps, dtype=torch.bool), guess, ())
    tracked = track_footage(footage, head, config=FOR_AVATARS, progress=progress)
    between = view.cameras.world_to_camera @ torch.linalg.inv(camera.world_to_camera)  # main camera -> each camera

    def placed(scale: float) -> Camera:
        moved = between.clone()
        moved[:, :3, 3] /= scale
        return replace(view.cameras, world_to_camera=moved @ tracked.camera.world_to_camera)

    others = torch.nonzero(found & (view.camera_of != main) & own_steps(index, index[own]))[:, 0]
    scale = _best_scale(view, tracked, head, others, placed)
    return Placed(tracked, placed(scale), scale, main)


def place_by_silhouettes(view: MultiView, head: HeadModel, *, progress: Progress | None = None) -> Placed:
    """Put the mean head, at rest and still, where the silhouettes of one time step have a head; no face need be found.

    The step with most cameras is taken; where none has enough, the first picture of every camera, as of somebody who keeps still.

    Raises:
        InputError: fewer than `LEAST_CAMERAS` cameras have a silhouette, or these do not fit together.
    """
    tell = progress or (lambda share, text: None)
    chosen = _silhouettes(view)
    if len(chosen) < LEAST_CAMERAS:
        raise InputError(
            f"no face was found in any picture, and {len(chosen)} cameras with a silhouette are too few to place the head without one "
            f"(at least {LEAST_CAMERAS}); one camera must see the face from the front"
        )
    which = view.camera_of[chosen]
    cameras = replace(view.cameras, world_to_camera=view.cameras.world_to_camera[which], intrinsics=view.cameras.intrinsics[which])
    mattes = view.frames.mattes[chosen]
    tell(0.0, "carving the silhouettes")
    hull, distances = carve(mattes, cameras), signed_distances(mattes)
    tell(0.3, "placing the head in the silhouettes")
    found = align(head, hull, surface(hull, view.frames.images[chosen], cameras), distances, cameras)
    around = found.cameras_of_head(view.cameras)
    centres = torch.linalg.inv(around.world_to_camera)[:, :3, 3]
    main = int(torch.nn.functional.normalize(centres, dim=1)[:, 2].argmax())
    identity = carve_by_silhouettes(head, found, distances, cameras)
    n_steps, fps = int(view.frames.index.max()) + 1, view.frames.fps
    tracked = TrackedSequence(fps, _one(around, main), identity, HeadMotion.neutral(n_steps, fps), torch.ones(n_steps))
    return Placed(tracked, around, found.scale, main, _notes(found))


def _silhouettes(view: MultiView) -> list[int]:
    """One picture per camera with a silhouette, of one time step if enough cameras took it."""
    share = (view.frames.mattes >= 128).flatten(1).float().mean(1)
    usable = torch.nonzero((share > _LEAST_COVERED) & (share < 1 - _LEAST_COVERED))[:, 0].tolist()
    by_step: dict[int, dict[int, int]] = {}
    first: dict[int, int] = {}
    for number in usable:
        camera = int(view.camera_of[number])
        by_step.setdefault(int(view.frames.index[number]), {}).setdefault(camera, number)
        first.setdefault(camera, number)
    most = max(by_step.values(), key=len, default={})
    return list((most if len(most) >= LEAST_CAMERAS else first).values())


def _notes(found: Alignment) -> tuple[str, ...]:
    notes = ["no face was found: the head was placed by silhouettes, keeps still, and its shape and expressions are the generic head's"]
    if not found.is_sure:
        notes.append("silhouettes and colours hardly tell the face from the back of the head: look at the result")
    return tuple(notes)


def multiview_fit(
    view: MultiView, placed: Placed, head: HeadModel, *, background: Float[Tensor, "3"], generator: torch.Generator
) -> tuple[GaussianAvatar, Layout, FitData]:
    """First guess, limits and pictures for `recon.fitting.fit`.

    Args:
        view: what the cameras took.
        placed: `place(view, head)`.
        head: the same head model.
        background: RGB 0..1.
        generator: of the first guess.
    """
    known = view.landmarks.found
    if not bool(known.any()):
        known = placed.tracked.confidence[view.frames.index] > 0
    mine = torch.nonzero((view.camera_of == placed.main) & known)[:, 0]
    frames, index = view.frames, view.frames.index
    main = FrameSet(frames.fps, frames.images[mine], frames.mattes[mine], index[mine], frames.held_out[mine])
    tracked = placed.tracked.pick(main.index)
    carved = carve_scalp(head, tracked, main)
    tracked = replace(tracked, identity=carved)
    around = HeadMotion.neutral(len(_AROUND), frames.fps)
    around.torso_rotation[:, 1] = torch.tensor(_AROUND)
    avatar, layout = initial_avatar("avatar", head, tracked, main, background=background, generator=generator, also_seen=around)
    height, width = frames.images.shape[1:3]
    pairs = zip(view.landmarks.found.tolist(), view.landmarks.points, strict=True)
    regions = [feature_boxes(points, width, height) if found else () for found, points in pairs]
    images = torch.cat([_over(frames, view.camera_of == number, background) for number in range(len(placed.cameras.intrinsics))])
    order = torch.cat([torch.nonzero(view.camera_of == number)[:, 0] for number in range(len(placed.cameras.intrinsics))])
    images = images[torch.argsort(order)]
    motion = placed.tracked.pick(index).motion
    data = FitData(head, motion, images, frames.mattes, placed.cameras, view.camera_of, regions, frames.training)
    steps = torch.bincount(index, weights=mouth_is_shut(view.landmarks.points).float()) > 0  # told by any camera that sees the lips
    data = replace(data, mouth_is_shut=steps[index].tolist())
    return avatar, layout, data


def _over(frames: FrameSet, chosen: Bool[Tensor, " T"], background: Float[Tensor, "3"]) -> Tensor:
    """One camera's pictures over the flat background; each camera has a wall of its own."""
    part = FrameSet(frames.fps, frames.images[chosen], frames.mattes[chosen], frames.index[chosen], frames.held_out[chosen])
    return over_flat_background(part, clean_plate(part), background)


def own_steps(index: Int[Tensor, " T"], known: Int[Tensor, " n"]) -> Bool[Tensor, " T"]:
    """Pictures of time steps whose motion is known."""
    return torch.isin(index, known)


def _best_scale(view: MultiView, tracked: TrackedSequence, head: HeadModel, others: Tensor, placed: Callable[[float], Camera]) -> float:
    """The scale at which the other cameras see the tracked landmarks where they found them."""
    if len(others) == 0:
        return 1.0
    motion = tracked.pick(view.frames.index[others]).motion
    world = landmark_points(head)(tracked.identity, motion)
    turned = torch.stack([_yaw(motion, placed(1.0), int(view.camera_of[number]), row) for row, number in enumerate(others)])
    use = turned.abs() < _FACING if bool((turned.abs() < _FACING).any()) else torch.ones_like(turned, dtype=torch.bool)
    errors = []
    for scale in _SCALES.tolist():
        cameras, error = placed(scale), []
        for row in torch.nonzero(use)[:, 0].tolist():
            number = int(others[row])
            pixels = project(world[row : row + 1], _one(cameras, int(view.camera_of[number])))[0]
            error.append((pixels - view.landmarks.points[number]).norm(dim=1).median())
        errors.append(torch.stack(error).median())
    return float(_SCALES[int(torch.stack(errors).argmin())])


def _yaw(motion: HeadMotion, cameras: Camera, camera: int, row: int) -> Tensor:
    """How far the head is turned away from a camera, radians."""
    centre = torch.linalg.inv(cameras.world_to_camera[camera])[:3, 3]
    return torch.atan2(centre[0], centre[2]) - motion.head_rotation[row, 1]


def _one(cameras: Camera, index: int) -> Camera:
    part = slice(index, index + 1)
    return replace(cameras, world_to_camera=cameras.world_to_camera[part], intrinsics=cameras.intrinsics[part])


def read_layout(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What `transforms.json` of a folder says, and its frames; no picture is read.

    Raises:
        InputError: there is none, it is damaged, or it lists too many pictures.
    """
    path = folder / LAYOUT
    if not path.is_file():
        raise InputError(f"{folder}: no {LAYOUT} in it; several cameras need one beside their pictures")
    try:
        layout = json.loads(path.read_text(encoding="utf-8"))
        entries = layout["frames"]
        matrices = torch.tensor([entry["transform_matrix"] for entry in entries], dtype=torch.float64)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{path}: not a list of frames with file_path and transform_matrix ({type(error).__name__})") from None
    if not entries or matrices.shape[1:] != (4, 4) or not bool(torch.isfinite(matrices).all()):
        raise InputError(f"{path}: every transform_matrix must be 4x4 and finite, and there must be frames")
    if len(entries) > _MAX_PICTURES:
        raise InputError(f"{path}: {len(entries)} pictures are too many (limit {_MAX_PICTURES}); list fewer time steps")
    return layout, entries


def _read_image(folder: Path, entry: dict[str, Any], size: int) -> tuple[Tensor, Tensor | None]:
    name = str(entry.get("file_path", ""))
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(f"{folder}/{LAYOUT}: {name} lies outside the folder; name pictures inside it")
    if not path.is_file() and path.with_suffix(".png").is_file():
        path = path.with_suffix(".png")
    image = read_picture(path)
    with Image.open(path) as picture:
        alpha = torch.from_numpy(_bytes(picture)) if "A" in picture.getbands() else None
    side = min(size, max(image.shape[:2]))
    if image.shape[0] != image.shape[1]:
        raise InputError(f"{path}: {image.shape[1]}x{image.shape[0]} pixels; pictures of several cameras must be square")
    if alpha is not None:
        # What is transparent shows nothing: its colour must not leak in.
        alpha = resized(alpha[..., None].expand(-1, -1, 3).contiguous(), side)[..., 0]
    return resized(image, side), alpha


def _bytes(picture: Image.Image):
    import numpy as np

    return np.asarray(picture.getchannel("A")).copy()


def _camera(folder: Path, layout: dict[str, Any], entry: dict[str, Any], width: int, height: int) -> tuple[Tensor, Float[Tensor, "3 3"]]:
    about = {**layout, **entry}
    to_world = torch.tensor(entry["transform_matrix"], dtype=torch.float32)
    full = float(about.get("w", width))
    scale = width / full
    if "fl_x" in about:
        focal = float(about["fl_x"])
    elif "camera_angle_x" in about:
        focal = 0.5 * full / math.tan(0.5 * float(about["camera_angle_x"]))
    else:
        raise InputError(f"{folder}/{LAYOUT}: no focal length; give camera_angle_x, or fl_x and w")
    centre = float(about.get("cx", full / 2)), float(about.get("cy", float(about.get("h", full)) / 2))
    down = float(about.get("fl_y", focal))
    intrinsics = torch.tensor([[focal * scale, 0.0, centre[0] * scale], [0.0, down * scale, centre[1] * scale], [0.0, 0.0, 1.0]])
    return torch.linalg.inv(to_world @ _OPENGL_TO_OPENCV), intrinsics


def _pose_key(entry: dict[str, Any]) -> str:
    """Pictures without a camera number are of one camera if their poses agree."""
    return str([[round(float(value), 5) for value in row] for row in entry["transform_matrix"]])


def _numbered(keys: list[Any]) -> list[int]:
    """Keys as numbers from 0 in the order of the sorted keys."""
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys), key=lambda key: (isinstance(key, str), key)))}
    return [ranks[key] for key in keys]
