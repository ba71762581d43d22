"""Everything that was asked for, in one track: the single call of the pipeline and the command line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from controllers.base import Controller
from controllers.blend import blend
from controllers.doubts import understood
from controllers.keyframes import KeyframeController
from controllers.labels import LabelController
from controllers.plan import TextPlan, plan_to_track
from controllers.sliders import SliderController
from controllers.text_to_au import MAX_GAIN
from controllers.understanding import DEFAULT_READING, Reading
from emohead.errors import InputError
from emohead.types import AUTrack


@dataclass(frozen=True)
class ControlResult:
    """What was asked for and how it was understood."""

    track: AUTrack
    """The blend of all that was asked for."""
    plan: TextPlan
    """What the sentence was taken to mean; without events when there was none."""
    warnings: tuple[str, ...]
    """One line for each thing that was not understood."""


def control(
    n_frames: int,
    fps: float,
    *,
    sentence: str | None = None,
    label: str | None = None,
    sliders: Sequence[str] = (),
    intensity: float = 1.0,
    strict: bool = False,
    reading: Reading = DEFAULT_READING,
    seed: int = 0,
    guessed: Sequence[Controller] = (),
    keyframes: KeyframeController | None = None,
    tags: TextPlan | None = None,
) -> ControlResult:
    """One track from guesses, a label, a sentence, tags, keyframes and slider values; each of these wins over those before it.

    Args:
        n_frames: length of the track.
        fps: frames per second.
        sentence: English, at most 2,000 characters.
        label: `happy` or `happy:0.8`.
        sliders: such as `AU12=0.6`; not scaled by `intensity`.
        intensity: multiplier of label and sentence, 0..1.3.
        strict: unknown words in the sentence are an error.
        reading: what guesses the meaning of words that no table lists.
        seed: seed of the small variations of moods.
        guessed: what was read from voices and faces (`voice.VoiceController`, `reference.ReferenceController`); later ones win.
        tags: the plan of a script's tags (`tags.script_to_plan`), made with the same intensity.
        keyframes: curves (`keyframe_files.read_keyframes`); not scaled by `intensity`.

    Raises:
        InputError: anything asked for is unknown or out of range.
    """
    if not (math.isfinite(intensity) and 0.0 <= intensity <= MAX_GAIN):
        raise InputError(f"intensity must be between 0 and {MAX_GAIN}, got {intensity}")
    plan = understood(sentence or "", duration=n_frames / fps, intensity=intensity, strict=strict, reading=reading)
    tracks = [AUTrack.neutral(n_frames, fps), *(controller(n_frames, fps) for controller in guessed)]
    if label is not None:
        tracks.append(LabelController(label, intensity, seed)(n_frames, fps))
    tracks.append(plan_to_track(plan, n_frames, fps, seed=seed))
    warnings = list(plan.warnings)
    if tags is not None:
        tracks.append(plan_to_track(tags, n_frames, fps, seed=seed))
        warnings += tags.warnings
    if keyframes is not None:
        tracks.append(keyframes(n_frames, fps))
        if keyframes.source.end > n_frames / fps + 0.5 / fps:
            warnings.append(f"the keyframes go on until {keyframes.source.end:.2f} s, the clip ends at {n_frames / fps:.2f} s")
    tracks.append(SliderController(tuple(sliders))(n_frames, fps))
    return ControlResult(blend(tracks), plan, tuple(warnings))
