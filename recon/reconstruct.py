"""From a video of a person to an avatar file: read, track, fit, score. Every finished part is kept, so a stopped run goes on."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.avatar import EmoRecord, GaussianAvatar, encode_thumbnail, topology_digest, write_emo
from emohead.consent import Consent
from emohead.errors import InputError
from emohead.head.base import HeadModel
from emohead.media import PICTURE_SUFFIXES, read_picture
from emohead.output import check_target, write_text
from emohead.raster.base import Rasterizer
from emohead.types import HeadMotion
from recon.calibration import Calibration
from recon.contact_sheet import to_bytes
from recon.extra_losses import ExtraLosses, perceptual_note
from recon.eyes import refine_eyes
from recon.fitting import FitConfig, FitData, Fitted, fit
from recon.footage_file import load_footage, save_footage
from recon.initialise import initial_avatar
from recon.landmark_head import landmark_points
from recon.landmarks import feature_boxes, mouth_is_shut
from recon.loose_parts import with_loose_parts
from recon.preprocess import FootageSettings, frame_rate, read_footage
from recon.silhouette import carve_scalp
from recon.targets import clean_plate, over_flat_background
from recon.track_export import load_track, save_track
from recon.tracking import FOR_AVATARS, track_footage, track_motion
from recon.types import Footage, TrackedSequence

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]
"""Told the share done, 0..1, and what is going on."""

QUALITY: dict[str, int] = {"draft": 1700, "standard": 7000, "high": 20000}
"""Training steps. Fixed numbers, not minutes, so that one seed gives one result."""
SECONDS_PER_STEP = 0.075
SECONDS_BEFORE = 45.0
"""Of two cores, for a clip of 16 s: what `--help` and the estimates say."""
_VALIDATION, _MOST_VALIDATION, _VALIDATION_FROM = 0.03, 12, 0.6
"""Share and number of the training pictures that tell when to stop, and where in the clip they begin."""
_SHARES = {"footage": 0.12, "track": 0.1}


@dataclass(frozen=True)
class ReconstructConfig:
    """Settings of a reconstruction."""

    quality: str = "standard"
    """A name of `QUALITY`."""
    steps: int | None = None
    """Training steps instead of the quality's."""
    size: int = 512
    """Largest side of the pictures, pixels."""
    hold_out: float = 0.1
    """The last share of the frames trains nothing and is scored; 0 for none."""
    face: int | None = None
    """Which of several people, 1 for the one seen most and largest."""
    background: tuple[float, float, float] = (0.8, 0.8, 0.79)
    """The flat colour behind the avatar, RGB 0..1."""
    seed: int = 0
    """One seed gives one result."""
    extra: ExtraLosses = field(default_factory=ExtraLosses)
    """Further losses of the fit."""
    views: str | None = None
    """For one picture: a folder of further pictures of the person, or a diffusers pipeline (`recon.view_generator.open_views`)."""

    @property
    def n_steps(self) -> int:
        """Training steps."""
        if self.quality not in QUALITY:
            raise InputError(f"--quality {self.quality}: give {', '.join(QUALITY)}")
        return QUALITY[self.quality] if self.steps is None else self.steps


@dataclass(frozen=True)
class Prepared:
    """A clip that is ready to be fitted."""

    footage: Footage
    """Pictures and landmarks."""
    tracked: TrackedSequence
    """Who, what and from where, every frame."""

    @property
    def pictures(self) -> TrackedSequence:
        """The track at the frames that have a picture."""
        return self.tracked.pick(self.footage.frames.index)


@dataclass(frozen=True)
class Reconstruction:
    """What a reconstruction gives."""

    avatar: GaussianAvatar
    """The avatar."""
    calibration: Calibration
    """What its pictures taught the tracker."""
    prepared: Prepared | None
    """The clip it was made from; None for one picture."""
    figures: dict[str, Any]
    """Scores of held-out frames and seconds of each stage, flat, units in the keys."""
    notes: tuple[str, ...]
    """What the user should know, one line each."""


def reconstruct(
    video: Path,
    out: Path,
    head: HeadModel,
    rasterizer: Rasterizer,
    consent: Consent,
    *,
    config: ReconstructConfig | None = None,
    resume: bool = False,
    preview: Path | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Progress | None = None,
) -> Reconstruction:
    """Make the avatar of the person in a video, or in one picture, and write it.

    Args:
        video: a clip of one person; a .png, .jpg or .webp is taken as one picture,
            a folder with transforms.json as several calibrated cameras.
        out: the .emo file.
        head: the head model the avatar will ride on.
        rasterizer: draws while fitting; differentiable.
        consent: of the person.
        config: settings.
        resume: go on from what a stopped run of the same settings left in `out`.work.
        preview: PNG of training pictures over renders, rewritten at every checkpoint.
        checkpoint_seconds: how often the fit is saved.
        progress: told the share done.

    Raises:
        InputError: what `read_footage` refuses, or an output that cannot be written.
    """
    config = config or ReconstructConfig()
    check_target(out)
    check_request(video, config)
    if video.suffix.lower() in PICTURE_SUFFIXES:
        return _from_picture(video, out, head, rasterizer, consent, config, progress)
    if video.is_dir():
        return _from_cameras(video, out, head, rasterizer, consent, config, progress)
    work = _work_folder(video, out, head, config, resume=resume)
    tell = progress or (lambda share, text: None)
    seconds: dict[str, float] = {}
    try:
        prepared = prepare(video, work, head, config, seconds=seconds, progress=tell)
    except InputError:
        shutil.rmtree(work)
        raise
    started = time.monotonic()
    saved = work / "fit.safetensors"
    fitted = _fitted(prepared, head, rasterizer, config, _Keeping(saved, checkpoint_seconds, preview), tell)
    seconds["fit_s"] = time.monotonic() - started
    tell(0.97, "scoring held-out frames")
    figures = {**_scores(prepared, fitted, head, rasterizer), **{name: round(value, 1) for name, value in seconds.items()}}
    notes = (*prepared.footage.notes, *_left_out(config))
    settings = {"video": str(video), **asdict(config), "steps": config.n_steps, **figures, "notes": list(notes)}
    _write(fitted, out, head, rasterizer, consent, settings)
    shutil.rmtree(work)
    return Reconstruction(fitted.avatar, fitted.calibration, prepared, figures, notes)


def check_request(video: Path, config: ReconstructConfig) -> None:
    """Refuse at once what can be known without decoding a video or loading a network.

    Raises:
        InputError: settings that do not go together, no such video or picture, views that are not there.
        ResourceError: views need a package that is not installed.
    """
    config.extra.check()
    picture = video.suffix.lower() in PICTURE_SUFFIXES
    if config.views and not picture:
        raise InputError(f"--views {config.views}: views are added to one picture (.png, .jpg); {video} is none, leave --views out")
    if config.views:
        from recon.view_generator import check_views

        check_views(config.views)
    if picture:
        read_picture(video)
    elif video.is_dir():
        from recon.multiview import read_layout

        read_layout(video)
    else:
        frame_rate(video)


def _from_picture(
    picture: Path,
    out: Path,
    head: HeadModel,
    rasterizer: Rasterizer,
    consent: Consent,
    config: ReconstructConfig,
    progress: Progress | None,
) -> Reconstruction:
    from recon.single_image import STEPS, reconstruct_picture
    from recon.view_generator import open_views

    started, steps = time.monotonic(), config.steps or STEPS
    avatar, notes = reconstruct_picture(
        read_picture(picture),
        head,
        rasterizer,
        name=str(picture),
        views=open_views(config.views) if config.views else None,
        background=config.background,
        size=config.size,
        steps=steps,
        extra=config.extra,
        seed=config.seed,
        progress=progress,
    )
    figures: dict[str, Any] = {"fit_s": round(time.monotonic() - started, 1)}
    fitted = Fitted(avatar, Calibration.none(), steps)
    settings = {"picture": str(picture), **asdict(config), "steps": steps, **figures, "notes": list(notes)}
    _write(fitted, out, head, rasterizer, replace(consent, record={**consent.record, "made_from": notes[0]}), settings)
    return Reconstruction(avatar, fitted.calibration, None, figures, notes)


def _from_cameras(
    folder: Path, out: Path, head: HeadModel, rasterizer: Rasterizer, consent: Consent, config: ReconstructConfig, progress: Progress | None
) -> Reconstruction:
    from recon.multiview import multiview_fit, place, read_multiview

    tell, started = progress or (lambda share, text: None), time.monotonic()
    before = sum(_SHARES.values())
    view = read_multiview(folder, size=config.size, progress=_within(tell, 0.0, _SHARES["footage"]))
    placed = place(view, head, progress=_within(tell, _SHARES["footage"], before))
    generator, background = torch.Generator().manual_seed(config.seed), torch.tensor(config.background)
    avatar, layout, data = multiview_fit(view, placed, head, background=background, generator=generator)

    def report(step: int, loss: float) -> None:
        tell(before + (1 - before) * step / config.n_steps, f"fitting, step {step} of {config.n_steps}, loss {loss:.4f}")

    fitted = fit(
        avatar, layout, data, rasterizer, config=FitConfig(steps=config.n_steps, seed=config.seed, extra=config.extra), report=report
    )
    cameras = len(view.cameras.intrinsics)
    figures: dict[str, Any] = {"cameras": cameras, "world_units_per_m": placed.scale, "total_s": round(time.monotonic() - started, 1)}
    unscored = f"{cameras} cameras, {view.frames.n_frames} pictures; nothing was held out, measure it with emohead evaluate recon"
    notes = (unscored, *placed.notes, *_left_out(config))
    settings = {"folder": str(folder), **asdict(config), "steps": config.n_steps, **figures, "notes": list(notes)}
    _write(fitted, out, head, rasterizer, consent, settings)
    return Reconstruction(fitted.avatar, fitted.calibration, None, figures, notes)


def _left_out(config: ReconstructConfig) -> tuple[str, ...]:
    note = perceptual_note(config.extra)
    return (note,) if note else ()


def _write(fitted: Fitted, out: Path, head: HeadModel, rasterizer: Rasterizer, consent: Consent, settings: dict[str, Any]) -> None:
    """The avatar file and, beside it, how it was made."""
    picture = draw(fitted.avatar, head, rasterizer, HeadMotion.neutral(1, 25.0))
    topology, thumbnail = topology_digest(head.triangles), encode_thumbnail(picture)
    record = EmoRecord(consent.licence, consent.record, topology, thumbnail, fitted.calibration.weights)
    write_emo(out, replace(fitted.avatar, name=out.stem), record)
    write_text(out.with_name(out.name + ".json"), json.dumps(settings, indent=1) + "\n")


def prepare(
    video: Path,
    work: Path,
    head: HeadModel,
    config: ReconstructConfig,
    *,
    seconds: dict[str, float] | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """The first half: pictures and landmarks, identity, camera, motion and gaze. What `work` already has is not made again."""
    tell, seconds = progress or (lambda share, text: None), {} if seconds is None else seconds
    started, path = time.monotonic(), work / "footage.safetensors"
    if not path.is_file():
        settings = FootageSettings(size=config.size, hold_out=config.hold_out, face=config.face)
        save_footage(path, read_footage(video, settings=settings, progress=_within(tell, 0.0, _SHARES["footage"])))
    footage = load_footage(path)
    seconds["footage_s"] = time.monotonic() - started
    started, path = time.monotonic(), work / "track.safetensors"
    if not path.is_file():
        save_track(path, follow(footage, head, progress=_within(tell, _SHARES["footage"], sum(_SHARES.values()))), head)
    tracked = load_track(path, head)
    seconds["track_s"] = time.monotonic() - started
    return Prepared(footage, tracked)


def follow(footage: Footage, head: HeadModel, *, progress: Progress | None = None) -> TrackedSequence:
    """Identity with a carved scalp, camera, motion and gaze of a clip; of held-out frames only the landmarks are used."""
    tracked, frames = track_footage(footage, head, config=FOR_AVATARS, progress=progress), footage.frames
    carved = carve_scalp(head, tracked.pick(frames.index), frames)
    points, training = landmark_points(head), ~footage.held_out
    tracked = track_motion(
        footage.landmarks, points, fps=tracked.fps, camera=tracked.camera, identity=carved, training=training, config=FOR_AVATARS
    )
    pictures = (frames.images[picture] for picture in frames.training)
    seen = frames.index[torch.tensor(frames.training)]
    return refine_eyes(pictures, footage.landmarks, tracked, points, index=seen)


def fit_data(prepared: Prepared, head: HeadModel, background: Float[Tensor, "3"]) -> FitData:
    """What the fit looks at."""
    frames, tracked = prepared.footage.frames, prepared.pictures
    height, width = frames.images.shape[1:3]
    points = prepared.footage.landmarks.points[frames.index]
    regions = [feature_boxes(face, width, height) for face in points]
    images = over_flat_background(frames, clean_plate(frames), background)
    which = torch.zeros(frames.n_frames, dtype=torch.long)
    training, validation = _split(frames.training)
    shut = mouth_is_shut(points).tolist()
    return FitData(head, tracked.motion, images, frames.mattes, tracked.camera, which, regions, training, validation, shut)


def _split(pictures: list[int]) -> tuple[list[int], list[int]]:
    """Pictures that train, and a short run in the middle of the clip that tells when to stop."""
    count = min(_MOST_VALIDATION, round(_VALIDATION * len(pictures)))
    start = round(_VALIDATION_FROM * len(pictures))
    return pictures[:start] + pictures[start + count :], pictures[start : start + count]


@dataclass(frozen=True)
class _Keeping:
    """What is written while a fit runs."""

    checkpoint: Path
    seconds: float
    preview: Path | None


def _fitted(
    prepared: Prepared, head: HeadModel, rasterizer: Rasterizer, config: ReconstructConfig, keeping: _Keeping, tell: Progress
) -> Fitted:
    background = torch.tensor(config.background)
    data = fit_data(prepared, head, background)
    generator = torch.Generator().manual_seed(config.seed)
    pictures, frames = prepared.pictures, prepared.footage.frames
    avatar, layout = initial_avatar("avatar", head, pictures, frames, background=background, generator=generator)
    avatar, layout = with_loose_parts(avatar, layout, head, pictures, frames, generator=generator)
    before = sum(_SHARES.values())

    def watch(state: Fitted) -> None:
        if keeping.preview:
            save_preview(state, head, rasterizer, data, keeping.preview)

    def report(step: int, loss: float) -> None:
        tell(before + (0.97 - before) * step / config.n_steps, f"fitting, step {step} of {config.n_steps}, loss {loss:.4f}")

    fit_config = FitConfig(steps=config.n_steps, seed=config.seed, extra=config.extra, checkpoint_seconds=keeping.seconds)
    return fit(avatar, layout, data, rasterizer, config=fit_config, checkpoint=keeping.checkpoint, watch=watch, report=report)


def save_preview(state: Fitted, head: HeadModel, rasterizer: Rasterizer, data: FitData, path: Path) -> None:
    """Eight training pictures above the avatar doing the same."""
    from PIL import Image

    from emohead.output import whole_file

    chosen = data.training[:: max(1, len(data.training) // 8)][:8]
    drawn = [draw(state.avatar, head, rasterizer, state.calibration(data.motion.frames(frame, frame + 1))) for frame in chosen]
    rows = torch.cat([torch.cat([data.images[frame] for frame in chosen], 1), torch.cat([to_bytes(picture) for picture in drawn], 1)], 0)
    with whole_file(path) as partial:
        Image.fromarray(rows[::2, ::2].numpy()).save(partial)


@torch.no_grad()
def draw(avatar: GaussianAvatar, head: HeadModel, rasterizer: Rasterizer, motion: HeadMotion) -> Float[Tensor, "H W 3"]:
    """The first frame of `motion` by the avatar's own camera."""
    splats = avatar.pose(head(avatar.identity, motion), motion).frame(0)
    return rasterizer(splats, avatar.camera, background=avatar.background).rgb[0]


def _scores(prepared: Prepared, fitted: Fitted, head: HeadModel, rasterizer: Rasterizer) -> dict[str, Any]:
    """PSNR and SSIM of the held-out pictures, driven by their landmarks."""
    from recon.landmarks import crop_box
    from recon.scores import mean_scores, score_picture

    frames, data = prepared.footage.frames, fit_data(prepared, head, fitted.avatar.background)
    height, width = frames.images.shape[1:3]
    scores = []
    for picture in torch.nonzero(frames.held_out)[:, 0].tolist():
        motion = fitted.calibration(data.motion.frames(picture, picture + 1))
        frame = int(frames.index[picture])
        face = crop_box(prepared.footage.landmarks.points[frame], width, height)
        drawn = draw(fitted.avatar, head, rasterizer, motion)
        scores.append(score_picture(drawn, data.images[picture].float() / 255.0, face, frame=frame, perceptual=[]))
    return dict(mean_scores(scores, "held_out", networks=())) if scores else {}


def _work_folder(video: Path, out: Path, head: HeadModel, config: ReconstructConfig, *, resume: bool) -> Path:
    """The folder beside the output where finished parts are kept; emptied unless it may go on with the same source and settings."""
    if not video.is_file():
        raise InputError(f"{video}: no such file; give a video of a person")
    status = video.stat()
    source = [str(video.resolve()), status.st_size, status.st_mtime_ns, head.name, asdict(config)]
    key = hashlib.sha256(json.dumps(source).encode()).hexdigest()
    work = out.with_name(out.name + ".work")
    if resume and work.is_dir():
        if not (work / "key").is_file() or (work / "key").read_text() != key:
            raise InputError(f"{work}: left by a run of another video or other settings; give those again, or leave --resume out")
        return work
    if work.exists():
        shutil.rmtree(work)
    work.mkdir()
    write_text(work / "key", key)
    return work


def _within(tell: Progress, start: float, stop: float) -> Progress:
    return lambda share, text: tell(start + (stop - start) * share, text)
