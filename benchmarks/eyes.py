"""Gaze and lids of a tracked synthetic person against the truth: what the pictures of the eyes add to landmarks.

    python benchmarks/eyes.py --capture ../shared/data/captures/mei [--json eyes.json]

needs the face landmarker in `EMOHEAD_ASSETS`. The clip is tracked with a guessed focal length; no truth is used but to score. Rows: the
tracker alone; eyes refined with all pictures; refined with the first nine tenths, and scored on the rest, whose eyes are known by their
landmarks alone. Frames with shut eyes do not count for gaze. The truth's eyeballs are smaller than the generic head's, so angles differ
by a factor (`gain`) and correlation is what is compared.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from emohead.channels import RIG_INDEX
from emohead.head.generic import GenericHead, load_generic
from emohead.metrics.lip import correlation
from emohead.types import Camera
from recon.capture import read_capture
from recon.eyes import refine_eyes
from recon.landmark_head import landmark_points
from recon.landmarks import detect_landmarks
from recon.tracking import smooth_offset_basis, track
from recon.types import FaceLandmarks, TrackedSequence

FOCAL = 2.3
"""Guess of the focal length in picture widths."""
OPEN = 0.2
"""Frames with a true AU45 below this count for gaze."""


def main() -> None:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, required=True, help="capture folder with ground_truth.npz")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    figures = measure(arguments.capture)
    for name, value in figures.items():
        print(f"{name:45s} {value:7.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def measure(folder: Path) -> dict[str, float]:
    """All figures of a capture under flat keys."""
    capture, head = read_capture(folder), load_generic()
    images, held_out = capture.frames.images, capture.frames.held_out
    landmarks, points = detect_landmarks(images), landmark_points(head)
    tracked = _track(landmarks, head, capture.frames.fps, images.shape[2], images.shape[1], ~held_out)
    training = torch.nonzero(~held_out)[:, 0]
    runs = {
        "tracker": tracked,
        "all pictures": refine_eyes(images, landmarks, tracked, points),
        "nine tenths": refine_eyes(images[training], landmarks, tracked, points, index=training),
    }
    with np.load(folder / "ground_truth.npz", allow_pickle=False) as truth:
        gaze, labels = torch.from_numpy(truth["gaze_yp"]), truth["labels"]
        names = json.loads((folder / "capture.json").read_text())["au_names"]
        aus = {name: torch.from_numpy(truth["au"][:, names.index(name)]) for name in ("AU05", "AU07", "AU45")}
    opened = aus["AU45"] < OPEN
    spoken = torch.tensor([str(label).startswith("speech") for label in labels])
    turn = torch.tensor([str(label) == "turn" for label in labels])
    parts = {"spoken": spoken, "spoken and emotions": spoken | (torch.arange(len(labels)) >= 250), "all": torch.ones_like(spoken)}
    figures = {}
    for run, sequence in runs.items():
        scored = dict(parts) if run != "nine tenths" else {"held-out": held_out}
        for part, mask in scored.items():
            figures |= _gaze_figures(f"{run}, {part}", sequence, gaze, mask & opened)
        figures[f"{run}: gaze spread in head turn, yaw (deg)"] = float(torch.rad2deg(sequence.motion.gaze[turn, 0, 0].std()))
        for channel, name in (("eyeBlink", "AU45"), ("eyeWide", "AU05"), ("eyeSquint", "AU07")):
            sides = sequence.motion.rig[:, [RIG_INDEX[channel + side] for side in ("Left", "Right")]].mean(1)
            figures[f"{run}: {channel} with {name}"] = correlation(sides, aus[name])
            figures[f"{run}: {channel} with {name}, spoken"] = correlation(sides[spoken], aus[name][spoken])
    return figures


def _gaze_figures(title: str, sequence: TrackedSequence, truth: torch.Tensor, mask: torch.Tensor) -> dict[str, float]:
    found = sequence.motion.gaze.mean(1)[mask]
    figures = {}
    for column, name in enumerate(("yaw", "pitch")):
        figures[f"{title}: {name} correlation"] = correlation(found[:, column], truth[mask, column])
        figures[f"{title}: {name} gain"] = float(np.polyfit(truth[mask, column], found[:, column], 1)[0])
    return figures


def _track(landmarks: FaceLandmarks, head: GenericHead, fps: float, width: int, height: int, training: torch.Tensor) -> TrackedSequence:
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[2, 3] = 1.0
    focal = FOCAL * width
    intrinsics = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    at_rest = head.landmarks(head.neutral[None], "mediapipe478")[0]
    return track(
        landmarks,
        landmark_points(head),
        fps=fps,
        camera=Camera(world_to_camera[None], intrinsics[None], width, height),
        offset_basis=smooth_offset_basis(head.neutral, at_rest),
        n_shape=head.n_shape,
        training=training,
    )


if __name__ == "__main__":
    main()
