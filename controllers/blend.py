"""Several controllers at once: one track out of many, by priority and weight, or one after the other."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from controllers.envelopes import ONSET, minimum_jerk
from emohead.channels import AU_NAMES
from emohead.errors import InputError
from emohead.types import AUTrack


def blend(tracks: Sequence[AUTrack]) -> AUTrack:
    """One track of several of equal length, later ones over earlier ones: where a later one asks (weight), it wins.

    Raises:
        InputError: no tracks, or tracks of different length or frame rate.
    """
    if not tracks:
        raise InputError("blend needs at least one track, got none")
    result = tracks[0]
    for track in tracks[1:]:
        if (track.n_frames, track.fps) != (result.n_frames, result.fps):
            given = f"{result.n_frames} frames at {result.fps} fps and {track.n_frames} at {track.fps}"
            raise InputError(f"tracks to blend need one length and frame rate, got {given}")
        result = _over(result, track)
    return result


def crossfade(first: AUTrack, second: AUTrack, *, start: float, length: float) -> AUTrack:
    """`first` until `start` (seconds), then a minimum-jerk passage of `length` seconds to `second`; both last the whole clip."""
    times = torch.arange(first.n_frames) / first.fps
    share = minimum_jerk((times - start) / max(length, 1e-6))[:, None]  # [T, 1]
    faded = replace(second, weight=second.weight * share, pose_weight=second.pose_weight * share)
    leaving = replace(first, weight=first.weight * (1.0 - share), pose_weight=first.pose_weight * (1.0 - share))
    return _mean(leaving, faded)


def masked(
    track: AUTrack,
    *,
    channels: Collection[str] = AU_NAMES,
    gaze: bool = True,
    head: bool = True,
    start: float = 0.0,
    end: float = math.inf,
    fade: float = ONSET,
) -> AUTrack:
    """What is left of a track behind a mask: it asks for nothing else and at no other time.

    Args:
        track: any controller's.
        channels: names of `channels.AU_NAMES` that stay.
        gaze: whether its gaze stays.
        head: whether its head rotation stays.
        start: seconds at which it begins to come in.
        end: seconds at which it begins to leave.
        fade: seconds that coming and leaving take; nothing fades at the clip's own ends.

    Raises:
        InputError: a channel that does not exist.
    """
    unknown = sorted(set(channels) - set(AU_NAMES))
    if unknown:
        raise InputError(f"unknown channel {unknown[0]!r} in a mask; use names such as AU12L (both sides are named apart)")
    kept = torch.tensor([float(name in set(channels)) for name in AU_NAMES])
    times, length = torch.arange(track.n_frames) / track.fps, max(fade, 1e-6)
    shown = torch.ones_like(times)
    if start > 0.0:
        shown = shown * minimum_jerk((times - start) / length)
    if end < math.inf:
        shown = shown * (1.0 - minimum_jerk((times - end) / length))
    pose = track.pose_weight * torch.tensor([float(gaze), float(head)]) * shown[:, None]
    return replace(track, weight=track.weight * kept * shown[:, None], pose_weight=pose)


def _over(below: AUTrack, above: AUTrack) -> AUTrack:
    """What `above` leaves of `below`, with `above`."""
    left, pose_left = 1.0 - above.weight, 1.0 - above.pose_weight
    return _mean(replace(below, weight=below.weight * left, pose_weight=below.pose_weight * pose_left), above)


def _mean(one: AUTrack, other: AUTrack) -> AUTrack:
    """The weighted mean of two tracks; the weights add up."""
    gaze_weights, head_weights = (one.pose_weight[:, :1], other.pose_weight[:, :1]), (one.pose_weight[:, 1:], other.pose_weight[:, 1:])
    return AUTrack(
        one.fps,
        _weighted(one.intensity, one.weight, other.intensity, other.weight),
        (one.weight + other.weight).clamp(max=1.0),
        _weighted(one.gaze, gaze_weights[0], other.gaze, gaze_weights[1]),
        _weighted(one.head_rotation, head_weights[0], other.head_rotation, head_weights[1]),
        (one.pose_weight + other.pose_weight).clamp(max=1.0),
    )


def _weighted(one: Tensor, one_weight: Tensor, other: Tensor, other_weight: Tensor) -> Tensor:
    total = one_weight + other_weight
    mean = (one * one_weight + other * other_weight) / total.clamp(min=1e-8)
    return torch.where(total > 1e-8, mean, torch.zeros_like(mean))
