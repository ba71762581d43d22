"""The rule engine: phones (timed or probable), the voice and an AU prompt in, head motion out. No learned weights.

It is the fallback of every other generator, the teacher of the diffusion and the baseline that it must beat. Everything is drawn and
computed at 100 fps and then read at the frame rate asked for, so the same seed makes the same performance at 25 and at 60 fps;
the lip constraints come last, at the output's own rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError
from emohead.head.action_units import au_to_rig
from emohead.head.gaze import gaze_to_rig
from emohead.motion import blinks, closures, expression, head_motion
from emohead.motion.articulation import (
    INNER_FPS,
    articulate_posteriors,
    articulate_segments,
    emphasise,
    frame_times,
    part_before,
    sample,
    smooth,
)
from emohead.motion.compose import compose, speech_to_rig
from emohead.motion.gaze_motion import GazePlan, plan_gaze
from emohead.motion.mood import Mood, read_mood
from emohead.motion.phone_targets import PhoneTargets, load_targets
from emohead.motion.phones import PHONES
from emohead.motion.prosody import Prosody, analyse
from emohead.types import AUTrack, HeadMotion, PhonePosteriors, PhoneSegment, Waveform

LONGEST_CLIP = 4 * 3600.0
"""Seconds accepted."""
ENGAGED_REACH, ENGAGED_FADE = 0.3, 0.12
"""Seconds before and after a sound for which speech keeps the mouth from expressions, and in which it lets go."""


@dataclass(frozen=True)
class RuleConfig:
    """A speaking style; `build()` makes the engine."""

    articulation: float = 1.0
    """Factor on jaw and lip opening in speech, 0.3..1.5."""
    rounding: float = 1.0
    """Factor on lip rounding, 0..1.5."""
    emphasis: float = 0.05
    """How much louder means wider, 0 (not at all) .. 0.5; filmed mouths follow their phones better than their loudness."""
    breath: float = 1.0
    """How far the lips part before speech begins, 0..1."""
    lead: float = 0.0
    """Seconds by which the mouth's shapes come before the sound, 0..0.06; 0 is in step with filmed mouths."""
    muscle: float = 0.02
    """Seconds of smoothing of lips and jaw before the constraints, 0..0.05."""
    closure_threshold: float = closures.CLOSURE_THRESHOLD
    """Probability of /p b m/ at which lips are about half shut, 0.05..0.9; the recogniser's own where it has one."""
    head: float = 1.0
    """Factor on head movement, 0..2."""
    nod_probability: float = 0.65
    """Of a nod on an accent, 0..1."""
    flash_probability: float = 0.5
    """Of a brow raise on an accent, 0..1."""
    stir: float = 0.025
    """Intensity of the face's small movements, 0..0.1."""
    smile: float = 0.0
    """Constant friendly AU12 where no other was asked for, 0..0.5."""
    blink_rate: float = 20.0
    """Blinks per minute while speaking, 0.5..60; a listener blinks 0.7 times as often."""
    glance: float = 0.6
    """Size of glances away against Eyes Alive, 0..1; whoever looks into a camera looks away less far."""
    away: float = 0.6
    """How often and long the eyes leave the listener against Eyes Alive, 0.05..2."""

    def build(self) -> "RuleEngine":
        """The engine with this style."""
        return RuleEngine(self)


STYLES: dict[str, RuleConfig] = {
    "default": RuleConfig(),
    "calm": RuleConfig(
        articulation=0.9, head=0.65, nod_probability=0.45, flash_probability=0.3, stir=0.015, blink_rate=16.0, glance=0.45, away=0.5
    ),
    "lively": RuleConfig(
        articulation=1.12, emphasis=0.2, head=1.35, nod_probability=0.8, flash_probability=0.7, stir=0.035, smile=0.12, blink_rate=23.0
    ),
    "presenter": RuleConfig(articulation=1.05, head=0.9, nod_probability=0.7, flash_probability=0.6, smile=0.1, glance=0.3, away=0.15),
}
"""Named styles."""


@dataclass(frozen=True)
class RuleEngine:
    """Makes head motion by rule."""

    config: RuleConfig

    def __call__(
        self,
        audio: Waveform,
        speech: PhonePosteriors | Sequence[PhoneSegment],
        *,
        prompt: AUTrack | None = None,
        fps: float = 25.0,
        seed: int = 0,
    ) -> HeadMotion:
        """The motion of a head that speaks `audio`.

        Args:
            audio: the voice; only loudness and pitch are read from it.
            speech: what is said, as phone probabilities or as timed phones; time without a phone is silence.
            prompt: what was asked for, with as many frames as the result; None asks for nothing.
            fps: frames per second of the result, 1..240.
            seed: one seed gives one result.

        Returns:
            round(duration * fps) frames, at least one.

        Raises:
            InputError: a frame rate, prompt or waveform that cannot be used.
        """
        return blinks.with_blinks(*self.parts(audio, speech, prompt=prompt, fps=fps, seed=seed))

    def parts(
        self,
        audio: Waveform,
        speech: PhonePosteriors | Sequence[PhoneSegment],
        *,
        prompt: AUTrack | None = None,
        fps: float = 25.0,
        seed: int = 0,
        held: bool = True,
    ) -> tuple[HeadMotion, Float[Tensor, " T"]]:
        """The motion without blinks, and how far blinks close the lids (0..1); arguments and errors as of a call.

        Without `held` the lips are as they are before `closures.hold`: on their way to what speech insists on, but not made to meet.
        """
        n_frames = _check(audio, speech, prompt, fps)
        n_inner = max(1, math.ceil(n_frames / fps * INNER_FPS))
        generators = _generators(seed, 5)
        prosody = analyse(audio, speech, n_inner)
        mood = _mood(prompt, n_inner)
        gaze = plan_gaze(
            n_frames / fps,
            prosody.phrases,
            amplitude=self.config.glance,
            away_share=self.config.away,
            generator=generators[0],
        )
        turned = head_motion.rotation(
            prosody, gaze, mood, gain=self.config.head, nod_probability=self.config.nod_probability, generator=generators[1]
        )
        moved = head_motion.translation(turned, mood, generator=generators[2])
        closure = self._blinks(prosody, gaze, mood, n_frames, fps, generators[3])
        units = self._expression(prosody, prompt, n_frames, fps, generators[4])
        times = frame_times(n_frames, fps)
        rig = self._mouth(speech, prosody, mood, units, fps, held=held)
        head = sample(turned, INNER_FPS, times)
        eyes = _eyes(gaze, head, prompt, times)
        rig = torch.clamp(rig + gaze_to_rig(eyes), 0.0, 1.0)
        if prompt is not None:
            head = head + prompt.pose_weight[:, 1:] * prompt.head_rotation
        torso = sample(head_motion.torso_rotation(turned), INNER_FPS, times)
        return HeadMotion(fps, rig, head, torso, sample(moved, INNER_FPS, times), eyes), closure

    def _mouth(
        self,
        speech: PhonePosteriors | Sequence[PhoneSegment],
        prosody: Prosody,
        mood: Mood,
        units: Float[Tensor, "T A"],
        fps: float,
        *,
        held: bool,
    ) -> Float[Tensor, "T R"]:
        """Speech, expression and, if `held`, constraints as one rig."""
        n_frames, n_inner = units.shape[0], prosody.activity.shape[0]
        constraints = self._constraints(speech, n_frames, fps)
        shapes = emphasise(_articulate(speech, n_inner, load_targets()), prosody.energy, amount=self.config.emphasis)
        closing = self._constraints(speech, n_inner, INNER_FPS).bilabial
        shapes = part_before(shapes, [phrase.start for phrase in prosody.phrases], closing, amount=self.config.breath)
        rig = speech_to_rig(shapes, mood, gain=self.config.articulation, rounding=self.config.rounding)
        times = frame_times(n_frames, fps)
        spoken = sample(smooth(rig, INNER_FPS, self.config.muscle), INNER_FPS, times + self.config.lead)
        talking = sample(smooth(prosody.activity[:, None], INNER_FPS, 0.08), INNER_FPS, times)[:, 0]
        engaged = sample(_engaged(prosody.activity)[:, None], INNER_FPS, times)[:, 0]
        free = compose(spoken, au_to_rig(units), constraints, engaged)
        return closures.hold(free, constraints, talking) if held else free

    def _constraints(self, speech: PhonePosteriors | Sequence[PhoneSegment], n_frames: int, fps: float) -> closures.Constraints:
        if isinstance(speech, PhonePosteriors):
            return closures.constraints_of_posteriors(speech, n_frames, fps, threshold=self.config.closure_threshold)
        return closures.constraints_of_segments(speech, n_frames, fps)

    def _blinks(
        self, prosody: Prosody, gaze: GazePlan, mood: Mood, n_frames: int, fps: float, generator: torch.Generator
    ) -> Float[Tensor, " T"]:
        """Lid closure per output frame."""
        talking = smooth(prosody.activity[:, None], INNER_FPS, 0.5)[:, 0]
        rate = self.config.blink_rate * (0.7 + 0.3 * talking) * mood.blink_gain
        anchors = [*(phrase.end for phrase in prosody.phrases), *gaze.shifts]
        onsets = blinks.blink_times(n_frames / fps, rate, INNER_FPS, anchors=anchors, generator=generator)
        return blinks.blink_closure(n_frames, fps, onsets, slowness=1.0 + 0.6 * float(mood.drowsiness.mean()))

    def _expression(
        self, prosody: Prosody, prompt: AUTrack | None, n_frames: int, fps: float, generator: torch.Generator
    ) -> Float[Tensor, "T A"]:
        """Action units per output frame: the face's own, and the prompt's where it asked."""
        own = expression.own_expression(
            prosody, flash_probability=self.config.flash_probability, stir=self.config.stir, smile=self.config.smile, generator=generator
        )
        return expression.obey(sample(own, INNER_FPS, frame_times(n_frames, fps)), prompt)


def style_named(name: str) -> RuleConfig:
    """The style of that name.

    Raises:
        InputError: there is none.
    """
    if name not in STYLES:
        raise InputError(f"unknown style {name!r}; use one of {', '.join(STYLES)}")
    return STYLES[name]


def with_closure_threshold(config: RuleConfig, threshold: float) -> RuleConfig:
    """The style with a recogniser's calibrated closure threshold."""
    return replace(config, closure_threshold=threshold)


def _articulate(speech: PhonePosteriors | Sequence[PhoneSegment], n_inner: int, targets: PhoneTargets) -> Float[Tensor, "T M"]:
    if not isinstance(speech, PhonePosteriors):
        return articulate_segments(speech, n_inner, targets)
    return sample(articulate_posteriors(speech, targets), speech.fps, frame_times(n_inner, INNER_FPS))


def _engaged(activity: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
    """How far speech has the mouth, 0..1: it keeps it between words, where a dropped jaw would otherwise burst through."""
    reach = round(ENGAGED_REACH * INNER_FPS)
    sure = ((activity - 0.2) / 0.6).clamp(0.0, 1.0)
    held = torch.nn.functional.max_pool1d(sure[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0]
    return smooth(held[:, None], INNER_FPS, ENGAGED_FADE)[:, 0].clamp(0.0, 1.0)


def _mood(prompt: AUTrack | None, n_inner: int) -> Mood:
    """The prompt's mood at INNER_FPS, changing no faster than a mood does."""
    if prompt is None:
        return read_mood(torch.zeros(n_inner, AUTrack.neutral(1, 25.0).intensity.shape[1]))
    asked = sample(prompt.intensity * prompt.weight, prompt.fps, frame_times(n_inner, INNER_FPS))
    return read_mood(smooth(asked, INNER_FPS, 0.2).clamp(0.0, 1.0))


def _eyes(gaze: GazePlan, head: Float[Tensor, "T 3"], prompt: AUTrack | None, times: Float[Tensor, " T"]) -> Float[Tensor, "T 2 2"]:
    """Both eyes against the head: they hold their target while the head turns."""
    direction = gaze.at(times) - head[:, [1, 0]]
    if prompt is not None:
        asked = prompt.pose_weight[:, :1]
        direction = direction * (1 - asked) + prompt.gaze * asked
    limits = torch.tensor([blinks.EYE_YAW_LIMIT, blinks.EYE_PITCH_LIMIT])
    return direction[:, None].repeat(1, 2, 1).clamp(-limits, limits)


def _generators(seed: int, count: int) -> list[torch.Generator]:
    """Independent streams, so that a change in one behaviour does not reshuffle the others."""
    return [torch.Generator().manual_seed((seed * 1_000_003 + index * 7919 + 12345) % 2**63) for index in range(count)]


def _check(audio: Waveform, speech: PhonePosteriors | Sequence[PhoneSegment], prompt: AUTrack | None, fps: float) -> int:
    """The number of output frames, or an error that says what is wrong."""
    if not 1.0 <= fps <= 240.0:
        raise InputError(f"fps must be 1..240, got {fps}")
    if audio.duration > LONGEST_CLIP:
        raise InputError(f"the audio is {audio.duration / 3600:.1f} h long, the limit is {LONGEST_CLIP / 3600:.0f} h; cut it into parts")
    if not bool(torch.isfinite(audio.samples).all()):
        raise InputError("the audio has NaN or infinite samples; export it again or repair it in an audio editor")
    if not isinstance(speech, PhonePosteriors):
        unknown = sorted({segment.phone for segment in speech} - set(PHONES))
        if unknown:
            raise InputError(f"unknown phones {', '.join(unknown)}; use the ARPAbet set: {' '.join(PHONES)}")
    n_frames = max(1, round(audio.duration * fps))
    if prompt is not None and (prompt.n_frames != n_frames or prompt.fps != fps):
        raise InputError(
            f"the prompt has {prompt.n_frames} frames at {prompt.fps} fps, this audio at {fps} fps needs {n_frames}; make it that long"
        )
    return n_frames
