"""Editing a performance: keyframes, locked channels, spans that are drawn anew while the rest stays to the bit.

Given frames and channels enter the diffusion clean, at every step (3DiFACE, arXiv 2509.26233). What must be exact is exact afterwards:
outside a span and its margin the original frames are returned themselves, a keyframe's remaining error is taken out around it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.head.gaze import with_gaze
from emohead.metrics.motion import blink_onsets
from emohead.motion import blinks
from emohead.motion.articulation import frame_times, sample
from emohead.motion.diffusion_engine import DiffusionEngine
from emohead.motion.envelopes import minimum_jerk
from emohead.motion.sampling import FPS
from emohead.motion.vector import CHANNELS, GROUPS, INDEX, RIG_CHANNELS, columns_of, to_vectors
from emohead.types import AUTrack, HeadMotion, PhonePosteriors, PhoneSegment, Waveform

MARGIN = 0.2
"""Seconds on both sides of a span in which old and new motion are blended."""
KEY_SURROUNDINGS = 0.5
"""Seconds on both sides of keyframes that are drawn anew where no span is given."""
_KEY_REACH = 0.12
"""Seconds around a keyframe in which what is left of its error is taken out."""
_LIDS = [RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"]]


@dataclass(frozen=True)
class Keyframe:
    """What some channels must be at one time."""

    time: float
    """Seconds."""
    values: Mapping[str, float]
    """Channel of `motion.vector.CHANNELS` to its value (coefficients 0..1, radians, metres)."""


@dataclass(frozen=True)
class Edit:
    """What to keep and what to change; everything together is allowed."""

    span: tuple[float, float] | None = None
    """Seconds that are drawn anew; None draws the surroundings of the keyframes, or the whole clip where there are none."""
    keyframes: Sequence[Keyframe] = ()
    """What must be met."""
    locked: Sequence[str] = ()
    """Channels, or groups (mouth, upper, head, gaze), that stay as they are."""

    def drawn(self, duration: float) -> tuple[float, float] | None:
        """Seconds of a clip of `duration` that are drawn anew, None for all of it."""
        if self.span is not None or not self.keyframes:
            return self.span
        times = [key.time for key in self.keyframes]
        return max(0.0, min(times) - KEY_SURROUNDINGS), min(duration, max(times) + KEY_SURROUNDINGS)


def edited(
    engine: DiffusionEngine,
    original: HeadMotion,
    edit: Edit,
    audio: Waveform,
    speech: PhonePosteriors | Sequence[PhoneSegment],
    *,
    prompt: AUTrack | None = None,
    seed: int = 0,
) -> HeadMotion:
    """The performance with an edit applied.

    Frames further than `MARGIN` from the span are those of `original`, to the bit; locked channels keep their values; keyframes are met
    at the frames next to their times. Lips that speech must shut stay shut, except where a keyframe of the mouth says otherwise.

    Args:
        engine: draws what is new.
        original: the performance, at its frame rate.
        edit: what to change.
        audio: its voice.
        speech: what is said.
        prompt: what is asked for, as many frames as `original`.
        seed: another seed, another take.

    Raises:
        InputError: an unknown channel, a span or keyframe outside the clip, a value out of range.
    """
    n_frames, fps = original.n_frames, original.fps
    check_edit(edit, n_frames / fps)
    edit = replace(edit, span=edit.drawn(n_frames / fps))
    locked = _columns(edit.locked)
    vectors = vectors_of(original)
    n_drawn = 2 * ((round(n_frames / fps * FPS) + 1) // 2)
    times = frame_times(n_drawn, FPS)
    wanted = sample(vectors, fps, times)
    mask = torch.zeros_like(wanted)
    if edit.span:
        start, stop = edit.span
        mask[(times < start) | (times > stop)] = 1.0
    mask[:, locked] = 1.0
    for key in edit.keyframes:
        near = (times - key.time).abs() <= 1.0 / FPS
        for name, value in key.values.items():
            wanted[near, INDEX[name]], mask[near, INDEX[name]] = value, 1.0
    drawn = engine(audio, speech, prompt=prompt, fps=fps, seed=seed, given=(wanted, mask))
    return _exact(original, drawn, edit, locked)


def vectors_of(motion: HeadMotion) -> Float[Tensor, "T M"]:
    """Any motion as vectors: its blinks are found and taken off the lids."""
    closure = blinks.blink_closure(motion.n_frames, motion.fps, blink_onsets(motion))
    lids = motion.rig[:, _LIDS]
    opened = ((lids - closure[:, None]) / (1.0 - closure[:, None]).clamp(min=0.05)).clamp(0.0, 1.0)
    # While a blink has nearly shut the lids, what they do otherwise cannot be seen.
    hidden = closure[:, None] > 0.8
    rest = torch.where(hidden, lids.median(0).values.expand_as(lids), opened)
    rig = motion.rig.clone()
    rig[:, _LIDS] = torch.where(closure[:, None] > 0.02, rest, lids)
    return to_vectors(replace(motion, rig=rig), closure)


def _exact(original: HeadMotion, drawn: HeadMotion, edit: Edit, locked: list[int]) -> HeadMotion:
    """The drawn motion with everything that was promised to stay put back, and keyframes met."""
    times = frame_times(original.n_frames, original.fps)
    result = _met(drawn, edit.keyframes, times)
    kept_rig = [RIG_INDEX[name] for name in RIG_CHANNELS if INDEX[name] in locked]
    rig = result.rig.clone()
    rig[:, kept_rig] = original.rig[:, kept_rig]
    result = replace(result, rig=rig)
    names = {CHANNELS[column] for column in locked}
    if {"gazeYaw", "gazePitch"} <= names:
        result = with_gaze(result, original.gaze)
    if {"headPitch", "headYaw", "headRoll"} <= names:
        result = replace(result, head_rotation=original.head_rotation, torso_rotation=original.torso_rotation)
    if {"translationX", "translationY", "translationZ"} <= names:
        result = replace(result, translation=original.translation)
    return result if edit.span is None else _spliced(original, result, edit.span, times)


def _met(motion: HeadMotion, keyframes: Sequence[Keyframe], times: Float[Tensor, " T"]) -> HeadMotion:
    rig, head, translation, gaze = motion.rig.clone(), motion.head_rotation.clone(), motion.translation.clone(), motion.gaze.clone()
    for key in keyframes:
        # A key between two frames is met by both; others are moved as the nearer of these is.
        near = ((times - key.time).abs() <= 0.501 / motion.fps).nonzero()[:, 0]
        nearest = torch.arange(len(times)).clamp(int(near[0]), int(near[-1]))
        share = minimum_jerk(1.0 - ((times - key.time).abs() - 0.501 / motion.fps).clamp(min=0.0) / _KEY_REACH).to(rig)
        for name, value in key.values.items():
            if name in RIG_INDEX:
                column = rig[:, RIG_INDEX[name]]
            elif name.startswith("head"):
                column = head[:, ("headPitch", "headYaw", "headRoll").index(name)]
            elif name.startswith("translation"):
                column = translation[:, "XYZ".index(name[-1])]
            elif name.startswith("gaze"):
                column = gaze[..., ("gazeYaw", "gazePitch").index(name)]
            else:
                continue
            column += share.reshape(-1, *[1] * (column.dim() - 1)) * (value - column[nearest])
    return with_gaze(replace(motion, rig=rig.clamp(0.0, 1.0), head_rotation=head, translation=translation), gaze)


def _spliced(original: HeadMotion, drawn: HeadMotion, span: tuple[float, float], times: Float[Tensor, " T"]) -> HeadMotion:
    """Original frames outside the span and its margins, drawn ones inside, a smooth change between."""
    outside = torch.maximum(span[0] - times, times - span[1]).clamp(min=0.0)
    share = minimum_jerk(1.0 - outside / MARGIN).to(original.rig)

    def blend(name: str) -> Tensor:
        old, new = getattr(original, name), getattr(drawn, name)
        weight = share.reshape(-1, *[1] * (old.dim() - 1))
        return torch.where(weight == 0, old, old + weight * (new - old))

    fields = ("rig", "head_rotation", "torso_rotation", "translation", "gaze")
    return replace(original, **{name: blend(name) for name in fields})


def _columns(names: Sequence[str]) -> list[int]:
    columns: set[int] = set()
    for name in names:
        columns |= set(columns_of(name)) if name in GROUPS else {INDEX[name]}
    return sorted(columns)


def check_edit(edit: Edit, duration: float) -> None:
    """Refuse an edit that a clip of `duration` seconds cannot have.

    Raises:
        InputError: an unknown channel, a span or keyframe outside the clip, a value out of range.
    """
    known = set(CHANNELS)
    for name in edit.locked:
        if name not in known and name not in GROUPS:
            raise InputError(f"cannot lock {name!r}; give a group ({', '.join(GROUPS)}) or a channel such as jawOpen or headYaw")
    if edit.span and not 0.0 <= edit.span[0] < edit.span[1] <= duration + 1e-6:
        raise InputError(f"the span {edit.span[0]:g} to {edit.span[1]:g} s is not within the clip's {duration:.2f} s")
    for key in edit.keyframes:
        if not 0.0 <= key.time <= duration:
            raise InputError(f"a keyframe at {key.time:g} s is not within the clip's {duration:.2f} s")
        for name, value in key.values.items():
            if name not in known or name == "blink":
                raise InputError(
                    f"unknown channel {name!r} in a keyframe; use rig channels such as jawOpen, or headYaw, gazePitch, translationX"
                )
            low, high = (0.0, 1.0) if name in RIG_INDEX else (-1.0, 1.0)
            if not low <= value <= high:
                raise InputError(f"keyframe {name}={value:g} at {key.time:g} s: give a value {low:g}..{high:g}")
