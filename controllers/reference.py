"""An expression like that of a reference: a clip's face or a recording's voice sets the emotion, or its whole course over time.

It reads emotion from a person's face or voice, and it guesses. It is off unless it is asked for, and what it finds is an expression for
an avatar to show, not what anybody feels.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from controllers.binding import EmotionSpace, load_space
from controllers.binding_face import face_of_motion
from controllers.binding_net import CLASSES, Embedded, Modality
from controllers.coordinates import TRACE
from controllers.envelopes import ONSET, minimum_jerk
from controllers.expression import scaled
from controllers.plan import Event, TextPlan, plan_to_track
from controllers.states import states
from emohead.channels import AU_INDEX, AU_NAMES, N_AU
from emohead.errors import InputError
from emohead.motion.articulation import frame_times, smooth
from emohead.types import AUTrack, HeadMotion, Waveform

ARTICULATORS = frozenset({"AU16L", "AU16R", "AU18", "AU19", "AU22", "AU23", "AU24", "AU25", "AU26", "AU27", "AU28", "AU29", "AU34"})
"""Channels of lips, jaw and tongue that a reference never asks for: they are the speech's."""
WINDOW, HOP = 3.0, 0.5
"""Seconds that are looked at or listened to at once, and from one such window to the next."""
MAX_GAIN = 1.3
_ASKED = 0.1
"""Intensity from which a channel is asked for in full."""
_SURE, _UNSURE = 27.0, 6.0
"""Factor on cosines that makes shares of states: faces take the nearest few, of which a voice is not that sure."""
_STEADY = 0.4
"""Seconds over which a course is smoothed."""

Source = AUTrack | HeadMotion | Waveform
"""What a reference can be: a face over time, or a voice."""


@dataclass(frozen=True)
class Reference:
    """What a reference expresses, window by window."""

    times: Float[Tensor, " W"]
    """Middle of each window as a share 0..1 of the reference."""
    shares: Float[Tensor, "W K"]
    """How much of each state of the tables is in it; rows sum to 1."""
    strength: Float[Tensor, " W"]
    """How strong it is, 0..1.3."""

    def mean(self) -> "Reference":
        """All of it in one window; what is shown strongly counts more."""
        weight = (self.strength / self.strength.sum().clamp(min=1e-6))[:, None]
        shares = (weight * self.shares).sum(0) if float(self.strength.sum()) > 1e-6 else self.shares.mean(0)
        return Reference(torch.tensor([0.5]), shares[None], self.strength.mean()[None])


@dataclass(frozen=True)
class ReferenceController:
    """Shows what a reference shows."""

    reference: Reference
    notice: str = "the expression is guessed from a reference, as asked for; it says nothing about what anybody feels"
    """What is said once when it is used."""
    course: bool = False
    """Its course over time, stretched to the clip; else its mean expression throughout, as a mood that swells now and then."""
    intensity: float = 1.0
    """Gain, 0..1.3."""
    seed: int = 0
    """Of the small variations of a mood."""

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """The track; lips, jaw and tongue are left to the speech, gaze and head to whatever else moves them."""
        if not self.course:
            return plan_to_track(self.plan(n_frames / fps), n_frames, fps, seed=self.seed)
        track = AUTrack.neutral(n_frames, fps)
        if n_frames == 0:
            return track
        rows = expressions(self.reference, self.intensity)
        # Windows become keys; before the first and after the last one the expression stays.
        wanted = (frame_times(n_frames, fps) / (n_frames / fps)).numpy()
        joined = np.stack([np.interp(wanted, self.reference.times.numpy(), column) for column in rows.T.numpy()], 1)
        begun = minimum_jerk(torch.arange(n_frames) / fps / ONSET)[:, None]
        track.intensity[:] = begun * smooth(torch.from_numpy(joined).float(), fps, _STEADY).clamp(0.0, 1.0)
        track.weight[:] = (track.intensity / _ASKED).clamp(max=1.0)
        return track

    def plan(self, duration: float | None) -> TextPlan:
        """The mean expression as a plan of one event."""
        row = expressions(self.reference.mean(), self.intensity)[0]
        au = {name: float(row[index]) for name, index in AU_INDEX.items() if row[index] > 0.0}
        event = Event(0.0, 1.0 if duration is None else duration, au, text="as the reference", sustained=True)
        return TextPlan((event,), duration)


def read_reference(source: Source, *, space: EmotionSpace | None = None) -> Reference:
    """What a face or a voice expresses; call it only when that was asked for.

    Args:
        source: a face over time, or a recording of one speaker.
        space: the emotion space; None takes the one that ships.

    Raises:
        InputError: too short, silent, no voice in it, values that are not numbers.
    """
    space = space or load_space()
    middles, made = _embedded(source, space)
    return _reference(middles, _shares(made.vectors, space, "voice" if isinstance(source, Waveform) else "motion"), made.strength)


def reference_of(vector: Float[Tensor, " D"], strength: float, modality: Modality, space: EmotionSpace) -> Reference:
    """A single place of the space as a reference."""
    return _reference([0.5], _shares(vector[None], space, modality), torch.tensor([strength]))


def expressions(reference: Reference, gain: float = 1.0) -> Float[Tensor, "W A"]:
    """The action units of each window, without the articulators.

    Raises:
        InputError: a gain outside 0..1.3.
    """
    if not 0.0 <= gain <= MAX_GAIN:
        raise InputError(f"intensity must be between 0 and {MAX_GAIN}, got {gain:g}")
    rows = []
    for shares, strength in zip(reference.shares, reference.strength.tolist(), strict=True):
        levels = _prototypes(round(min(max(strength * gain, 0.0), MAX_GAIN), 2))
        # Faint traces of other states would ask channels to hold still that nobody would name.
        rows.append(((shares @ levels - TRACE) / (1.0 - TRACE)).clamp(0.0, 1.0))
    return torch.stack(rows)


def place_of(source: Source, space: EmotionSpace) -> Float[Tensor, " D"]:
    """The mean place of a face or a voice in the space, of unit length; call it only when that was asked for.

    Raises:
        InputError: as of `read_reference`.
    """
    return functional.normalize(_embedded(source, space)[1].vectors.mean(0), dim=0)


def _embedded(source: Source, space: EmotionSpace) -> tuple[list[float], Embedded]:
    """Window by window: its middle as a share of the whole, and where it is."""
    if isinstance(source, Waveform):
        return _heard(source, space)
    track = face_of_motion(source) if isinstance(source, HeadMotion) else source
    shown = replace(track, weight=(track.weight > 0).to(track.weight))
    parts = [_part(shown, start, stop) for start, stop in _windows(track.n_frames / track.fps)]
    return [middle for _, middle in parts], space.motion([part for part, _ in parts])


def _heard(audio: Waveform, space: EmotionSpace) -> tuple[list[float], Embedded]:
    vectors, middles, complaint = [], [], None
    for start, stop in _windows(audio.duration):
        part = replace(audio, samples=audio.samples[round(start * audio.sample_rate) : round(stop * audio.sample_rate)])
        try:
            vectors.append(space.voice([part]).vectors[0])
            middles.append((start + stop) / 2 / audio.duration)
        except InputError as error:  # a pause in a long recording is no fault; nothing but pauses is
            complaint = error
    if not vectors:
        raise complaint or InputError("no voice was heard in this recording; give clear speech")
    # How strong an actor meant it was never told: a voice is as strong as its emotion is sure.
    return middles, Embedded(torch.stack(vectors), torch.ones(len(vectors)))


def _reference(middles: list[float], shares: Float[Tensor, "W K"], strength: Float[Tensor, " W"]) -> Reference:
    return Reference(torch.tensor(middles), shares, strength.clamp(0.0, MAX_GAIN))


def _shares(vectors: Float[Tensor, "W D"], space: EmotionSpace, modality: Modality) -> Float[Tensor, "W K"]:
    """How alike vectors are to the labels of the states, as shares of all; voices know the classes alone."""
    among = CLASSES if modality == "voice" else tuple(states())
    sharpness = _UNSURE if modality == "voice" else _SURE
    near = functional.softmax(sharpness * vectors @ space.label(list(among)).vectors.T, dim=1)
    shares = torch.zeros(len(near), len(states()))
    shares[:, [list(states()).index(name) for name in among]] = near
    return shares


def _windows(duration: float) -> list[tuple[float, float]]:
    """Starts and ends in seconds; one window when there is not more than that."""
    if duration <= WINDOW + HOP:
        return [(0.0, duration)]
    count = int((duration - WINDOW) / HOP) + 1
    return [(index * HOP, index * HOP + WINDOW) for index in range(count)]


def _part(track: AUTrack, start: float, stop: float) -> tuple[AUTrack, float]:
    frames = slice(round(start * track.fps), round(stop * track.fps))
    columns = (track.intensity, track.weight, track.gaze, track.head_rotation, track.pose_weight)
    return AUTrack(track.fps, *(values[frames] for values in columns)), (start + stop) / 2 * track.fps / track.n_frames


@lru_cache(maxsize=256)
def _prototypes(gain: float) -> Float[Tensor, "K A"]:
    """The action units of every state at a gain, without the articulators."""
    rows = torch.zeros(len(states()), N_AU)
    for index, concept in enumerate(states().values()):
        for name, value in scaled(concept.expression, gain).au.items():
            rows[index, AU_INDEX[name]] = value
    rows[:, [index for index, name in enumerate(AU_NAMES) if name in ARTICULATORS]] = 0.0
    return rows
