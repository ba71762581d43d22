"""How well generators speak for people: lips at labelled closures, and mouth opening against filmed mouths.

A generator is called as `emohead.motion.rules.RuleEngine` is; everything is measured on the generic head's mesh at 25 frames per second.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import mean

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.data.measuring_speech import FILM_FPS, FilmedClip, Utterance
from emohead.head.generic import GenericHead
from emohead.head.measure import lip_gap
from emohead.metrics.judged import Pair, sync_figures
from emohead.metrics.judges import MotionJudges, lip_distances, lips_of_mesh
from emohead.metrics.lip import (
    ClosureScore,
    best_lag,
    closure_score,
    labiodental_score,
    lag_correlation,
    lower_lip_to_teeth,
    smooth3,
    speech_mask,
)
from emohead.metrics.vertices import face_vertices
from emohead.motion.baselines import Voice
from emohead.motion.generators import MotionGenerator
from emohead.motion.phones import PHONE_INDEX
from emohead.types import AUTrack, PhonePosteriors, PhoneSegment, Waveform

Scores = dict[str, float]
Prompt = Callable[[int, float], AUTrack]
"""A prompt for a clip of so many frames at so many frames per second."""
Build = Callable[[Sequence[Voice]], MotionGenerator]
"""Makes the generator for a set of recordings."""
Hear = Callable[[Waveform], PhonePosteriors]
"""The phone recogniser."""


def closure_scores(utterances: Sequence[Utterance], build: Build, head: GenericHead, hear: Hear, moods: Mapping[str, Prompt]) -> Scores:
    """Closures from the voice alone, with the phones told, and with the phones told under each mood.

    Args:
        utterances: recordings with labelled closures.
        build: makes the generator.
        head: the generic head.
        hear: the phone recogniser.
        moods: prompts by name; each is tried on every fourth utterance.
    """
    heard = [Voice(item.audio, hear(item.audio)) for item in utterances]
    told = [Voice(item.audio, item.phones) for item in utterances]
    alone, alone_touch = _closures(build(heard), heard, utterances, head, None)
    known, known_touch = _closures(build(told), told, utterances, head, None)
    scores = {
        "closure_recall": alone.recall,
        "closure_precision": alone.precision,
        "labiodental_recall": alone_touch.recall,
        "told_closure_recall": known.recall,
        "told_closure_precision": known.precision,
        "told_labiodental_recall": known_touch.recall,
    }
    under, under_touch = ClosureScore(), ClosureScore()
    engine = build(told)
    for name, mood in moods.items():
        closed, touched = _closures(engine, told[::4], utterances[::4], head, mood)
        scores |= {f"told_{name}_closure_recall": closed.recall, f"told_{name}_labiodental_recall": touched.recall}
        under, under_touch = under + closed, under_touch + touched
    if moods:
        scores |= {"moods_closure_recall": under.recall, "moods_labiodental_recall": under_touch.recall}
        scores |= {"moods_closures": float(under.labelled), "moods_labiodentals": float(under_touch.labelled)}
    return {**scores, "closures": float(known.labelled), "labiodentals": float(known_touch.labelled)}


def filmed_scores(clips: Sequence[FilmedClip], build: Build, head: GenericHead, hear: Hear, judges: MotionJudges) -> Scores:
    """Correlation of generated and filmed mouth opening over speech frames, from the voice alone and with the phones told.

    Means over clips: r at zero lag, least r, best lag (ms, positive = late) and r against every other clip's film ("wrong audio"). The
    lip-sync expert judges the generated lips and, to know what it is worth, the filmed ones.
    """
    posteriors = [hear(clip.audio) for clip in clips]
    heard = [Voice(clip.audio, speech) for clip, speech in zip(clips, posteriors, strict=True)]
    masks = [filmed_mask(clip, speech) for clip, speech in zip(clips, posteriors, strict=True)]
    faces = _faces(build(heard), heard, head)
    scores = _against_films(clips, masks, [lip_gap(head, vertices) for vertices in faces])
    generated, filmed = [lips_of_mesh(head, vertices, FILM_FPS) for vertices in faces], [lip_distances(clip.points) for clip in clips]
    for lips, suffix in ((generated, ""), (filmed, "_film")):
        pairs = [
            Pair(judges.voice(clip.audio), judges.lips(torch.nan_to_num(seen)), mask)
            for clip, mask, seen in zip(clips, masks, lips, strict=True)
        ]
        scores |= sync_figures(pairs, suffix)
    told = [(clip, mask, Voice(clip.audio, clip.phones)) for clip, mask in zip(clips, masks, strict=True) if clip.phones]
    if told:
        voices = [voice for _, _, voice in told]
        gaps = [lip_gap(head, vertices) for vertices in _faces(build(voices), voices, head)]
        with_phones = _against_films([clip for clip, _, _ in told], [mask for _, mask, _ in told], gaps)
        scores |= {f"told_{name}": value for name, value in with_phones.items()}
    return {**scores, "clips": float(len(clips)), "told_clips": float(len(told))}


def spoken_parts(speech: PhonePosteriors, *, least: float = 0.5) -> list[PhoneSegment]:
    """Where somebody speaks, by the recogniser: segments of `ah` where silence has less than `least`."""
    edges = torch.diff(torch.nn.functional.pad((speech.probabilities[:, PHONE_INDEX["pau"]] < least).int(), (1, 1))).nonzero()[:, 0]
    bounds = (edges.double() / speech.fps).tolist()
    return [PhoneSegment("ah", start, end) for start, end in zip(bounds[::2], bounds[1::2], strict=True)]


def film_opening(clip: FilmedClip) -> Float[Tensor, " T"]:
    """The filmed mouth's opening, smoothed; frames without a face have the mean."""
    return smooth3(torch.nan_to_num(clip.opening, nan=float(clip.opening.nanmean())))


def filmed_mask(clip: FilmedClip, speech: PhonePosteriors) -> Bool[Tensor, " T"]:
    """Speech frames in which a face was found."""
    return speech_mask(clip.words or spoken_parts(speech), len(clip.opening), FILM_FPS) & torch.isfinite(clip.opening)


def fitted(track: Float[Tensor, " U"], film: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
    """The track with exactly as many frames as the film."""
    return torch.nn.functional.pad(track[: len(film)], (0, max(0, len(film) - len(track))))


def _closures(
    engine: MotionGenerator, voices: Sequence[Voice], utterances: Sequence[Utterance], head: GenericHead, mood: Prompt | None
) -> tuple[ClosureScore, ClosureScore]:
    closed, touched = ClosureScore(), ClosureScore()
    for voice, item in zip(voices, utterances, strict=True):
        prompt = mood(max(1, round(item.audio.duration * FILM_FPS)), FILM_FPS) if mood else None
        vertices = face_vertices(head, engine(voice.audio, voice.speech, prompt=prompt, fps=FILM_FPS))
        closed += closure_score(lip_gap(head, vertices), FILM_FPS, item.labels)
        touched += labiodental_score(lower_lip_to_teeth(head, vertices), FILM_FPS, item.labels)
    return closed, touched


def _faces(engine: MotionGenerator, voices: Sequence[Voice], head: GenericHead) -> list[Tensor]:
    return [face_vertices(head, engine(voice.audio, voice.speech, fps=FILM_FPS)) for voice in voices]


def _against_films(clips: Sequence[FilmedClip], masks: Sequence[Tensor], tracks: Sequence[Tensor]) -> Scores:
    films = [film_opening(clip) for clip in clips]
    own = [lag_correlation(fitted(track, film), film, mask, shift=0) for track, film, mask in zip(tracks, films, masks, strict=True)]
    lags = [best_lag(fitted(track, film), film, mask, fps=FILM_FPS) for track, film, mask in zip(tracks, films, masks, strict=True)]
    wrong = [
        lag_correlation(fitted(track, film), film, mask, shift=0)
        for index, (film, mask) in enumerate(zip(films, masks, strict=True))
        for other, track in enumerate(tracks)
        if other != index
    ]
    return {"r": mean(own), "r_least": min(own), "lag_ms": 1000 * mean(lags), "r_wrong_audio": mean(wrong) if wrong else math.nan}
