"""How good the shipped demo avatar is: on held-out frames of its capture, driven by landmarks alone, and seen by other cameras.

    python benchmarks/demo_avatar.py --capture ../shared/data/captures/mei --json demo_avatar.json --sheets FOLDER

The clip is tracked afresh with the avatar's identity and camera; no pixel of a held-out frame is used but through its landmarks.
The oracle copies, for every held-out frame, the training frame with the smallest squared error to it.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from emohead.avatar.emo_file import load_avatar, resolve_avatar
from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.channels import RIG_INDEX
from emohead.head.generic import GenericHead, load_generic
from emohead.metrics.image import psnr, ssim
from emohead.raster.base import Rasterizer
from emohead.raster.cpu import CpuRasterizer
from emohead.types import Camera, HeadMotion
from recon.capture import Capture, NovelView, read_capture, read_novel_views
from recon.landmark_head import landmark_points
from recon.landmarks import crop_box, detect_landmarks
from recon.targets import clean_plate, over_flat_background
from recon.tracking import track_motion
from recon.types import FaceLandmarks, TrackedSequence

Box = tuple[slice, slice]


@dataclass
class Scores:
    """Means over pictures."""

    full_psnr: list[float]
    full_ssim: list[float]
    face_psnr: list[float]
    face_ssim: list[float]

    @classmethod
    def empty(cls) -> "Scores":
        """Nothing measured yet."""
        return cls([], [], [], [])

    def add(self, drawn: torch.Tensor, truth: torch.Tensor, box: Box) -> None:
        """Compare one picture; the face is inside `box`."""
        drawn = drawn.clamp(0, 1)
        similarity = ssim(drawn, truth)
        self.full_psnr.append(float(psnr(drawn, truth)))
        self.full_ssim.append(float(similarity))
        self.face_psnr.append(float(psnr(drawn[box], truth[box])))
        self.face_ssim.append(float(ssim(drawn[box], truth[box])))

    def flat(self, prefix: str) -> dict[str, float]:
        """Means under flat keys."""
        names = ("full_psnr_db", "full_ssim", "face_psnr_db", "face_ssim")
        values = (self.full_psnr, self.full_ssim, self.face_psnr, self.face_ssim)
        return {f"{prefix}_{name}": round(sum(value) / len(value), 4) for name, value in zip(names, values, strict=True)}


@dataclass(frozen=True)
class Subject:
    """What is measured."""

    avatar: GaussianAvatar
    head: GenericHead
    rasterizer: Rasterizer
    capture: Capture
    landmarks: FaceLandmarks
    tracked: TrackedSequence
    images: torch.Tensor

    @torch.no_grad()
    def draw(self, motion: HeadMotion, camera: Camera | None = None) -> torch.Tensor:
        """The first frame of `motion`."""
        splats = self.avatar.pose(self.head(self.avatar.identity, motion), motion).frame(0)
        return self.rasterizer(splats, camera or self.avatar.camera, background=self.avatar.background).rgb[0]


def main() -> None:
    """Measure, print a table, write JSON and contact sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, required=True)
    parser.add_argument("--avatar", default="demo")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    start = time.perf_counter()
    subject = _prepare(arguments.capture, arguments.avatar, arguments.threads)
    figures: dict[str, float] = {"gaussians": subject.avatar.n_gaussians, "prepare_s": round(time.perf_counter() - start, 1)}
    figures["file_mb"] = round(resolve_avatar(arguments.avatar).stat().st_size / 1e6, 2)
    figures |= _held_out(subject, arguments.sheets)
    figures |= _novel_views(subject, arguments.capture, arguments.sheets)
    if arguments.sheets:
        _expressions(subject, arguments.sheets)
    print(_table(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def _prepare(folder: Path, name: str, threads: int) -> Subject:
    capture, avatar, head = read_capture(folder), load_avatar(name), load_generic()
    landmarks = detect_landmarks(capture.frames.images)
    tracked = track_motion(landmarks, landmark_points(head), fps=capture.frames.fps, camera=avatar.camera, identity=avatar.identity)
    images = over_flat_background(capture.frames, clean_plate(capture.frames), avatar.background)
    return Subject(avatar, head, CpuRasterizer(n_threads=threads), capture, landmarks, tracked, images)


def _held_out(subject: Subject, sheets: Path | None) -> dict[str, float]:
    frames = subject.capture.frames
    held_out = torch.nonzero(frames.held_out)[:, 0].tolist()
    height, width = subject.images.shape[1:3]
    small = torch.nn.functional.avg_pool2d(subject.images.float().permute(0, 3, 1, 2), 4)
    ours, oracle, pairs = Scores.empty(), Scores.empty(), []
    for frame in held_out:
        truth = subject.images[frame].float() / 255.0
        box = crop_box(subject.landmarks.points[frame], width, height)
        drawn = subject.draw(subject.tracked.motion.frames(frame, frame + 1))
        ours.add(drawn, truth, box)
        nearest = min(frames.training, key=lambda other: float((small[other] - small[frame]).square().mean()))
        oracle.add(subject.images[nearest].float() / 255.0, truth, box)
        pairs.append((truth, drawn, box))
    if sheets:
        chosen = pairs[:: max(1, len(pairs) // 8)][:8]
        _sheet([[truth for truth, _, _ in chosen], [drawn for _, drawn, _ in chosen]], sheets / "held_out.png", shrink=2)
        faces = [(_fixed_crop(truth, box), _fixed_crop(drawn, box)) for truth, drawn, box in chosen]
        _sheet([[truth for truth, _ in faces], [drawn for _, drawn in faces]], sheets / "held_out_faces.png")
    return {"held_out_frames": len(held_out)} | ours.flat("held_out") | oracle.flat("oracle")


def _novel_views(subject: Subject, folder: Path, sheets: Path | None) -> dict[str, float]:
    """Views by other cameras, as they are and after the one correction that a single fixed camera leaves open: the world's scale."""
    views = read_novel_views(folder)
    first = [view for view in views if view.frame == views[0].frame]
    scale = _best_scale(subject, first)
    raw, scaled, rows = Scores.empty(), Scores.empty(), {}
    for view in views:
        raw.add(*_novel_view(subject, view, 1.0))
        drawn, truth, box = _novel_view(subject, view, scale)
        scaled.add(drawn, truth, box)
        rows.setdefault(view.name.split("_")[0], []).append((truth, drawn))
    if sheets:
        lines = []
        for pairs in rows.values():
            lines += [[truth for truth, _ in pairs], [drawn for _, drawn in pairs]]
        _sheet(lines, sheets / "novel_views.png", shrink=2)
    return {"novel_views": len(views), "novel_scale": round(scale, 4)} | raw.flat("novel") | scaled.flat("novel_scaled")


def _novel_view(subject: Subject, view: NovelView, scale: float) -> tuple[torch.Tensor, torch.Tensor, Box]:
    """What the avatar shows to a camera, the truth, and the face's box."""
    filming = subject.capture.camera.world_to_camera[0]
    between = view.camera.world_to_camera[0] @ torch.linalg.inv(filming)
    between[:3, 3] /= scale
    camera = Camera(
        (between @ subject.avatar.camera.world_to_camera[0])[None], view.camera.intrinsics, view.camera.width, view.camera.height
    )
    motion = subject.tracked.motion.frames(view.frame, view.frame + 1)
    landmarks = subject.head.landmarks(subject.head(subject.avatar.identity, motion).vertices, "mediapipe478")[0]
    in_camera = landmarks @ camera.world_to_camera[0, :3, :3].T + camera.world_to_camera[0, :3, 3]
    pixels = in_camera[:, :2] / in_camera[:, 2:] * camera.intrinsics[0].diagonal()[:2] + camera.intrinsics[0, :2, 2]
    coverage = view.rgba[..., 3:]
    truth = view.rgba[..., :3] * coverage + subject.avatar.background * (1 - coverage)
    return subject.draw(motion, camera), truth, crop_box(pixels, camera.width, camera.height)


def _best_scale(subject: Subject, views: list[NovelView]) -> float:
    """The scale of the avatar's world about the filming camera that explains `views` best."""

    def error(scale: float) -> float:
        pairs = [_novel_view(subject, view, scale)[:2] for view in views]
        return sum(float((drawn - truth).square().mean()) for drawn, truth in pairs)

    coarse = min((0.85 + 0.02 * step for step in range(16)), key=error)
    return min((coarse + 0.004 * step for step in range(-4, 5)), key=error)


EXPRESSIONS: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.3},
    {"jawOpen": 0.8},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5},
    {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    {"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6, "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5, "jawOpen": 0.15},
    {"mouthFrownLeft": 0.8, "mouthFrownRight": 0.8, "browInnerUp": 0.8},
    {"mouthFunnel": 0.8, "jawOpen": 0.2},
    {"mouthPucker": 0.9},
    {"browDownLeft": 0.9, "browDownRight": 0.9, "noseSneerLeft": 0.6, "noseSneerRight": 0.6},
    {"browInnerUp": 0.9, "browOuterUpLeft": 0.9, "browOuterUpRight": 0.9, "eyeWideLeft": 0.8, "eyeWideRight": 0.8, "jawOpen": 0.4},
    {"mouthLowerDownLeft": 0.8, "mouthLowerDownRight": 0.8, "mouthStretchLeft": 0.7, "mouthStretchRight": 0.7},
    {"tongueOut": 0.9, "jawOpen": 0.4},
    {"eyeBlinkLeft": 1.0},
    {"jawOpen": 0.4, "mouthClose": 0.4},
)
"""Motions made by hand: what the rule engine and the sliders ask for."""


def _expressions(subject: Subject, sheets: Path) -> None:
    pictures = []
    for expression in EXPRESSIONS:
        motion = HeadMotion.neutral(1, 25.0)
        for name, value in expression.items():
            motion.rig[0, RIG_INDEX[name]] = value
        pictures.append(subject.draw(motion))
    _sheet([pictures[row : row + 8] for row in range(0, len(pictures), 8)], sheets / "expressions.png", shrink=2)
    poses = []
    for pitch, yaw, roll in ((0.0, 0.4, 0.0), (0.0, -0.4, 0.0), (0.25, 0.0, 0.0), (-0.25, 0.0, 0.0), (0.0, 0.0, 0.25), (0.1, 0.6, 0.0)):
        motion = HeadMotion.neutral(1, 25.0)
        motion.head_rotation[0] = torch.tensor([pitch, yaw, roll])
        poses.append(subject.draw(motion))
    for yaw, pitch in ((0.3, 0.0), (-0.3, 0.2)):
        motion = HeadMotion.neutral(1, 25.0)
        motion.gaze[0] = torch.tensor([yaw, pitch])
        poses.append(subject.draw(motion))
    _sheet([poses], sheets / "poses.png", shrink=2)


def _fixed_crop(picture: torch.Tensor, box: Box, size: int = 240) -> torch.Tensor:
    """A square of fixed size about the middle of a box."""
    middle = [(side.start + side.stop) // 2 for side in box]
    top, left = (max(0, min(length - size, centre - size // 2)) for centre, length in zip(middle, picture.shape, strict=False))
    return picture[top : top + size, left : left + size]


def _sheet(rows: list[list[torch.Tensor]], path: Path, *, shrink: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = torch.cat([torch.cat(row, 1) for row in rows], 0).clamp(0, 1)
    picture = torch.nn.functional.avg_pool2d(picture.permute(2, 0, 1)[None], shrink)[0].permute(1, 2, 0)
    Image.fromarray((picture * 255).round().to(torch.uint8).numpy()).save(path)


def _table(figures: dict[str, float]) -> str:
    lines = ["| | full frame PSNR dB | SSIM | face crop PSNR dB | SSIM |", "|---|--:|--:|--:|--:|"]
    names = {
        "held_out": "avatar, held-out frames, landmark-driven",
        "oracle": "oracle: nearest training frame",
        "novel": "avatar, novel views",
        "novel_scaled": "avatar, novel views, scale set on the first frame",
    }
    for prefix, name in names.items():
        cells = [figures[f"{prefix}_{key}"] for key in ("full_psnr_db", "full_ssim", "face_psnr_db", "face_ssim")]
        lines.append(f"| {name} | {cells[0]:.2f} | {cells[1]:.3f} | {cells[2]:.2f} | {cells[3]:.3f} |")
    return "\n".join([*lines, "", f"{figures['gaussians']} Gaussians, {figures['file_mb']} MB"])


if __name__ == "__main__":
    main()
