"""How well clips are tracked: head rotation against the truth of a capture, reprojection, jitter, lag and seconds.

    python -m benchmarks.tracking --capture ../shared/data/captures/mei --videos ../shared/data/videos/wojtek.mp4 ... [--json FILE]

needs the `recon` extra and the face landmarker in `EMOHEAD_ASSETS`. The truth is only compared with; the camera's focal length is the
tracker's guess. "rest" are the frames in which 95 % of the landmarks, each averaged over 9 frames, move by less than 0.5 % of the face's
size per frame. "raw" are the landmarks that are tracked, each the mean of six answers of the landmarker; "single" is its plain answer.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from emohead.head.generic import GenericHead, load_generic
from emohead.output import write_text
from recon.landmark_head import landmark_points
from recon.landmarks import EYES, IRISES, LIPS, N_POINTS, OVAL, detect_landmarks
from recon.motion_model import View
from recon.preprocess import FootageSettings, read_footage
from recon.tracking import track_footage
from recon.types import Footage, TrackedSequence

INNER = [point for point in range(N_POINTS) if point not in OVAL]
MOST_LAG = 3
ALL = 10**6
SMOOTHED = 9
REST, MOST_POINTS = 0.005, 0.95


def main() -> None:
    """Parse the command line, track every clip and print one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, help="capture folder with capture.json and ground_truth.npz")
    parser.add_argument("--videos", type=Path, nargs="*", default=[])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    head, results = load_generic(), {}
    clips = list(arguments.videos)
    if arguments.capture:
        clips.insert(0, arguments.capture / f"{json.loads((arguments.capture / 'capture.json').read_text())['name']}.mp4")
    for path in clips:
        footage = read_footage(path, settings=FootageSettings(hold_out=0.0, max_pictures=ALL))
        start = time.process_time()
        tracked = track_footage(footage, head)
        seconds = time.process_time() - start
        figures = measure(footage, tracked, head) | {"track_cpu_s": seconds}
        if arguments.capture and path.parent == arguments.capture:
            figures |= measure_truth(tracked, footage, arguments.capture)
        results[path.stem] = figures
        print(f"{path.stem}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()), flush=True)
        if arguments.json:
            write_text(arguments.json, json.dumps(results, indent=1) + "\n")


def measure(footage: Footage, tracked: TrackedSequence, head: GenericHead) -> dict[str, float]:
    """Reprojection in pixels of the 512 picture, jitter as the mean second difference of the inner landmarks, lag in frames."""
    raw = footage.landmarks.points
    single = torch.full_like(raw, torch.nan)
    single[footage.frames.index] = detect_landmarks(footage.frames.images).points
    found = footage.landmarks.found
    view = View(landmark_points(head), tracked.identity, tracked.camera, 1.0, torch.zeros(3))
    fitted = view.project(view.points(tracked.identity, tracked.motion))
    error = (fitted - raw).norm(dim=-1)[found]
    subsets = {"inner": INNER, "lips": LIPS, "eyes": EYES, "irises": IRISES, "oval": OVAL}
    result = {f"{name}_px": float(error[:, list(subset)].mean()) for name, subset in subsets.items()}
    result["inner_p95_px"] = float(error[:, INNER].quantile(0.95))
    result["face_px"] = float((raw[found].amax(1) - raw[found].amin(1)).prod(1).sqrt().median())
    raw_jitter, jitter, single_jitter = _roughness(raw), _roughness(fitted), _roughness(single)
    seen = torch.isfinite(raw_jitter) & torch.isfinite(single_jitter)
    at_rest = _at_rest(raw, result["face_px"]) & seen
    result["rest_frames"] = float(at_rest.sum())
    for name, chosen in (("rest", at_rest), ("all", seen)):
        if bool(chosen.any()):
            result[f"jitter_{name}_raw_px"] = float(raw_jitter[chosen].mean())
            result[f"jitter_{name}_single_px"] = float(single_jitter[chosen].mean())
            result[f"jitter_{name}_px"] = float(jitter[chosen].mean())
            result[f"jitter_{name}_ratio"] = result[f"jitter_{name}_px"] / result[f"jitter_{name}_raw_px"]
            result[f"jitter_{name}_single_ratio"] = result[f"jitter_{name}_px"] / result[f"jitter_{name}_single_px"]
    for name, signal in (("mouth", _mouth_opening), ("yaw", _nose_between_eyes)):
        result[f"lag_{name}_frames"] = lag(signal(fitted[found]), signal(raw[found]))
    return result


def measure_truth(tracked: TrackedSequence, footage: Footage, capture: Path) -> dict[str, float]:
    """Head angles against the truth with a constant offset (the median difference) removed, and lags behind the true curves."""
    with np.load(capture / "ground_truth.npz") as truth:
        angles, au = truth["head_ypr"], truth["au"]
    about = json.loads((capture / "capture.json").read_text())
    found = Rotation.from_rotvec(tracked.motion.head_rotation.double().numpy()).as_euler("YXZ")
    off = np.degrees(found - angles)
    off = np.abs(off - np.median(off, 0))
    result = {}
    for column, name in enumerate(("yaw", "pitch", "roll")):
        result[f"{name}_mean_deg"], result[f"{name}_p95_deg"] = float(off[:, column].mean()), float(np.quantile(off[:, column], 0.95))
    (turn,) = [segment for segment in about["segments"] if segment[2] == "turn"]
    inside = slice(turn[0], turn[1])
    for column, name in enumerate(("yaw", "pitch", "roll")):
        result[f"{name}_in_turn_deg"] = float(off[inside, column].mean())
        result[f"lag_{name}_truth_frames"] = lag(torch.from_numpy(found[inside, column]), torch.from_numpy(angles[inside, column]))
    for name, signal in (("AU26", tracked.motion.rig[:, 17]), ("AU45", tracked.motion.rig[:, [0, 7]].mean(1))):
        start, stop = next((a, b) for a, b, label in about["segments"] if label == f"sweep:{name}")
        around = slice(start - MOST_LAG, stop + MOST_LAG)
        result[f"lag_{name}_truth_frames"] = lag(signal[around].double(), torch.from_numpy(au[around, about["au_names"].index(name)]))
    return result


def lag(late: Tensor, early: Tensor) -> float:
    """Frames by which the first signal follows the second: the peak of their correlation, with a parabola through it."""
    shifts = range(-MOST_LAG, MOST_LAG + 1)
    end = len(early) - MOST_LAG
    scores = [float(torch.corrcoef(torch.stack([late[MOST_LAG + shift : end + shift], early[MOST_LAG:end]]))[0, 1]) for shift in shifts]
    best = int(np.argmax(scores))
    if best in (0, len(scores) - 1):
        return float(shifts[best])
    before, peak, after = scores[best - 1 : best + 2]
    return shifts[best] + 0.5 * (before - after) / (before - 2 * peak + after)


def _roughness(points: Tensor) -> Tensor:
    return (points[2:] - 2 * points[1:-1] + points[:-2])[:, INNER].norm(dim=-1).mean(1)


def _at_rest(points: Tensor, face: float) -> Tensor:
    """Of the frames that have a second difference, those in which everything stands still but for noise."""
    tracks = points[:, INNER].permute(1, 2, 0).flatten(0, 1)[:, None]
    slow = torch.nn.functional.conv1d(tracks, torch.full((1, 1, SMOOTHED), 1 / SMOOTHED))[:, 0]
    speed = (slow[:, 1:] - slow[:, :-1]).unflatten(0, (-1, 2)).norm(dim=1).quantile(MOST_POINTS, dim=0)
    still = torch.zeros(len(points) - 2, dtype=torch.bool)
    margin = SMOOTHED // 2
    still[margin : margin + len(speed) - 1] = ((speed[:-1] < REST * face) & (speed[1:] < REST * face))[: len(still) - margin]
    return still


def _mouth_opening(points: Tensor) -> Tensor:
    return (points[:, 13] - points[:, 14]).norm(dim=-1)


def _nose_between_eyes(points: Tensor) -> Tensor:
    """Where the nose's tip is between the outer eye corners, 0..1: a picture of the yaw."""
    across = points[:, 263] - points[:, 33]
    return ((points[:, 4] - points[:, 33]) * across).sum(-1) / across.square().sum(-1)


if __name__ == "__main__":
    main()
