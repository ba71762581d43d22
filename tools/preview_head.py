"""Draw the generic head in some poses, to look at: `python tools/preview_head.py -o sheet.png` (a plain z-buffer, flat shading)."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numba import njit
from PIL import Image

from emohead.channels import RIG_INDEX
from emohead.head.gaze import with_gaze
from emohead.head.generic import GenericHead, load_generic
from emohead.types import HeadIdentity, HeadMotion

SIZE = 360
BACKGROUND, BACK_FACE = 0.95, (0.25, 0.1, 0.3)
COLORS = {
    "lips_upper": (0.8, 0.45, 0.45), "lips_lower": (0.8, 0.45, 0.45), "brow_left": (0.4, 0.25, 0.2), "brow_right": (0.4, 0.25, 0.2),
    "eye_left": (1, 1, 1), "eye_right": (1, 1, 1), "gums": (0.8, 0.4, 0.4), "tongue": (0.85, 0.35, 0.4), "teeth_upper": (1, 1, 0.9),
    "teeth_lower": (1, 1, 0.9), "mouth_inner": (0.4, 0.1, 0.1), "scalp": (0.5, 0.4, 0.35), "torso": (0.4, 0.5, 0.7),
}  # fmt: skip
SKIN, IRIS, PUPIL = (0.9, 0.72, 0.62), (0.3, 0.45, 0.6), (0.05, 0.05, 0.05)


@dataclass(frozen=True)
class View:
    """Where to look from."""

    yaw: float = 0.0
    """Radians; positive sees the subject's right cheek."""
    centre: tuple[float, float] = (0.0, -0.08)
    """Metres (x, y) in the middle of the picture."""
    scale: float = 1000.0
    """Pixels per metre."""


BUST, FACE, EYES = View(), View(centre=(0.0, -0.03), scale=2400.0), View(centre=(0.0, 0.0), scale=4200.0)
POSES: tuple[tuple[dict[str, float], View], ...] = (
    ({}, BUST), ({}, replace(BUST, yaw=0.7)), ({}, replace(BUST, yaw=1.57)), ({"yaw": 0.52}, BUST),
    ({"pitch": 0.35}, replace(BUST, yaw=1.57)), ({"roll": 0.35}, BUST), ({"jawOpen": 1.0}, replace(FACE, yaw=0.4)),
    ({"jawOpen": 1.0, "mouthClose": 1.0}, FACE), ({"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}, FACE),
    ({"jawOpen": 0.4, "tongueOut": 1.0}, replace(FACE, yaw=0.4)), ({"mouthPucker": 1.0}, replace(FACE, yaw=0.4)),
    ({"browInnerUp": 1.0, "mouthFrownLeft": 1.0, "mouthFrownRight": 1.0}, FACE), ({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 0.5}, EYES),
    ({"look_left": 0.5}, EYES), ({"look_down": 0.4}, EYES), ({"eyeWideLeft": 1.0, "eyeWideRight": 1.0}, EYES),
)  # fmt: skip


def main() -> None:
    """Draw `POSES` of the mean head and some random identities, four to a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--identities", type=int, default=8)
    arguments = parser.parse_args()
    head, generator = load_generic(), torch.Generator().manual_seed(0)
    colors = triangle_colors(head)
    pictures = [draw(posed(head, head.identity(), values), head.triangles.numpy(), colors, view) for values, view in POSES]
    for _ in range(arguments.identities):
        identity = HeadIdentity(torch.randn(head.n_shape, generator=generator), head.identity().offsets)
        pictures.append(draw(posed(head, identity, {}), head.triangles.numpy(), colors, replace(BUST, yaw=0.4)))
    rows = [np.concatenate(pictures[start : start + 4], axis=1) for start in range(0, len(pictures) // 4 * 4, 4)]
    Image.fromarray(np.concatenate(rows)).save(arguments.output)


def posed(head: GenericHead, identity: HeadIdentity, values: dict[str, float]) -> np.ndarray:
    """Vertices [V 3] with rig channels, head angles (pitch, yaw, roll) and gaze (look_left, look_down) by name."""
    motion = HeadMotion.neutral(1, 25.0)
    for name in values.keys() & RIG_INDEX.keys():
        motion.rig[0, RIG_INDEX[name]] = values[name]
    rotation = torch.tensor([[values.get(name, 0.0) for name in ("pitch", "yaw", "roll")]])
    gaze = torch.tensor([values.get(name, 0.0) for name in ("look_left", "look_down")]).expand(1, 2, 2)
    motion = replace(motion, head_rotation=rotation)
    with torch.no_grad():
        return head(identity, with_gaze(motion, gaze)).vertices[0].double().numpy()


def triangle_colors(head: GenericHead) -> np.ndarray:
    """A colour [F 3] by part, with irises and pupils."""
    by_part = np.array([COLORS.get(name, SKIN) for name in head.part_names])
    triangles = head.triangles.numpy()
    part = head.vertex_part.numpy()[triangles].min(1)
    colors = by_part[part]
    for side, joint in (("left", 3), ("right", 4)):
        offset = head.neutral.numpy()[triangles].mean(1) - head.data.joints[joint].numpy()
        angle = np.arccos(offset[:, 2] / np.linalg.norm(offset, axis=1))
        eye = part == head.part_names.index(f"eye_{side}")
        colors[eye & (angle < 0.38)] = IRIS
        colors[eye & (angle < 0.15)] = PUPIL
    return colors


def draw(vertices: np.ndarray, triangles: np.ndarray, colors: np.ndarray, view: View) -> np.ndarray:
    """An orthographic picture [H W 3] uint8; faces seen from behind are dark."""
    cosine, sine = np.cos(view.yaw), np.sin(view.yaw)
    points = vertices @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]).T
    corners = points[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-20
    light = np.array([0.3, 0.4, 0.85]) / np.linalg.norm([0.3, 0.4, 0.85])
    shaded = np.where(normals[:, 2:] > 0, colors * (0.25 + 0.75 * np.clip(normals @ light, 0, 1)[:, None]), BACK_FACE)
    pixels = SIZE / 2 + (points[:, :2] - view.centre) * [view.scale, -view.scale]
    image, depth = np.full((SIZE, SIZE, 3), BACKGROUND), np.full((SIZE, SIZE), -np.inf)
    _rasterize(pixels[triangles], points[triangles][:, :, 2].copy(), shaded, image, depth)
    return (image.clip(0, 1) * 255).astype(np.uint8)


@njit(cache=True)
def _rasterize(corners: np.ndarray, heights: np.ndarray, colors: np.ndarray, image: np.ndarray, depth: np.ndarray) -> None:
    rows, columns = depth.shape
    for face in range(len(corners)):
        (x0, y0), (x1, y1), (x2, y2) = corners[face, 0], corners[face, 1], corners[face, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0:
            continue
        for row in range(max(0, int(min(y0, y1, y2))), min(rows, int(max(y0, y1, y2)) + 2)):
            for column in range(max(0, int(min(x0, x1, x2))), min(columns, int(max(x0, x1, x2)) + 2)):
                x, y = column + 0.5 - x0, row + 0.5 - y0
                first = (x * (y2 - y0) - (x2 - x0) * y) / area
                second = ((x1 - x0) * y - x * (y1 - y0)) / area
                if first < 0 or second < 0 or first + second > 1:
                    continue
                height = (1 - first - second) * heights[face, 0] + first * heights[face, 1] + second * heights[face, 2]
                if height > depth[row, column]:
                    depth[row, column] = height
                    image[row, column] = colors[face]


if __name__ == "__main__":
    main()
