"""What more cameras bring: a capture and four of its five novel cameras against the capture's video alone, judged by the fifth camera.

    python benchmarks/multiview.py --capture ../shared/data/captures/mei --work FOLDER --mono mei.emo --steps 7000

`--mono` is the avatar that `emohead reconstruct` made of the video alone with as many steps.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from emohead.avatar import load_avatar
from emohead.consent import Consent
from emohead.head.generic import load_generic
from emohead.raster.cpu import CpuRasterizer
from emohead.types import Camera
from recon.capture import read_capture, read_capture_camera, read_novel_views
from recon.evaluation import follow
from recon.landmarks import crop_box
from recon.reconstruct import ReconstructConfig, reconstruct
from recon.scores import mean_scores, score_picture
from recon.splits import read_clip
from recon.subject import Subject, project

JUDGE = "v4"
"""The camera that trains nothing."""


def main() -> None:
    """Export, reconstruct, score, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--mono", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder, out = arguments.work / "cameras", arguments.work / "multiview.emo"
    if not out.is_file():
        export(arguments.capture, folder)
        consent = Consent({"who": "Mei, a synthetic person", "scope": "measuring", "date": "2026-11-21"})
        config = ReconstructConfig(steps=arguments.steps)
        made = reconstruct(folder, out, load_generic(), CpuRasterizer(n_threads=arguments.threads), consent, config=config)
        print(made.figures)
    print("| made from | full PSNR dB | SSIM | face PSNR dB | SSIM |\n|---|--:|--:|--:|--:|")
    for name, path in (("one camera, scale fitted on the judge", arguments.mono), ("five cameras", out)):
        scores = judge(path, arguments.capture)
        keys = ("full_psnr_db", "full_ssim", "face_psnr_db", "face_ssim")
        cells = " | ".join(f"{scores['judge_' + key]:.3f}" for key in keys)
        print(f"| {name} | {cells} |")


def export(capture: Path, folder: Path, *, every: int = 2) -> None:
    """A capture's training pictures and its novel views but the judge's as a `transforms.json` folder."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = read_capture(capture)
    filming, entries = read_capture_camera(capture), []
    for frame in clip.frames.training[::every]:
        rgba = torch.cat([clip.frames.images[frame], clip.frames.mattes[frame][..., None]], -1)
        entries.append(_entry(folder, f"main_{frame:05d}.png", rgba, filming, frame, 0))
    for view in read_novel_views(capture):
        camera = view.name.split("_")[0]
        if camera != JUDGE:
            rgba = (view.rgba * 255).round().to(torch.uint8)
            entries.append(_entry(folder, f"{view.name}.png", rgba, view.camera, view.frame, 1 + int(camera[1:])))
    (folder / "transforms.json").write_text(json.dumps({"fps": clip.frames.fps, "frames": entries}))


def judge(path: Path, capture: Path) -> dict[str, float]:
    """Scores of the judge's views, at the scale of the world that suits them best."""
    subject, filming = Subject.load(path), read_capture_camera(capture)
    views = [view for view in read_novel_views(capture) if view.name.startswith(JUDGE)]
    tracked = follow(subject, read_clip(capture, split="tail10", size=512))
    avatar = load_avatar(path)

    def scores(scale: float) -> dict[str, float]:
        rows = []
        for view in views:
            between = view.camera.world_to_camera[0] @ torch.linalg.inv(filming.world_to_camera[0])
            between[:3, 3] /= scale
            camera = replace(view.camera, world_to_camera=(between @ avatar.camera.world_to_camera[0])[None])
            motion = subject.corrected(tracked.motion.frames(view.frame, view.frame + 1))
            truth = view.rgba[..., :3] * view.rgba[..., 3:] + avatar.background * (1 - view.rgba[..., 3:])
            box = crop_box(project(subject.landmarks(avatar.identity, motion), camera)[0], camera.width, camera.height)
            rows.append(score_picture(subject.draw(motion, camera), truth, box, frame=view.frame))
        return dict(mean_scores(rows, "judge"))

    return max((scores(0.8 + 0.02 * step) for step in range(20)), key=lambda figures: figures["judge_full_psnr_db"])


def _entry(folder: Path, name: str, rgba: torch.Tensor, camera: Camera, step: int, number: int) -> dict:
    Image.fromarray(rgba.numpy(), "RGBA").save(folder / name)
    to_world = torch.linalg.inv(camera.world_to_camera[0]) @ torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    focal, centre = camera.intrinsics[0].diagonal(), camera.intrinsics[0, :2, 2]
    intrinsics = {"fl_x": float(focal[0]), "fl_y": float(focal[1]), "cx": float(centre[0]), "cy": float(centre[1]), "w": camera.width}
    return {"file_path": name, "transform_matrix": to_world.tolist(), "timestep_index": step, "camera_index": number, **intrinsics}


if __name__ == "__main__":
    main()
