"""Generators against motions that are known: tracked films, a corpus, or the rule engine told the phones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.data.clip_folder import CorpusClip
from emohead.data.measuring_speech import Utterance
from emohead.head.action_units import CHANNELS
from emohead.head.generic import GenericHead
from emohead.head.measure import lip_gap
from emohead.metrics import vertices as mesh
from emohead.metrics.beats import beat_alignment, head_beats, voice_beats
from emohead.metrics.judged import Pair, emotion_figures, sync_figures
from emohead.metrics.judges import JUDGE_FPS, MotionJudges, lips_of_mesh
from emohead.metrics.lip import best_lag, lag_correlation, speech_mask
from emohead.metrics.motion import blink_rate, jitter
from emohead.metrics.speech_scores import Build, Hear, Prompt, Scores, spoken_parts
from emohead.metrics.theval import GeometricScores, closeness, geometric_scores, mean_scores, overall
from emohead.metrics.variety import UPPER_REGIONS, group_values, std_ratio
from emohead.motion.baselines import Voice
from emohead.motion.generators import MotionGenerator
from emohead.types import AUTrack, HeadMotion, PhoneSegment, Waveform

LONGEST = 20.0
"""Seconds of each clip that are used."""
TEACHER_SEED = 1_000_003
"""Of the teacher's first clip; generators get 0, 1, .. so that blinks of short clips do not fall alike."""


@dataclass(frozen=True)
class TruthClip:
    """A voice and what a head did to it."""

    name: str
    audio: Waveform
    """As long as the motion."""
    motion: HeadMotion
    prompt: AUTrack | None = None
    """What generators are asked for beside the voice."""
    mood: str | None = None
    """The emotion that this is, by a name of `judges.EMOTIONS`; None if nobody knows."""


@dataclass(frozen=True)
class _Face:
    """A motion and what is measured on it."""

    motion: HeadMotion
    vertices: Float[Tensor, "T V 3"]
    gap: Float[Tensor, " T"]


def clip_of_corpus(name: str, clip: CorpusClip, *, prompted: bool) -> TruthClip | None:
    """A clip of a corpus as a truth; None for a silent one.

    Args:
        name: the clip's.
        clip: what the corpus has.
        prompted: ask generators for the clip's brows, eyes, nose and cheeks; its mouth never is, which would give the answer away.
    """
    if clip.audio is None:
        return None
    n_frames = min(clip.motion.n_frames, int(LONGEST * clip.motion.fps))
    motion = clip.motion.frames(0, n_frames)
    wanted = round(n_frames / motion.fps * clip.audio.sample_rate)
    samples = torch.nn.functional.pad(clip.audio.samples[:wanted], (0, max(0, wanted - len(clip.audio.samples))))
    prompt = _upper_face(clip.au, n_frames) if prompted and clip.au.fps == motion.fps and clip.au.n_frames >= n_frames else None
    return TruthClip(name, replace(clip.audio, samples=samples), motion, prompt)


def clip_of_teacher(
    utterance: Utterance, teacher: MotionGenerator, mood: str, moods: Mapping[str, Prompt], *, seed: int = TEACHER_SEED, fps: float = 25.0
) -> TruthClip:
    """What the teacher does when it is told the phones and asked for a mood of `moods`, or for none by another name (`neutral`)."""
    n_frames = max(1, round(utterance.audio.duration * fps))
    prompt = moods[mood](n_frames, fps) if mood in moods else None
    motion = teacher(utterance.audio, utterance.phones, prompt=prompt, fps=fps, seed=seed)
    return TruthClip(utterance.name, utterance.audio, motion, prompt, mood)


def truth_scores(clips: Sequence[TruthClip], build: Build, head: GenericHead, hear: Hear, judges: MotionJudges) -> Scores:
    """Mean over clips of every measure that needs a truth; see docs/motion-metrics.md for each.

    Args:
        clips: at least one.
        build: makes the generator.
        head: the generic head.
        hear: the phone recogniser.
        judges: the lip-sync expert and the emotion encoder.
    """
    voices = [Voice(clip.audio, hear(clip.audio)) for clip in clips]
    engine, rows, made_faces, true_faces = build(voices), [], [], []
    for seed, (clip, voice) in enumerate(zip(clips, voices, strict=True)):
        made = _face(head, engine(voice.audio, voice.speech, prompt=clip.prompt, fps=clip.motion.fps, seed=seed))
        true, spoken = _face(head, clip.motion), spoken_parts(hear(clip.audio))
        rows.append(_errors(head, made, true) | _agreement(made, true, clip.audio, spoken))
        for faces, face in ((made_faces, made), (true_faces, true)):
            geometry = geometric_scores(head, face.vertices, face.motion, clip.audio, spoken)
            faces.append(_judged(head, judges, face, clip, spoken, geometry))
    scores = {name: _mean([row[name] for row in rows]) for name in rows[0]}
    for group in ("mouth", "upper", "head"):
        scores[f"{group}_std_ratio"] = std_ratio([face.motion for face in made_faces], [face.motion for face in true_faces], group)
    found, wanted = (mean_scores([face.geometry for face in faces]) for faces in (made_faces, true_faces))
    for field in fields(GeometricScores):
        value, target = getattr(found, field.name), getattr(wanted, field.name)
        scores |= {f"theval_{field.name}": value, f"theval_{field.name}_score": closeness(value, target)}
    scores |= sync_figures([face.pair for face in made_faces], "") | sync_figures([face.pair for face in true_faces], "_true")
    scores |= emotion_figures(
        [face.emotion for face in made_faces], [face.emotion for face in true_faces], [clip.mood for clip in clips], judges
    )
    return {**scores, "theval_mean_score": overall(found, wanted), "clips": float(len(clips))}


@dataclass(frozen=True)
class _Judged:
    """A face as the judges and THEval see it."""

    motion: HeadMotion
    pair: Pair
    emotion: Float[Tensor, " E"]
    geometry: GeometricScores


def _judged(
    head: GenericHead, judges: MotionJudges, face: _Face, clip: TruthClip, spoken: list[PhoneSegment], geometry: GeometricScores
) -> _Judged:
    voice = judges.voice(clip.audio)
    lips = judges.lips(lips_of_mesh(head, face.vertices, face.motion.fps))
    return _Judged(face.motion, Pair(voice, lips, speech_mask(spoken, len(voice), JUDGE_FPS)), judges.emotion(face.motion), geometry)


def _errors(head: GenericHead, made: _Face, true: _Face) -> Scores:
    lips, upper, face = mesh.lip_region(head), mesh.upper_region(head), mesh.face_region(head)
    return {
        "lve_mm": mesh.lip_vertex_error(made.vertices, true.vertices, lips),
        "lve_rms_mm": mesh.lip_vertex_error(made.vertices, true.vertices, lips, root_mean_square=True),
        "lve_centred_mm": mesh.lip_vertex_error(mesh.centred(made.vertices), mesh.centred(true.vertices), lips),
        "mve_mm": mesh.mean_vertex_error(made.vertices, true.vertices, face),
        "fdd_mm": mesh.dynamics_deviation(made.vertices, true.vertices, head.neutral, upper),
        "mod_mm": mesh.mouth_opening_difference(made.gap, true.gap),
    }


def _agreement(made: _Face, true: _Face, audio: Waveform, spoken: list[PhoneSegment]) -> Scores:
    mask = speech_mask(spoken, true.motion.n_frames, true.motion.fps)
    voice = voice_beats(audio)
    return {
        "opening_r": lag_correlation(made.gap, true.gap, mask, shift=0) if bool(mask.any()) else math.nan,
        "lag_ms": 1000 * best_lag(made.gap, true.gap, mask, fps=true.motion.fps) if bool(mask.any()) else math.nan,
        "beat_alignment": beat_alignment(head_beats(made.motion), voice),
        "beat_alignment_true": beat_alignment(head_beats(true.motion), voice),
        "blinks_per_minute": blink_rate(made.motion),
        "blinks_per_minute_true": blink_rate(true.motion),
        "jitter_ratio": _ratio(jitter(group_values(made.motion, "mouth")), jitter(group_values(true.motion, "mouth"))),
    }


def _face(head: GenericHead, motion: HeadMotion) -> _Face:
    vertices = mesh.face_vertices(head, motion)
    return _Face(motion, vertices, lip_gap(head, vertices))


def _upper_face(track: AUTrack, n_frames: int) -> AUTrack:
    prompt = AUTrack.neutral(n_frames, track.fps)
    upper = [index for index, channel in enumerate(CHANNELS) if channel.unit.region in UPPER_REGIONS]
    prompt.intensity[:, upper], prompt.weight[:, upper] = track.intensity[:n_frames, upper], track.weight[:n_frames, upper]
    return prompt


def _ratio(value: float, true: float) -> float:
    return value / true if true else math.nan


def _mean(values: Sequence[float]) -> float:
    """Mean of the values that are numbers; NaN if none is."""
    numbers = [value for value in values if value == value]
    return sum(numbers) / len(numbers) if numbers else math.nan
