"""Heads placed by silhouettes alone against the same heads placed by their faces, and the hull against a camera that carved nothing.

    python benchmarks/visual_hull.py --capture ../shared/data/captures/mei --work FOLDER

The faces' placing is no ground truth: its identity is fitted to landmarks and its size to where cameras see them. The capture's own
head rotation is one, up to what it calls straight ahead.
"""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from multiview import JUDGE, export
from torch import Tensor

from emohead.head.base import HeadModel
from emohead.head.generic import load_generic
from recon.capture import read_novel_views
from recon.multiview import MultiView, Placed, place, place_by_silhouettes, read_multiview
from recon.types import FaceLandmarks, FrameSet
from recon.visual_hull import Hull, carve, project_depth

MIDDLE = (0.0, -0.01, -0.06)
"""The middle of a head, metres in the head's world."""


def main() -> None:
    """Export, place both ways at every time step that all cameras took, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder, head = arguments.work / "cameras", load_generic()
    if not (folder / "transforms.json").is_file():
        export(arguments.capture, folder, every=4)
    view = read_multiview(folder)
    frames = _clip_frames(folder)
    truth = torch.from_numpy(np.load(arguments.capture / "ground_truth.npz")["head_ypr"]).float()
    with_faces = place(view, head)
    print("| frame | position mm | rotation deg | size % | yaw, pitch, roll off the truth deg | hull IoU, whole | above the chin |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for step in view.frames.index.unique().tolist():
        one = at_step(view, step)
        if one.frames.n_frames < len(view.cameras.intrinsics):
            continue
        by_hull = similarity(head, place_by_silhouettes(one, head), one, 0)
        by_face = similarity(head, with_faces, view, step)
        middle = torch.tensor(MIDDLE)
        places = [size * turn @ middle + shift for size, turn, shift in (by_hull, by_face)]
        apart = 1000 * float((places[0] - places[1]).norm()) / by_face[0]
        angle = math.degrees(math.acos(min(1.0, (float((by_hull[1].T @ by_face[1]).trace()) - 1) / 2)))
        off = ", ".join(f"{math.degrees(value):+.1f}" for value in (_angles(by_hull[1]) - truth[frames[step]]).tolist())
        chin = by_hull[0] * by_hull[1] @ torch.tensor([0.0, -0.1, 0.0]) + by_hull[2]
        whole, upper = overlap(arguments.capture, frames[step], carve(one.frames.mattes, one.cameras), chin, by_hull[1][:, 1])
        percent = 100 * (by_hull[0] / by_face[0] - 1)
        print(f"| {frames[step]} | {apart:.1f} | {angle:.1f} | {percent:+.1f} | {off} | {whole:.3f} | {upper:.3f} |")


def at_step(view: MultiView, step: int) -> MultiView:
    """One time step without its faces, its cameras in the order of its pictures."""
    chosen = torch.nonzero(view.frames.index == step)[:, 0]
    which, frames = view.camera_of[chosen], view.frames
    still = FrameSet(frames.fps, frames.images[chosen], frames.mattes[chosen], torch.zeros_like(chosen), frames.held_out[chosen])
    cameras = replace(view.cameras, world_to_camera=view.cameras.world_to_camera[which], intrinsics=view.cameras.intrinsics[which])
    unknown = FaceLandmarks(torch.full((len(chosen), 478, 2), torch.nan), torch.full((len(chosen), 52), torch.nan))
    return MultiView(still, torch.arange(len(chosen)), cameras, unknown)


def similarity(head: HeadModel, placed: Placed, view: MultiView, step: int) -> tuple[float, Tensor, Tensor]:
    """Scale, rotation and translation that take the mean head into the file's world (Umeyama 1991, over the skull and the face)."""
    tracked = placed.tracked
    parts = torch.tensor([name.startswith(("face", "brow", "eye_", "ear")) for name in head.part_names])
    chosen = parts[head.vertex_part]
    vertices = head(tracked.identity, tracked.pick(torch.tensor([step])).motion).vertices[0, chosen].double()
    to_camera, own = placed.cameras.world_to_camera[0].double(), torch.linalg.inv(view.cameras.world_to_camera[0].double())
    in_camera = placed.scale * (vertices @ to_camera[:3, :3].T + to_camera[:3, 3])
    target, source = in_camera @ own[:3, :3].T + own[:3, 3], head.neutral[chosen].double()
    from_middle, to_middle = source - source.mean(0), target - target.mean(0)
    u, stretch, v = torch.linalg.svd(to_middle.T @ from_middle)
    signs = torch.tensor([1.0, 1.0, float(torch.sign(torch.det(u @ v)))], dtype=torch.float64)
    turn = u @ torch.diag(signs) @ v
    size = float((stretch * signs).sum() / from_middle.square().sum())
    return size, turn.float(), (target.mean(0) - size * turn @ source.mean(0)).float()


def overlap(capture: Path, frame: int, hull: Hull, chin: Tensor, up: Tensor) -> tuple[float, float]:
    """IoU of the hull's silhouette with the matte of the judge's camera: of everything, and of what lies higher than the chin."""
    view = next(view for view in read_novel_views(capture) if view.name.startswith(JUDGE) and view.frame == frame)
    camera = view.camera.resized(256, 256)
    row = max(1, int(project_depth(chin[None], camera)[0][0, 0, 1]))
    index = torch.nonzero(hull.occupied)
    higher = torch.zeros_like(hull.occupied)
    higher[tuple(index.unbind(1))] = (hull.corner + hull.side * index - chin) @ up > 0
    person, whole = view.rgba[::2, ::2, 3] > 0.5, hull.depth(camera).isfinite()
    top = replace(hull, occupied=higher).depth(camera).isfinite()
    return _iou(person, whole), _iou(person[:row], top[:row])


def _iou(one: Tensor, other: Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


def _angles(rotation: Tensor) -> Tensor:
    """Yaw, pitch and roll as the capture has them."""
    forward = rotation[:, 2]
    return torch.stack([torch.atan2(forward[0], forward[2]), -torch.asin(forward[1]), torch.atan2(-rotation[1, 0], rotation[1, 1])])


def _clip_frames(folder: Path) -> list[int]:
    """Which frame of the clip each time step is."""
    return sorted({entry["timestep_index"] for entry in json.loads((folder / "transforms.json").read_text())["frames"]})


if __name__ == "__main__":
    main()
