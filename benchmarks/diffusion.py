"""What the diffusion's settings do: steps, guidance and noise, styles, streams.

    python benchmarks/diffusion.py steps guidance styles stream --speech ../shared/data/speech --cache build/measures

steps: mean absolute difference of all rig channels between few steps and 25, same noise, and the distance from the teacher.
guidance: guidance weight of the sound and freedom of the mouth against diversity of takes, liveliness and the teacher's lips. The teacher
is the rule engine told the phones of held-out speakers, neutral and in seven moods; the network hears probabilities.
styles: each recording performed in the measured styles of one calm and one lively performance of other recordings; the two are told apart
by a rule that was trained on nothing: in the lively one mouth, brows and head spread further (sum of logarithms).
stream: one thread, sound in pieces of 20 ms: seconds per chunk, lateness of the first frame, change at joints against that inside, and the
largest difference from the same stream given the sound at once.
ahead: what the stream's look-ahead buys: distance from the teacher and lip-sync, on the first eight recordings.
Recordings are those of `emohead evaluate motion`: evenly spread utterances of the test speakers of human/.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median

import torch

from controllers.sliders import SliderController
from emohead.commands.evaluate_motion import emotions_at_full
from emohead.data.measuring_speech import human_utterances
from emohead.head.generic import load_generic
from emohead.metrics.judges import load_judges
from emohead.metrics.motion import joint_ratio
from emohead.metrics.truth_scores import TEACHER_SEED, TruthClip, clip_of_teacher, truth_scores
from emohead.metrics.variety import au_std, diversity, group_values
from emohead.motion.baselines import Voice
from emohead.motion.diffusion_engine import DiffusionEngine
from emohead.motion.generators import Setting
from emohead.motion.phone_net import TRACTS, PhoneNet, load_phone_net
from emohead.motion.rules import style_named, with_closure_threshold
from emohead.motion.sampling import FPS, SamplingConfig
from emohead.motion.streaming import MotionStream, StreamConfig
from emohead.motion.style import style_of
from emohead.motion.vector import GROUPS, to_vectors
from emohead.types import AUTrack, HeadMotion, Waveform

FINE = 25
TAKES = 3


@dataclass(frozen=True)
class Bench:
    """What everything is measured with."""

    engine: DiffusionEngine
    net: PhoneNet
    clips: Sequence[TruthClip]
    """The teacher's performances."""
    voices: Sequence[Voice]
    """The same recordings as they are heard."""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=("steps", "guidance", "styles", "stream", "ahead"))
    parser.add_argument("--speech", type=Path, required=True, help="folder with human/")
    parser.add_argument("--weights", type=Path, help="a diffusion (default: the one that ships)")
    parser.add_argument("--limit", type=int, default=16, help="recordings")
    parser.add_argument("--cache", type=Path, help="keeps alignments")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    net, moods = load_phone_net(), emotions_at_full()
    teacher = Setting((), net.config.closure_threshold).rules()
    turns = ["neutral", *moods]
    utterances = human_utterances(arguments.speech / "human", limit=arguments.limit, cache=arguments.cache)
    clips = [clip_of_teacher(u, teacher, turns[i % len(turns)], moods, seed=TEACHER_SEED + i) for i, u in enumerate(utterances)]
    voices = [Voice(clip.audio, net.posteriors(clip.audio, tracts=TRACTS)) for clip in clips]
    bench = Bench(DiffusionEngine.load(arguments.weights), net, clips, voices)
    parts = {"steps": steps, "guidance": guidance, "styles": styles, "stream": stream, "ahead": ahead}
    for part in arguments.parts:
        print(f"\n{part}, {len(clips)} recordings\n")
        for line in parts[part](bench):
            print(line, flush=True)


def steps(bench: Bench) -> Iterator[str]:
    """The step-quality curve."""
    fine = [_spoken(bench, SamplingConfig(steps=FINE), voice, seed) for seed, voice in enumerate(bench.voices)]
    yield "| steps | rig difference to 25 | LVE mm | opening r |"
    yield "|--:|--:|--:|--:|"
    for count in (1, 2, 4, 6, 8, 12, FINE):
        config = SamplingConfig(steps=count)
        few = [_spoken(bench, config, voice, seed) for seed, voice in enumerate(bench.voices)]
        apart = mean(float((a.rig - b.rig).abs().mean()) for a, b in zip(few, fine, strict=True))
        lips = _against_teacher(bench, config)
        yield f"| {count} | {apart:.4f} | {lips['lve_mm']:.2f} | {lips['opening_r']:.3f} |"


def guidance(bench: Bench) -> Iterator[str]:
    """Freedom against sync."""
    yield "| sound guidance | freedom of the mouth | diversity | mouth diversity | upper | AU-std | LVE mm | opening r | lip-sync R@1 |"
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for weight, mouth, dial in ((1.0, 0.0, 1.0), (1.0, 0.25, 0.0), (1.0, 0.25, 0.5), (1.0, 0.25, 1.0), (1.0, 0.25, 1.5), (1.0, 1.0, 1.0),
                                (1.5, 0.25, 1.0), (2.0, 0.25, 1.0), (1.5, 1.0, 1.0)):  # fmt: skip
        sound, noise = dict.fromkeys(GROUPS, 1.0) | {"mouth": weight}, SamplingConfig().noise | {"mouth": mouth}
        config = SamplingConfig(sound=sound, noise=noise, diversity=dial)
        takes = [[_spoken(bench, config, voice, seed) for seed in range(TAKES)] for voice in bench.voices[:4]]
        apart = [mean(diversity(take, group) for take in takes) for group in ("mouth", "upper")]
        lively, lips = mean(au_std(take[0]) for take in takes), _against_teacher(bench, config)
        shown = f"{apart[0]:.4f} | {apart[1]:.4f} | {lively:.3f} | {lips['lve_mm']:.2f} | {lips['opening_r']:.3f}"
        yield f"| {weight:g} | {mouth:g} | {dial:g} | {shown} | {lips['sync_retrieval']:.3f} |"


def styles(bench: Bench) -> Iterator[str]:
    """Two styles, each measured on one performance of the first recordings, shown in the others."""
    first, shown = _joined(bench, slice(0, 4)), {}
    heard = bench.net.posteriors(first)
    for name in ("calm", "lively"):
        rules = with_closure_threshold(style_named(name), bench.net.config.closure_threshold).build()
        style = style_of(to_vectors(*rules.parts(first, heard, fps=FPS, seed=7)), FPS)
        engine = replace(bench.engine, style=style)
        shown[name] = [_liveliness(engine(voice.audio, voice.speech, seed=seed)) for seed, voice in enumerate(bench.voices[4:])]
    right = sum(lively > calm for calm, lively in zip(shown["calm"], shown["lively"], strict=True))
    yield f"{right} of {len(bench.voices) - 4} pairs are told apart (chance: half)"


def stream(bench: Bench) -> Iterator[str]:
    """Speed, lateness and seams of a stream, asked for nothing and for a smile with raised brows."""
    yield "| steps | chunk ms | look-ahead ms | asked | ms per chunk | first frame late by ms | joint / inside | difference from at once |"
    yield "|--:|--:|--:|---|--:|--:|--:|--:|"
    audio = _joined(bench, slice(0, 4))
    smile = SliderController(("AU1=0.7", "AU2=0.7", "AU6=0.7", "AU12=0.7"))(1, 25.0)
    small, ahead, large = StreamConfig(), StreamConfig(look_ahead=0.12), StreamConfig(chunk=0.16, look_ahead=0.12)
    for count in (4, 6):
        engine = replace(bench.engine, sampling=SamplingConfig(steps=count))
        for config, prompt in ((small, None), (small, smile), (ahead, None), (large, None)):
            chunks, seconds = _streamed(engine, bench.net, audio, config, 0.02, prompt)
            whole, _ = _streamed(engine, bench.net, audio, config, audio.duration, prompt)
            rig, at_once = (torch.cat([chunk.rig for chunk in parts]) for parts in (chunks, whole))
            joints = torch.tensor([chunk.n_frames for chunk in chunks]).cumsum(0)[:-1].tolist()
            seam = joint_ratio(replace(HeadMotion.neutral(len(rig), config.fps), rig=rig), joints)
            cost = median(seconds[2:])
            late = config.chunk + config.look_ahead + cost
            apart = float((rig - at_once).abs().max())
            sizes = f"{1000 * config.chunk:.0f} | {1000 * config.look_ahead:.0f}"
            asked = "nothing" if prompt is None else "a smile"
            yield f"| {count} | {sizes} | {asked} | {1000 * cost:.0f} | {1000 * late:.0f} | {seam:.2f} | {apart:.1e} |"


def ahead(bench: Bench) -> Iterator[str]:
    """Sync against look-ahead."""
    engine, judges = replace(bench.engine, sampling=SamplingConfig(steps=4)), load_judges()
    heard = {id(voice.audio): voice.speech for voice in bench.voices}
    yield "| look-ahead ms | LVE mm | opening r | lip-sync R@1 |"
    yield "|--:|--:|--:|--:|"
    for seconds in (0.04, 0.08, 0.12, 0.2, 0.4):
        config = StreamConfig(look_ahead=seconds)

        def streamed(
            audio: Waveform, _: object, *, prompt: AUTrack | None = None, fps: float = FPS, seed: int = 0, config: StreamConfig = config
        ) -> HeadMotion:
            stream = MotionStream(engine, config=replace(config, fps=fps), net=bench.net, seed=seed)
            stream.ask(prompt)
            # A stream ends with a whole frame, a recording may end within one.
            return _joined_motion(stream.push(audio) + stream.finish(), fps).frames(0, max(1, round(audio.duration * fps)))

        lips = truth_scores(bench.clips[:8], lambda voices, made=streamed: made, load_generic(), lambda audio: heard[id(audio)], judges)
        yield f"| {1000 * seconds:.0f} | {lips['lve_mm']:.2f} | {lips['opening_r']:.3f} | {lips['sync_retrieval']:.3f} |"


def _joined_motion(chunks: Sequence[HeadMotion], fps: float) -> HeadMotion:
    parts = ("rig", "head_rotation", "torso_rotation", "translation", "gaze")
    return HeadMotion(fps, **{name: torch.cat([getattr(chunk, name) for chunk in chunks]) for name in parts})


def _streamed(
    engine: DiffusionEngine, net: PhoneNet, audio: Waveform, config: StreamConfig, piece: float, prompt: AUTrack | None
) -> tuple[list[HeadMotion], list[float]]:
    stream, chunks, seconds = MotionStream(engine, config=config, net=net), [], []
    stream.ask(prompt)
    for samples in audio.samples.split(round(piece * audio.sample_rate)):
        start = time.perf_counter()
        made = stream.push(Waveform(samples, audio.sample_rate))
        if made:
            seconds.append((time.perf_counter() - start) / len(made))
        chunks += made
    return chunks + stream.finish(), seconds or [0.0] * 3


def _spoken(bench: Bench, config: SamplingConfig, voice: Voice, seed: int) -> HeadMotion:
    return replace(bench.engine, sampling=config)(voice.audio, voice.speech, seed=seed)


def _against_teacher(bench: Bench, config: SamplingConfig) -> dict[str, float]:
    engine = replace(bench.engine, sampling=config)
    heard = {id(voice.audio): voice.speech for voice in bench.voices}
    return truth_scores(bench.clips, lambda voices: engine, load_generic(), lambda audio: heard[id(audio)], load_judges())


def _joined(bench: Bench, which: slice) -> Waveform:
    """Some recordings one after the other."""
    clips = bench.clips[which]
    return replace(clips[0].audio, samples=torch.cat([clip.audio.samples for clip in clips]))


def _liveliness(motion: HeadMotion) -> float:
    """Sum of the logarithms of how far mouth, brows and head spread."""
    spreads = [group_values(motion, group).std(0).mean().clamp(min=1e-4) for group in ("mouth", "upper", "head")]
    return float(torch.stack(spreads).log().sum())


if __name__ == "__main__":
    main()
