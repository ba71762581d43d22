"""How good a head from one picture is: made of a clip's first frame, driven by the landmarks of the rest of the clip.

    python benchmarks/single_image.py --video ../shared/data/videos/wojtek.mp4 --sheet sheet.png

The comparison copies the first frame into every other one. With --views N, N other frames of the clip are given as further pictures of the
person; they are not scored.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from emohead.head.generic import load_generic
from emohead.raster.cpu import CpuRasterizer
from emohead.types import Camera
from recon.landmark_head import landmark_points
from recon.landmarks import crop_box
from recon.preprocess import FootageSettings, read_footage
from recon.reconstruct import draw
from recon.scores import mean_scores, score_picture
from recon.single_image import reconstruct_picture
from recon.targets import clean_plate, over_flat_background
from recon.tracking import FOR_AVATARS, track_motion
from recon.view_generator import GeneratedView


def main() -> None:
    """Reconstruct, drive, score, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--every", type=int, default=5, help="score every so many-th frame")
    parser.add_argument("--views", type=int, default=0, help="so many other frames help as further pictures")
    parser.add_argument("--sheet", type=Path, help="PNG of some frames above the avatar doing the same")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    head, rasterizer = load_generic(), CpuRasterizer()
    footage = read_footage(arguments.video, settings=FootageSettings(hold_out=0.0, max_pictures=10**6))
    frames = footage.frames
    height, width = frames.images.shape[1:3]
    further = [round(frames.n_frames * (number + 1) / (arguments.views + 1)) for number in range(arguments.views)]

    def views(picture: torch.Tensor, turns: torch.Tensor) -> list[GeneratedView]:
        return [GeneratedView(f"frame {frame}", frames.images[frame], None) for frame in further]

    avatar, notes = reconstruct_picture(frames.images[0], head, rasterizer, views=views if further else None)
    print(*notes, sep="\n")
    camera = replace(avatar.camera, intrinsics=footage.camera.intrinsics)
    first = _is_first(footage.held_out)
    tracked = track_motion(
        footage.landmarks,
        landmark_points(head),
        fps=frames.fps,
        camera=Camera(camera.world_to_camera, camera.intrinsics, width, height),
        identity=avatar.identity,
        training=first,
        config=FOR_AVATARS,
    )
    images = over_flat_background(frames, clean_plate(frames), avatar.background)
    ours, copied, rows = [], [], []
    scored = [picture for picture in range(arguments.every, frames.n_frames, arguments.every) if picture not in further]
    for picture in scored:
        frame = int(frames.index[picture])
        drawn = draw(avatar, head, rasterizer, tracked.motion.frames(frame, frame + 1)).clamp(0, 1)
        truth, face = images[picture].float() / 255.0, crop_box(footage.landmarks.points[frame], width, height)
        ours.append(score_picture(drawn, truth, face, frame=frame))
        copied.append(score_picture(images[0].float() / 255.0, truth, face, frame=frame))
        rows.append(torch.cat([truth, drawn], 0))
    print("| | full PSNR dB | SSIM | face PSNR dB | SSIM |\n|---|--:|--:|--:|--:|")
    for name, scores in (("head from the first frame", ours), ("first frame, copied", copied)):
        means = mean_scores(scores, "rest")
        cells = " | ".join(f"{means['rest_' + key]:.3f}" for key in ("full_psnr_db", "full_ssim", "face_psnr_db", "face_ssim"))
        print(f"| {name} | {cells} |")
    if arguments.sheet:
        sheet = torch.cat(rows[:: max(1, len(rows) // 8)][:8], 1)
        Image.fromarray((sheet[::2, ::2] * 255).to(torch.uint8).numpy()).save(arguments.sheet)


def _is_first(like: torch.Tensor) -> torch.Tensor:
    first = torch.zeros_like(like)
    first[0] = True
    return first


if __name__ == "__main__":
    main()
