"""What needs no truth: obedience to prompts, variety, liveliness, stillness in silence, speed."""

import time
from collections.abc import Sequence
from statistics import mean

import torch

from emohead.metrics.beats import beat_alignment, head_beats, voice_beats
from emohead.metrics.motion import motion_statistics, silence_std
from emohead.metrics.obedience import OPEN_CHOICE, measure_obedience
from emohead.metrics.speech_scores import Build, Hear, Scores
from emohead.metrics.variety import GROUPS, au_std, diversity
from emohead.motion.baselines import Voice
from emohead.types import Waveform

SILENCE = 6.0
"""Seconds of silence in which the mouth is watched."""


def prompt_scores(voice: Voice, build: Build, *, units: Sequence[str] = OPEN_CHOICE, fps: float = 25.0) -> Scores:
    """Requested against obtained intensity of some action units, one audio, one seed: slope, Spearman, leakage.

    Args:
        voice: what is said; a few seconds are enough.
        build: makes the generator.
        units: FACS codes; by default those that the mouth does not need.
        fps: frames per second.
    """
    audio, engine = voice.audio, build([voice])
    n_frames = max(1, round(audio.duration * fps))
    found = {
        unit: measure_obedience(lambda prompt: engine(audio, voice.speech, prompt=prompt, fps=fps), unit, n_frames=n_frames, fps=fps)
        for unit in units
    }
    scores: Scores = {}
    for unit, one in found.items():
        scores |= {f"{unit.lower()}_slope": one.slope, f"{unit.lower()}_spearman": one.spearman, f"{unit.lower()}_leakage": one.leakage}
    slopes = [one.slope for one in found.values()]
    return {
        "slope_least": min(slopes),
        "slope_mean": mean(slopes),
        "slope_greatest": max(slopes),
        "spearman_least": min(one.spearman for one in found.values()),
        "leakage_mean": mean(one.leakage for one in found.values()),
        "leakage_greatest": max(one.leakage for one in found.values()),
        "largest_leak": max(one.largest_leak for one in found.values()),
        **scores,
    }


def variety_scores(voices: Sequence[Voice], build: Build, *, takes: int, fps: float = 25.0) -> Scores:
    """Diversity between takes of one audio (seeds 0, 1, ..) by group, and AU-std; means over voices."""
    engine, rows = build(voices), []
    for voice in voices:
        motions = [engine(voice.audio, voice.speech, fps=fps, seed=seed) for seed in range(takes)]
        row = {f"diversity_{group}": diversity(motions, group) for group in GROUPS}
        rows.append(row | {"au_std": au_std(motions[0]), "au_std_upper": au_std(motions[0], upper_only=True)})
    return {name: mean(row[name] for row in rows) for name in rows[0]}


def manner_scores(voices: Sequence[Voice], build: Build, hear: Hear, *, fps: float = 25.0) -> Scores:
    """Statistics of free speech, beat alignment, stillness in silence and the generator's own real-time factor."""
    engine, rows, spent = build(voices), [], 0.0
    for seed, voice in enumerate(voices):
        start = time.perf_counter()
        motion = engine(voice.audio, voice.speech, fps=fps, seed=seed)
        spent += time.perf_counter() - start
        found = motion_statistics(motion)
        pitch, yaw, roll = found.head_std_deg
        rows.append(
            {
                "jaw_std": found.jaw_std,
                "head_pitch_std_deg": pitch,
                "head_yaw_std_deg": yaw,
                "head_roll_std_deg": roll,
                "blinks_per_minute": found.blinks_per_minute,
                "mouth_jitter": found.mouth_jitter,
                "head_jitter": found.head_jitter_deg,
                "beat_alignment": beat_alignment(head_beats(motion), voice_beats(voice.audio)),
            }
        )
    silence = Waveform(torch.zeros(round(SILENCE * 16_000)), 16_000)
    still = silence_std(engine(silence, hear(silence), fps=fps))
    factor = spent / sum(voice.audio.duration for voice in voices)
    return {**{name: mean(row[name] for row in rows) for name in rows[0]}, "silence_mouth_std": still, "real_time_factor": factor}
