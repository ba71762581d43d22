"""Build the demo avatar from a capture of a synthetic person: landmarks, tracking, fit, `.emo` file. One command, one seed.

    python tools/build_demo_avatar.py --capture ../shared/data/captures/mei -o emohead/assets/demo.emo

needs the `recon` extra and the face landmarker in `EMOHEAD_ASSETS`. The last tenth of the clip trains nothing.
"""

import argparse
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from emohead.avatar.emo_file import EmoRecord, encode_thumbnail, topology_digest, write_emo
from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.head.generic import GenericHead, load_generic
from emohead.raster.base import Rasterizer
from emohead.raster.cpu import CpuRasterizer
from emohead.types import HeadMotion
from recon.capture import Capture, read_capture
from recon.fitting import FitConfig, FitData, fit
from recon.initialise import initial_avatar
from recon.landmark_head import landmark_points
from recon.landmarks import detect_landmarks, feature_boxes
from recon.silhouette import carve_scalp
from recon.targets import clean_plate, over_flat_background
from recon.tracking import smooth_offset_basis, track, track_motion
from recon.types import FaceLandmarks, TrackedSequence

STEPS_PER_MINUTE = 750
"""Fit steps that an idle 2-core machine does in a minute; `--minutes` is turned into steps so that one seed gives one result."""
BACKGROUND = (0.80, 0.80, 0.79)
"""The flat colour behind the avatar."""
CONSENT = {
    "who": "Mei, a synthetic person",
    "scope": "any use: this person does not exist (MakeHuman CC0 assets rendered with Blender Cycles)",
    "date": "2026-11-21",
    "statement": "synthetic person, CC0",
}


@dataclass(frozen=True)
class Tracked:
    """A capture after the first half of the work."""

    capture: Capture
    """Pictures."""
    landmarks: FaceLandmarks
    """Of every frame."""
    sequence: TrackedSequence
    """Identity, camera, motion."""


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, required=True, help="capture folder")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".emo file to write")
    parser.add_argument("--minutes", type=float, default=10.0, help=f"length of the fit, {STEPS_PER_MINUTE} steps a minute")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="threads of the rasterizer")
    parser.add_argument("--checkpoint", type=Path, help="file of the running fit; a repeated command goes on from it")
    parser.add_argument("--preview", type=Path, help="PNG of a few training frames, rewritten at every checkpoint")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    start = time.perf_counter()
    head, rasterizer = load_generic(), CpuRasterizer(n_threads=arguments.threads)
    tracked = track_capture(arguments.capture, head)
    print(f"tracked after {time.perf_counter() - start:.0f} s; mean confidence {float(tracked.sequence.confidence.mean()):.3f}")
    config = FitConfig(steps=round(arguments.minutes * STEPS_PER_MINUTE), seed=arguments.seed)
    avatar = fit_capture(tracked, head, rasterizer, config, checkpoint=arguments.checkpoint, preview=arguments.preview)
    picture = render(avatar, head, rasterizer, HeadMotion.neutral(1, tracked.sequence.fps))[0]
    record = EmoRecord("CC0-1.0", dict(CONSENT), topology_digest(head.triangles), encode_thumbnail(picture))
    write_emo(arguments.output, avatar, record)
    megabytes = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: {avatar.n_gaussians} Gaussians, {megabytes:.1f} MB, {time.perf_counter() - start:.0f} s in all")


def track_capture(folder: Path, head: GenericHead) -> Tracked:
    """Landmarks and tracking of a capture folder."""
    capture = read_capture(folder)
    landmarks = detect_landmarks(capture.frames.images)
    points = landmark_points(head)
    basis = smooth_offset_basis(head.neutral, head.landmarks(head.neutral[None], "mediapipe478")[0])
    sequence = track(
        landmarks,
        points,
        fps=capture.frames.fps,
        camera=capture.camera,
        offset_basis=basis,
        n_shape=head.n_shape,
        training=~capture.frames.held_out,
    )
    carved = carve_scalp(head, sequence, capture.frames)
    sequence = track_motion(landmarks, points, fps=sequence.fps, camera=sequence.camera, identity=carved)
    return Tracked(capture, landmarks, sequence)


def fit_capture(
    tracked: Tracked, head: GenericHead, rasterizer: Rasterizer, config: FitConfig, *, checkpoint: Path | None, preview: Path | None
) -> GaussianAvatar:
    """The avatar of a tracked capture."""
    frames, sequence = tracked.capture.frames, tracked.sequence
    background = torch.tensor(BACKGROUND)
    images = over_flat_background(frames, clean_plate(frames), background)
    generator = torch.Generator().manual_seed(config.seed)
    avatar, layout = initial_avatar("demo", head, sequence, frames, background=background, generator=generator)
    height, width = images.shape[1:3]
    regions = [feature_boxes(points, width, height) for points in tracked.landmarks.points]
    data = FitData(head(sequence.identity, sequence.motion), sequence.motion, images, frames.mattes, regions, frames.training)

    def watch(step: int, current: GaussianAvatar) -> None:
        if preview:
            save_preview(current, head, rasterizer, tracked, data, preview)

    return fit(avatar, layout, data, rasterizer, config=config, checkpoint=checkpoint, watch=watch)


def save_preview(avatar: GaussianAvatar, head: GenericHead, rasterizer: Rasterizer, tracked: Tracked, data: FitData, path: Path) -> None:
    """Eight training frames above the avatar doing the same."""
    from PIL import Image

    chosen = data.training[:: len(data.training) // 8][:8]
    drawn = [render(avatar, head, rasterizer, tracked.sequence.motion.frames(frame, frame + 1))[0] for frame in chosen]
    rows = torch.cat([torch.cat([data.images[frame].float() / 255.0 for frame in chosen], 1), torch.cat(drawn, 1)], 0)
    Image.fromarray((rows.clamp(0, 1) * 255).to(torch.uint8).numpy()[::2, ::2]).save(path)


@torch.no_grad()
def render(avatar: GaussianAvatar, head: GenericHead, rasterizer: Rasterizer, motion: HeadMotion) -> torch.Tensor:
    """Pictures `[T H W 3]` of the avatar by its own camera."""
    splats = avatar.pose(head(avatar.identity, motion), motion)
    pictures = [rasterizer(splats.frame(i), avatar.camera, background=avatar.background).rgb[0] for i in range(motion.n_frames)]
    return torch.stack(pictures)


if __name__ == "__main__":
    main()
