"""The AU decoder against a synthetic person whose action units are known, and beside a landmarker's scores on filmed people.

    EMOHEAD_ASSETS=../shared/data/tracker python benchmarks/au_decoder.py --data ../shared/data --cache build/au_benchmark

One row per action unit of the synthetic clip: correlation over all its frames with the truth, for the decoder, for the landmarker's scores
read by the rig's naming table, and (--track) for the tracked rig read by the same table. Then, for filmed clips, the correlation of the
decoder with the landmarker's scores on the channels that are alive there. With --sheets FOLDER, a picture of the strongest frame per
action unit. Landmarks are kept under --cache.
"""

import argparse
import json
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from emohead.channels import AU_INDEX, RIG_INDEX
from emohead.head.action_units import channel_names, rig_to_au
from emohead.head.generic import load_generic
from emohead.media import read_video
from emohead.types import AUTrack, HeadMotion
from recon.au_decoder import decode_aus
from recon.capture import read_capture
from recon.landmark_head import landmark_points
from recon.landmarks import crop_box, detect_landmarks
from recon.tracking import smooth_offset_basis, track
from recon.types import FaceLandmarks

FPS = 25.0
NOT_SWEPT = ("AU21", "AU23", "AU34", "AU38")
ALIVE = 0.03
"""Standard deviation of a score that is worth comparing with."""
SCORES = {
    "AU1": ("browInnerUp",), "AU2": ("browOuterUpLeft", "browOuterUpRight"), "AU4": ("browDownLeft", "browDownRight"),
    "AU5": ("eyeWideLeft", "eyeWideRight"), "AU7": ("eyeSquintLeft", "eyeSquintRight"), "AU9": ("noseSneerLeft", "noseSneerRight"),
    "AU10": ("mouthUpperUpLeft", "mouthUpperUpRight"), "AU12": ("mouthSmileLeft", "mouthSmileRight"),
    "AU15": ("mouthFrownLeft", "mouthFrownRight"), "AU16": ("mouthLowerDownLeft", "mouthLowerDownRight"),
    "AU17": ("mouthShrugLower",), "AU18": ("mouthPucker",), "AU20": ("mouthStretchLeft", "mouthStretchRight"),
    "AU22": ("mouthFunnel",), "AU24": ("mouthPressLeft", "mouthPressRight"), "AU26": ("jawOpen",),
    "AU43": ("eyeBlinkLeft", "eyeBlinkRight"),
}  # fmt: skip
"""The landmarker's own estimate that comes nearest to an action unit."""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("build/au_benchmark"), help="keeps the landmarks")
    parser.add_argument("--track", action="store_true", help="track the synthetic clip too, for the rig's column")
    parser.add_argument("--sheets", type=Path, help="write pictures of the strongest frames to this folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    folder = arguments.data / "captures" / "mei"
    landmarks = cached_landmarks(folder / "mei.mp4", arguments.cache)
    synthetic(folder, landmarks, track_it=arguments.track)
    videos = ("wojtek", "expressive_d3", "talking_with_audio", "pexels_portrait")
    for name in videos:
        filmed(name, cached_landmarks(arguments.data / "videos" / f"{name}.mp4", arguments.cache))
    if arguments.sheets:
        arguments.sheets.mkdir(parents=True, exist_ok=True)
        for path in (folder / "mei.mp4", *(arguments.data / "videos" / f"{name}.mp4" for name in videos)):
            sheet(path, cached_landmarks(path, arguments.cache)).save(arguments.sheets / f"{path.stem}.png")


def cached_landmarks(path: Path, cache: Path) -> FaceLandmarks:
    """Landmarks of every stored frame of a clip, from the cache if they are there."""
    kept = cache / f"{path.stem}.npz"
    if not kept.exists():
        found = detect_landmarks(frame.rgb for frame in read_video(path))
        np.savez(kept, points=found.points.numpy(), scores=found.scores.numpy())
    with np.load(kept, allow_pickle=False) as data:
        return FaceLandmarks(torch.from_numpy(data["points"]), torch.from_numpy(data["scores"]))


def synthetic(folder: Path, landmarks: FaceLandmarks, *, track_it: bool) -> None:
    """The table against known action units."""
    names = json.loads((folder / "capture.json").read_text())["au_names"]
    with np.load(folder / "ground_truth.npz", allow_pickle=False) as data:
        truth = torch.from_numpy(data["au"])
    found = landmarks.found
    ways = {"decoder": decode_aus(landmarks, fps=FPS).intensity, "not smoothed": decode_aus(landmarks, fps=FPS, smooth=False).intensity}
    ways["scores by name"] = rig_to_au(landmarks.scores.nan_to_num())
    if track_it:
        ways["tracked rig by name"] = rig_to_au(tracked(folder, landmarks).rig)
    print("| AU | " + " | ".join(ways) + " | decoder at truth > .5 / at truth 0 |")
    print("|---" * (len(ways) + 2) + "|")
    columns: dict[str, list[float]] = {way: [] for way in ways}
    for number, name in enumerate(names):
        if name in NOT_SWEPT:
            continue
        true = truth[found, number]
        for way, values in ways.items():
            columns[way].append(correlation(both_sides(values, name)[found], true))
        ours = both_sides(ways["decoder"], name)[found]
        levels = f"{float(ours[true > 0.5].mean()):.2f} / {float(ours[true == 0].mean()):.2f}"
        print(f"| {name} | " + " | ".join(f"{column[-1]:.2f}" for column in columns.values()) + f" | {levels} |")
    for label, statistic in (("median", median), ("mean", mean)):
        print(f"| {label} | " + " | ".join(f"{statistic(column):.3f}" for column in columns.values()) + " | |")


def tracked(folder: Path, landmarks: FaceLandmarks) -> HeadMotion:
    """The clip tracked with the generic head and the true camera."""
    head = load_generic()
    at_rest = landmark_points(head)(head.identity(), HeadMotion.neutral(1, FPS))[0]
    return track(
        landmarks,
        landmark_points(head),
        fps=FPS,
        camera=read_capture(folder).camera,
        offset_basis=smooth_offset_basis(head.neutral, at_rest),
        n_shape=head.n_shape,
        training=landmarks.found,
    ).motion


def filmed(name: str, landmarks: FaceLandmarks) -> None:
    """How the decoder agrees with the landmarker's own scores on a filmed person; neither is the truth."""
    found = landmarks.found
    track_ = decode_aus(landmarks, fps=FPS)
    rows = {}
    for unit, scores in SCORES.items():
        score = torch.stack([landmarks.scores[found][:, RIG_INDEX[score]] for score in scores]).mean(0)
        if float(score.std()) > ALIVE:
            rows[unit] = correlation(both_sides(track_.intensity, unit)[found], score)
    listed = ", ".join(f"{unit} {value:.2f}" for unit, value in rows.items())
    print(f"{name} ({int(found.sum())} of {len(found)} frames): median {median(rows.values()):.2f} over {len(rows)}; {listed}")


def sheet(path: Path, landmarks: FaceLandmarks) -> Image.Image:
    """Faces in the strongest frame of every decoded action unit, six to a row."""
    track_: AUTrack = decode_aus(landmarks, fps=FPS)
    chosen = {
        name: int(track_.intensity[:, index].argmax()) for name, index in AU_INDEX.items() if float(track_.weight[:, index].max()) > 0
    }
    wanted, pictures = set(chosen.values()), {}
    for number, frame in enumerate(read_video(path)):
        if number in wanted:
            rows, columns = crop_box(landmarks.points[number], frame.rgb.shape[1], frame.rgb.shape[0])
            pictures[number] = Image.fromarray(frame.rgb[rows, columns].numpy()).resize((200, 240))
    tiles = [
        np.array(labelled(pictures[at].copy(), f"{n} {float(track_.intensity[at, AU_INDEX[n]]):.2f} @{at}")) for n, at in chosen.items()
    ]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 8)
    return Image.fromarray(np.concatenate([np.concatenate(tiles[start : start + 8], 1) for start in range(0, len(tiles), 8)]))


def labelled(picture: Image.Image, text: str) -> Image.Image:
    """The picture with a line of text in its corner."""
    ImageDraw.Draw(picture).text((4, 4), text, fill=(255, 255, 0))
    return picture


def both_sides(values: Tensor, name: str) -> Tensor:
    """The mean of an action unit's channels; blinks (AU45) are eye closure."""
    channels = channel_names("AU43" if name == "AU45" else name)
    return values[:, [AU_INDEX[channel] for channel in channels]].mean(1)


def correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's, 0 where one of them does not move."""
    one, other = one.double() - one.double().mean(), other.double() - other.double().mean()
    return float((one * other).sum() / (one.norm() * other.norm()).clamp_min(1e-12))


if __name__ == "__main__":
    main()
