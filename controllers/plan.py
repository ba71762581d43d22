"""A plan: events in time, and the track that performs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from controllers.envelopes import OFFSET_RATIO, ONSET, asked_weight, minimum_jerk, mood_level
from controllers.gestures import Gesture, add_gesture
from emohead.channels import AU_INDEX, AU_NAMES, N_AU
from emohead.head.action_units import CHANNELS
from emohead.types import AUTrack

REGION_DELAY = {"cheek": 0.05, "nose": 0.02, "upper lip": 0.03, "mouth": 0.03, "chin": 0.05, "jaw": 0.04}
"""Seconds by which a region follows the brows and eyes; the cheek follows the smile."""


@dataclass(frozen=True)
class Event:
    """One stretch of time with one thing to do."""

    start: float
    """In the plan's unit."""
    end: float
    """In the plan's unit."""
    au: Mapping[str, float] = field(default_factory=dict)
    """Channel to intensity 0..1; 0 asks the channel to rest."""
    gaze: tuple[float, float] | None = None
    """Gaze offset (yaw, pitch), radians."""
    head: tuple[float, float, float] | None = None
    """Head rotation offset, axis-angle, radians."""
    gesture: Gesture | None = None
    """A movement performed meanwhile."""
    text: str = ""
    """The words it came from."""
    onset: float = ONSET
    """Seconds to appear."""
    sustained: bool = False
    """A mood, which swells, rather than an action, which holds."""
    overlay: bool = False
    """Played over the course of the others instead of being one of its steps."""


@dataclass(frozen=True)
class TextPlan:
    """What a sentence asks for."""

    events: tuple[Event, ...]
    """In order of time."""
    duration: float | None
    """Seconds, when known: then the events are in seconds, else in fractions of the clip."""
    not_understood: tuple[str, ...] = ()
    """Words that were not known."""
    warnings: tuple[str, ...] = ()
    """What was done about them, one line each."""
    guessed: tuple[str, ...] = ()
    """Stretches that no table lists and whose meaning was guessed: `swallowed a lemon: disgusted`."""

    @property
    def unit(self) -> str:
        """`seconds` or `fraction`."""
        return "fraction" if self.duration is None else "seconds"

    def peak(self) -> dict[str, float]:
        """The greatest intensity of each channel that the plan moves."""
        greatest = {name: max((event.au.get(name, 0.0) for event in self.events), default=0.0) for name in AU_NAMES}
        return {name: round(value, 4) for name, value in greatest.items() if value > 0.0}

    def to_json(self) -> dict[str, object]:
        """The plan as the contract of `emohead au --json` prints it."""
        return {
            "duration": self.duration,
            "unit": self.unit,
            "peak": self.peak(),
            "events": [_event_json(event) for event in self.events],
            "not_understood": list(self.not_understood),
            "guessed": list(self.guessed),
        }


def plan_to_track(plan: TextPlan, n_frames: int, fps: float, *, seed: int = 0) -> AUTrack:
    """The track that performs a plan: smooth, with weight only on what was asked for and while it was asked for.

    Events that touch are cross-faded, overlays are laid over them, gestures are added last.
    """
    track = AUTrack.neutral(n_frames, fps)
    if n_frames == 0 or not plan.events:
        return track
    length = n_frames / fps
    scale = length if plan.duration is None else 1.0
    events = [replace(event, start=event.start * scale, end=event.end * scale) for event in plan.events]
    generator = torch.Generator().manual_seed(seed)
    times = torch.arange(n_frames) / fps
    steps = sorted((event for event in events if not event.overlay), key=lambda event: event.start)
    for event in steps:
        following = next((other.onset for other in steps if other is not event and abs(other.start - event.end) < 1e-6), None)
        track = _with_step(track, event, _envelope(event, times, length, following), _level(event, times, generator))
    for event in events:
        if event.overlay:
            track = _with_overlay(track, event, _envelope(event, times, length, None))
    for event in events:
        if event.gesture is not None:
            track = add_gesture(track, event.gesture, event.start, event.end)
    return track


def _envelope(event: Event, times: Tensor, length: float, following_onset: float | None) -> Float[Tensor, "T 47"]:
    """How far an event is on, 0..1: a column per AU channel, each with its region's delay, and a last one for gaze and head."""
    onset = min(event.onset, 0.6 * (event.end - event.start)) + 1e-6
    offset = following_onset if following_onset is not None else OFFSET_RATIO * onset
    delayed = times[:, None] - _delays()  # [T, A + 1]
    envelope = minimum_jerk((delayed - event.start) / onset)
    if event.end < length - 1e-6:
        envelope = envelope * (1.0 - minimum_jerk((delayed - event.end) / offset))
    return envelope


def _level(event: Event, times: Tensor, generator: torch.Generator) -> Tensor:
    return mood_level(times - event.start, generator) if event.sustained else torch.ones_like(times)


def _with_step(track: AUTrack, event: Event, envelope: Tensor, level: Tensor) -> AUTrack:
    """One step of the course added: where two steps cross-fade their envelopes add up to one."""
    value, asked = _row(event)
    pose = envelope[:, N_AU:]
    return AUTrack(
        track.fps,
        track.intensity + envelope[:, :N_AU] * level[:, None] * value,
        torch.maximum(track.weight, asked_weight(envelope[:, :N_AU]) * asked),
        track.gaze + pose * torch.tensor(event.gaze or (0.0, 0.0)),
        track.head_rotation + pose * torch.tensor(event.head or (0.0, 0.0, 0.0)),
        torch.maximum(track.pose_weight, asked_weight(pose) * _pose_asked(event)),
    )


def _with_overlay(track: AUTrack, event: Event, envelope: Tensor) -> AUTrack:
    """An event laid over the track: it replaces what it asks for, and nothing else."""
    value, asked = _row(event)
    on, pose = envelope[:, :N_AU] * asked, envelope[:, N_AU:] * _pose_asked(event)  # [T, A], [T, 2]
    return AUTrack(
        track.fps,
        torch.lerp(track.intensity, value.expand_as(on), on),
        torch.maximum(track.weight, asked_weight(on)),
        torch.lerp(track.gaze, torch.tensor(event.gaze or (0.0, 0.0)).expand_as(track.gaze), pose[:, :1]),
        torch.lerp(track.head_rotation, torch.tensor(event.head or (0.0, 0.0, 0.0)).expand_as(track.head_rotation), pose[:, 1:]),
        torch.maximum(track.pose_weight, asked_weight(pose)),
    )


def _row(event: Event) -> tuple[Tensor, Tensor]:
    """Intensities `[A]` of an event and which of them it asks for."""
    value, asked = torch.zeros(N_AU), torch.zeros(N_AU)
    for name, intensity in event.au.items():
        value[AU_INDEX[name]], asked[AU_INDEX[name]] = intensity, 1.0
    return value, asked


def _pose_asked(event: Event) -> Tensor:
    return torch.tensor([float(event.gaze is not None), float(event.head is not None)])


def _delays() -> Tensor:
    return torch.tensor([*(REGION_DELAY.get(channel.unit.region, 0.0) for channel in CHANNELS), 0.0])


def _event_json(event: Event) -> dict[str, object]:
    au = {name: round(value, 4) for name, value in event.au.items() if value > 0.0}
    written: dict[str, object] = {"start": round(event.start, 4), "end": round(event.end, 4), "au": au}
    written["gaze"] = event.gaze and {"yaw": round(event.gaze[0], 4), "pitch": round(event.gaze[1], 4)}
    names = ("pitch", "yaw", "roll")
    written["head"] = event.head and {name: round(angle, 4) for name, angle in zip(names, event.head, strict=True)}
    written["text"] = event.text
    if event.gesture is not None:
        written["gesture"] = event.gesture.name
        written |= {"side": event.gesture.side} if event.gesture.side else {}
        written |= {"times": event.gesture.count} if event.gesture.count else {}
    relaxed = [name for name, value in event.au.items() if value == 0.0]
    if relaxed:
        written["relaxed"] = relaxed
    return written
