"""What sentences and emotions do to lip-sync: thirty sentences and seven emotions against nothing asked for, a row each.

    python benchmarks/sync_under_words.py --speech ../shared/data/speech [--generator diffusion] [--cache build/measures] [--json sync.json]

Recordings and measures are those of `emohead evaluate motion` (docs/motion-metrics.md): held-out human speech for closures (p b m: recall
and precision; f v: recall), from the voice alone and with the phones told, and GRID's filmed talkers for the correlation r of the mouth's
opening. `own r` is the correlation in speech of the opening with that of the same generator and seed with nothing asked for. Sentences go
through `controllers.control`; emotions are at full intensity in every frame. Below: the means over sentences and over emotions, and their
change.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from controllers.control import control
from emohead.commands.evaluate_motion import emotions_at_full, face_landmarks
from emohead.data.measuring_speech import FILM_FPS, FilmedClip, Utterance, grid_clips, human_utterances
from emohead.head.generic import GenericHead, load_generic
from emohead.head.measure import lip_gap
from emohead.metrics.lip import ClosureScore, closure_score, labiodental_score, lag_correlation, lower_lip_to_teeth, speech_mask
from emohead.metrics.speech_scores import Prompt, film_opening, filmed_mask, fitted
from emohead.metrics.vertices import face_vertices
from emohead.motion.baselines import Voice
from emohead.motion.generators import MotionGenerator, Setting, build_generator
from emohead.motion.phone_net import TRACTS, load_phone_net
from emohead.types import AUTrack

SENTENCES = (
    "happy", "deeply sad", "furious", "terrified", "utterly disgusted", "astonished, eyes wide open",
    "a shy smile with the left eyebrow raised", "starts calm, then delighted surprise", "at first worried, then slowly relieved",
    "grins broadly and raises the eyebrows",
    "bares the teeth in rage", "presses the lips together", "puckers the lips", "mouth wide open", "drops the jaw in amazement",
    "squints suspiciously, head tilted to the left", "a crooked smile, right side only", "not happy at all", "bored, eyes half closed",
    "tearful, the corners of the mouth down", "contemptuous, looks away", "wrinkles the nose", "frowns, then nods", "sucks in the lips",
    "puffs out the cheeks for two seconds", "stretches the lips in fear", "proud, chin up", "a mixture of anger and fear",
    "laughs, then suddenly serious", "bites the lip nervously now and then",
)  # fmt: skip
"""Thirty; eleven ask the mouth itself for something."""


@dataclass(frozen=True)
class Recordings:
    """What is spoken."""

    utterances: list[Utterance]
    heard: Sequence[Voice]
    told: Sequence[Voice]
    films: Sequence[FilmedClip]
    filmed: Sequence[Voice]
    masks: Sequence[Tensor]


Row = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True, help="folder with human/ and grid/")
    parser.add_argument("--generator", default="rules", help="as of emohead evaluate motion")
    parser.add_argument("--utterances", type=int, default=8, help="recordings of human/")
    parser.add_argument("--films", type=int, default=4, help="clips of grid/")
    parser.add_argument("--cache", type=Path, help="keeps alignments and landmarks")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    net, head = load_phone_net(), load_generic()
    utterances = human_utterances(arguments.speech / "human", limit=arguments.utterances, cache=arguments.cache)
    films = grid_clips(arguments.speech / "grid", face_landmarks, limit=arguments.films, cache=arguments.cache)
    heard = [Voice(item.audio, net.posteriors(item.audio, tracts=TRACTS)) for item in utterances]
    film_phones = [net.posteriors(clip.audio, tracts=TRACTS) for clip in films]
    filmed = [Voice(clip.audio, phones) for clip, phones in zip(films, film_phones, strict=True)]
    told = [Voice(item.audio, item.phones) for item in utterances]
    masks = [filmed_mask(clip, phones) for clip, phones in zip(films, film_phones, strict=True)]
    spoken = Recordings(utterances, heard, told, films, filmed, masks)
    generator = build_generator(arguments.generator, Setting((*heard, *filmed), net.config.closure_threshold))

    still: list[Tensor] = []
    plain = measure(generator, head, spoken, None, still)
    print(f"{arguments.generator}: {len(utterances)} recordings, {len(films)} films\n\n| asked for | " + " | ".join(plain) + " |")
    print("|---|" + "--:|" * len(plain))
    _print("nothing", plain)
    kinds: dict[str, dict[str, Prompt]] = {"sentences": {text: _asking(text) for text in SENTENCES}, "emotions": emotions_at_full()}
    found: dict[str, dict[str, Row]] = {}
    for kind, asks in kinds.items():
        rows = found[kind] = {}
        for name, ask in asks.items():
            rows[name] = measure(generator, head, spoken, ask, still)
            _print(name, rows[name])
        means = {figure: mean(row[figure] for row in rows.values()) for figure in plain}
        _print(f"**mean of {len(rows)} {kind}**", means)
        changes = {figure: 100 * (means[figure] / value - 1) for figure, value in plain.items()}
        print(f"| change, % | {' | '.join(f'{change:+.1f}' for change in changes.values())} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"nothing": plain, **found}, indent=1) + "\n", encoding="utf-8")


def measure(generator: MotionGenerator, head: GenericHead, spoken: Recordings, ask: Prompt | None, still: list[Tensor]) -> Row:
    """The figures under a request; `still` holds the lip gaps with nothing asked for and is filled by the first call."""
    row: Row = {}
    gaps = []
    for name, voices in (("", spoken.heard), ("told: ", spoken.told)):
        closed, touched = ClosureScore(), ClosureScore()
        for voice, item in zip(voices, spoken.utterances, strict=True):
            vertices = perform(generator, head, voice, ask)
            gaps.append(lip_gap(head, vertices))
            closed += closure_score(gaps[-1], FILM_FPS, item.labels)
            touched += labiodental_score(lower_lip_to_teeth(head, vertices), FILM_FPS, item.labels)
        row |= {f"{name}p b m": closed.recall, f"{name}precision": closed.precision, f"{name}f v": touched.recall}
    films = [lip_gap(head, perform(generator, head, voice, ask)) for voice in spoken.filmed]
    agree = [
        lag_correlation(fitted(gap, film_opening(clip)), film_opening(clip), mask, shift=0)
        for gap, clip, mask in zip(films, spoken.films, spoken.masks, strict=True)
    ]
    row["GRID r"] = mean(agree)
    gaps += films
    if not still:
        still += gaps
    talking = [speech_mask(item.labels, gap.shape[0], FILM_FPS) for item, gap in zip(spoken.utterances * 2, gaps, strict=False)]
    talking += [fitted(mask, gap) for mask, gap in zip(spoken.masks, films, strict=True)]
    row["own r"] = mean(lag_correlation(gap, own, mask, shift=0) for gap, own, mask in zip(gaps, still, talking, strict=True))
    return row


def perform(generator: MotionGenerator, head: GenericHead, voice: Voice, ask: Prompt | None) -> Tensor:
    """The face's vertices."""
    n_frames = max(1, round(voice.audio.duration * FILM_FPS))
    prompt = None if ask is None else ask(n_frames, FILM_FPS)
    return face_vertices(head, generator(voice.audio, voice.speech, prompt=prompt, fps=FILM_FPS, seed=0))


def _asking(sentence: str) -> Prompt:
    def ask(n_frames: int, fps: float) -> AUTrack:
        return control(n_frames, fps, sentence=sentence).track

    return ask


def _print(name: str, row: Row) -> None:
    print(f"| {name} | {' | '.join(f'{value:.3f}' for value in row.values())} |", flush=True)


if __name__ == "__main__":
    main()
