"""An avatar seen by cameras that filmed nothing it was made from: as it is, and after the one correction a single camera leaves open.

One fixed camera cannot tell a small head nearby from a large one far away. So the views are scored twice: raw, and with the avatar's
world scaled about the filming camera by the one number that fits the first frame's views best.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from emohead.errors import InputError
from emohead.types import Camera, HeadMotion
from recon.capture import NovelView, read_capture_camera, read_novel_views
from recon.contact_sheet import Picture, to_bytes
from recon.landmarks import crop_box
from recon.scores import Figures, PictureScore, mean_scores, score_picture
from recon.splits import Progress
from recon.subject import Subject, project
from recon.types import TrackedSequence


@dataclass(frozen=True)
class NovelScores:
    """What other cameras see."""

    figures: Figures
    """Flat keys with units."""
    rows: tuple[tuple[tuple[Picture, Picture], ...], ...]
    """One row per camera of (truth, avatar at the best scale)."""


def score_novel_views(subject: Subject, tracked: TrackedSequence, folder: Path, *, progress: Progress | None = None) -> NovelScores:
    """Score an avatar on the views of a capture folder.

    Args:
        subject: the avatar.
        tracked: the motion of the capture's clip, every frame.
        folder: with `capture.json` (the filming camera) and `novel.json`.
        progress: told the share done.

    Raises:
        InputError: files are missing, or a view shows a frame that the clip does not have.
    """
    views, filming = read_novel_views(folder), read_capture_camera(folder)
    beyond = [view.frame for view in views if view.frame >= tracked.motion.n_frames]
    if not views or beyond:
        raise InputError(f"{folder}/novel.json does not belong to this clip: it has no views, or views of frames the clip does not have")

    def seen(view: NovelView, scale: float) -> tuple[torch.Tensor, torch.Tensor, Camera]:
        camera = _camera(subject, view, filming, scale)
        drawn = subject.draw(_motion(subject, tracked, view), camera)
        coverage = view.rgba[..., 3:]
        return drawn, view.rgba[..., :3] * coverage + subject.renderer.avatar.background.cpu() * (1 - coverage), camera

    def error(scale: float) -> float:
        pairs = [seen(view, scale)[:2] for view in views if view.frame == views[0].frame]
        return sum(float((drawn - truth).square().mean()) for drawn, truth in pairs)

    scale = _least(error)
    raw, scaled, rows = [], [], {}
    for count, view in enumerate(views):
        if progress:
            progress(count / len(views), "drawing other cameras' views")
        raw.append(_score(subject, tracked, view, *seen(view, 1.0)))
        drawn, truth, camera = seen(view, scale)
        scaled.append(_score(subject, tracked, view, drawn, truth, camera))
        rows.setdefault(view.name.split("_")[0], []).append((to_bytes(truth), to_bytes(drawn)))
    figures: Figures = {"novel_scale": round(scale, 4)} | mean_scores(raw, "novel") | mean_scores(scaled, "novel_scaled")
    return NovelScores(figures, tuple(tuple(row) for row in rows.values()))


def _motion(subject: Subject, tracked: TrackedSequence, view: NovelView) -> HeadMotion:
    return subject.corrected(tracked.motion.frames(view.frame, view.frame + 1))


def _camera(subject: Subject, view: NovelView, filming: Camera, scale: float) -> Camera:
    """The view's camera in the avatar's world, which hangs on its own idea of the filming camera."""
    between = view.camera.world_to_camera[0] @ torch.linalg.inv(filming.world_to_camera[0])
    between[:3, 3] /= scale
    own = subject.renderer.avatar.camera.world_to_camera[0].cpu()
    return Camera((between @ own)[None], view.camera.intrinsics, view.camera.width, view.camera.height)


def _score(
    subject: Subject, tracked: TrackedSequence, view: NovelView, drawn: torch.Tensor, truth: torch.Tensor, camera: Camera
) -> PictureScore:
    landmarks = subject.landmarks(subject.renderer.avatar.identity, _motion(subject, tracked, view))
    box = crop_box(project(landmarks, camera)[0], camera.width, camera.height)
    return score_picture(drawn, truth, box, frame=view.frame)


def _least(error: Callable[[float], float]) -> float:
    """The scale of least error from .85 to 1.15 in steps of .004."""
    coarse = min((0.85 + 0.02 * step for step in range(16)), key=error)
    return min((coarse + 0.004 * step for step in range(-4, 5)), key=error)
