"""Short movements in time (nods, winks, rolled eyes), added to a track."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from controllers.envelopes import asked_weight, minimum_jerk
from controllers.tables import read_table
from emohead.channels import AU_INDEX
from emohead.types import AUTrack

_HEAD_AXES = {"pitch": 0, "yaw": 1, "roll": 2}


@dataclass(frozen=True)
class Gesture:
    """One movement of tables/gestures.json."""

    name: str
    """Its name there."""
    side: str = ""
    """`L` or `R` for a movement of one eye or one that starts to that side; empty for its usual side."""
    count: int = 0
    """How many times; 0 for as often as usual."""
    pace: float = 1.0
    """How much faster than usual."""

    @property
    def seconds(self) -> float:
        """How long the performance takes."""
        shape = read_table("gestures")["gestures"][self.name]
        usual = self.count / shape["oscillate"]["hertz"] if self.count and "oscillate" in shape else shape["seconds"] * max(self.count, 1)
        return usual / self.pace


def add_gesture(track: AUTrack, gesture: Gesture, start: float, end: float) -> AUTrack:
    """The track with a gesture between two times (seconds); an oscillation fills the time, a path is performed as often as asked."""
    shape = read_table("gestures")["gestures"][gesture.name]
    times = torch.arange(track.n_frames) / track.fps - start
    if "oscillate" in shape:
        quicker = {**shape["oscillate"], "hertz": shape["oscillate"]["hertz"] * gesture.pace}
        return _oscillated(track, quicker, times, end - start, gesture.side)
    side, count = gesture.side or shape.get("side", ""), max(gesture.count, 1)
    progress = times * gesture.pace / shape["seconds"]
    again = torch.where((progress >= 0) & (progress < count), progress.remainder(1.0), progress)
    return _along_path(track, torch.tensor(shape["path"], dtype=torch.float32), again, side)


def _oscillated(track: AUTrack, shape: dict, times: Tensor, length: float, side: str) -> AUTrack:
    fade = min(0.25, length / 3) + 1e-6
    envelope = minimum_jerk(times / fade) * minimum_jerk((length - times) / fade)  # [T]
    wave = torch.sin(2 * math.pi * shape["hertz"] * times)
    if shape["axis"] in _HEAD_AXES:
        axis = _HEAD_AXES[shape["axis"]]
        direction = -1.0 if side == "R" and axis > 0 else 1.0
        rotation, weight = track.head_rotation.clone(), track.pose_weight.clone()
        rotation[:, axis] += direction * shape["amplitude"] * envelope * wave
        weight[:, 1] = torch.maximum(weight[:, 1], asked_weight(envelope))
        return replace(track, head_rotation=rotation, pose_weight=weight)
    intensity, weight, channel = track.intensity.clone(), track.weight.clone(), AU_INDEX[shape["axis"]]
    intensity[:, channel] = (intensity[:, channel] + shape["amplitude"] * envelope * wave).clamp(0.0, 1.0)
    weight[:, channel] = torch.maximum(weight[:, channel], asked_weight(envelope))
    return replace(track, intensity=intensity, weight=weight)


def _along_path(track: AUTrack, keys: Tensor, progress: Tensor, side: str) -> AUTrack:
    """Gaze and lids along a path of keys; `progress` 0..1 is the time within it."""
    last = len(keys) - 2  # keys: [K, 4]
    index = (torch.searchsorted(keys[:, 0].contiguous(), progress.contiguous(), right=True) - 1).clamp(0, last)
    share = minimum_jerk((progress - keys[index, 0]) / (keys[index + 1, 0] - keys[index, 0]))[:, None]
    values = torch.lerp(keys[index, 1:], keys[index + 1, 1:], share)  # [T, 3] yaw, pitch, AU43
    inside = ((progress >= 0) & (progress <= 1)).float()
    envelope = minimum_jerk(progress / 0.2) * minimum_jerk((1.0 - progress) / 0.2) * inside
    direction = torch.tensor([-1.0 if side == "R" else 1.0, 1.0])
    intensity, weight, pose_weight = track.intensity.clone(), track.weight.clone(), track.pose_weight.clone()
    for name in [f"AU43{side}"] if side else ["AU43L", "AU43R"]:
        channel = AU_INDEX[name]
        intensity[:, channel] = torch.maximum(intensity[:, channel], values[:, 2] * inside)
        weight[:, channel] = torch.maximum(weight[:, channel], asked_weight(envelope))
    if not bool((keys[:, 1:3] != 0).any()):
        return replace(track, intensity=intensity, weight=weight)
    pose_weight[:, 0] = torch.maximum(pose_weight[:, 0], asked_weight(envelope))
    gaze = track.gaze + values[:, :2] * direction * inside[:, None]
    return replace(track, intensity=intensity, weight=weight, gaze=gaze, pose_weight=pose_weight)
