"""Does the face do what the words ask for? From sentences and numbers to millimetres on the rendered head's mesh: one table.

    python benchmarks/words_to_mesh.py [--generator rules] [--json mesh.json]

A sentence for each action unit in seven intensities ("barely raises the inner brows" .. "extremely ..."), and each channel by number
(`AU1L=0.2` .. `1`), goes the whole way: control -> track -> generator -> mesh of the generic head, in three seconds of silence and in four
of the spoken sample that ships. Measured (`emohead.metrics.mesh_aus`, median over the frames after the onset) is how far the mesh moves,
against how far the rig alone moves it for the action units that were asked for. In speech the same speech without a request is subtracted.
slope: least squares with an intercept. Spearman: rank correlation over the intensities. leakage: difference of the strongest request from
none in the measures of all channels that were not asked for, in units of their own full displacement, less what the rig of the request
implies at the strength that was shown (speech takes most of the lips' actions for itself): the mean, and the largest by name.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from jaxtyping import Float
from torch import Tensor

from controllers.control import control
from emohead.assets import find
from emohead.channels import AU_INDEX, AU_NAMES
from emohead.commands.options import SAMPLE_SPEECH
from emohead.head.action_units import CHANNELS
from emohead.head.generic import GenericHead, load_generic
from emohead.media import read_audio
from emohead.metrics.mesh_aus import MEASURED, au_displacements, full_displacements, rig_displacements
from emohead.metrics.obedience import spearman
from emohead.metrics.vertices import face_vertices
from emohead.motion.baselines import Voice
from emohead.motion.generators import MotionGenerator, Setting, build_generator
from emohead.motion.phone_net import TRACTS, load_phone_net
from emohead.types import AUTrack, HeadMotion, Waveform

WORDS = ("barely", "slightly", "somewhat", "moderately", "", "strongly", "extremely")
NUMBERS = (0.2, 0.4, 0.6, 0.8, 1.0)
SENTENCES = {
    "AU1": "raises the inner brows", "AU2": "raises the outer brows", "AU4": "lowers the brows", "AU5": "widens the eyes",
    "AU6": "raises the cheeks", "AU7": "tightens the lids", "AU9": "wrinkles the nose", "AU10": "raises the upper lip",
    "AU11": "deep nasolabial furrow", "AU12": "smiles", "AU14": "dimples", "AU15": "mouth corners down", "AU16": "lowers the lower lip",
    "AU17": "wrinkles the chin", "AU18": "puckers the lips", "AU20": "stretches the lips", "AU22": "funnels the lips",
    "AU23": "tightens the lips", "AU24": "presses the lips together", "AU25": "parts the lips", "AU26": "drops the jaw",
    "AU27": "mouth wide open", "AU28": "sucks in the lips", "AU29": "thrusts the jaw forward", "AU30": "moves the jaw left",
    "AU34": "puffs the cheeks", "AU43": "closes the eyes",
}  # fmt: skip
FPS, SETTLED, STEP = 25.0, 1.2, 2
"""Frames per second; seconds until every onset is over; every so many frames are measured."""
SILENT, SPOKEN = 3.0, 4.0
"""Seconds."""


@dataclass(frozen=True)
class Figures:
    """Of one request in all its intensities."""

    name: str
    slope: float
    spearman: float
    leakage: float
    largest: float
    where: str
    """The channel of the largest leak."""
    millimetres: float
    """The strongest that was asked for, on the rig."""


@dataclass(frozen=True)
class Stage:
    """Where a face is moved and measured."""

    head: GenericHead
    generator: MotionGenerator
    voice: Voice
    still: Float[Tensor, "T A"]
    """Displacements without a request, to subtract."""

    def shown(self, track: AUTrack | None) -> Float[Tensor, " A"]:
        """How far the mesh is moved by a request, mm."""
        return (displacements(self.head, self.generator, self.voice, track) - self.still).median(0).values


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="rules", help="as of emohead evaluate motion")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    net, head = load_phone_net(), load_generic()
    speech = read_audio(find(SAMPLE_SPEECH))
    sounds = {"silence": Waveform(torch.zeros(round(SILENT * 16000)), 16000), "speech": cut(speech, SPOKEN)}
    voices = {name: Voice(audio, net.posteriors(audio, tracts=TRACTS)) for name, audio in sounds.items()}
    generator = build_generator(arguments.generator, Setting(tuple(voices.values()), net.config.closure_threshold))
    stages = {name: stage(head, generator, voice, subtract=name == "speech") for name, voice in voices.items()}
    found = {
        (kind, name): [measure(stages[name], unit, asked) for unit, asked in requests(kind).items()]
        for kind in ("words", "numbers")
        for name in stages
    }
    for kind in ("words", "numbers"):
        report(kind, found[kind, "silence"], found[kind, "speech"])
    if arguments.json:
        flat = {f"{kind}_{name}_{row.name}": vars(row) for (kind, name), rows in found.items() for row in rows}
        arguments.json.write_text(json.dumps(flat, indent=1) + "\n", encoding="utf-8")


def requests(kind: str) -> dict[str, list[dict[str, object]]]:
    """What `control` is asked, from faint to strong."""
    if kind == "words":
        return {unit: [{"sentence": f"{word} {wish}".strip()} for word in WORDS] for unit, wish in SENTENCES.items()}
    # A jaw that moves to both sides stays where it is.
    both = dict.fromkeys(f"AU{channel.unit.number}" for channel in CHANNELS if channel.name in MEASURED and channel.unit.number != 30)
    one_sided = dict.fromkeys(name for name in MEASURED if name.endswith("L"))
    return {code: [{"sliders": [f"{code}={level}"]} for level in NUMBERS] for code in both | one_sided}


def measure(where: Stage, unit: str, asked: Sequence[dict[str, object]]) -> Figures:
    """The figures of one request."""
    n_frames = round(where.voice.audio.duration * FPS)
    tracks = [control(n_frames, FPS, **options).track for options in asked]  # type: ignore[arg-type]
    wanted = torch.stack([(track.intensity * track.weight).amax(0) for track in tracks])
    expected = rig_displacements(where.head, wanted)
    shown = torch.stack([where.shown(track) for track in tracks])
    own = [AU_INDEX[name] for name in AU_NAMES if name.rstrip("LR") == unit.rstrip("LR") and float(wanted[-1, AU_INDEX[name]]) > 0]
    assert own, f"{asked[-1]} asks for no {unit}"
    asks, gets = expected[:, own].mean(1), shown[:, own].mean(1)
    centred = asks - asks.mean()
    slope = float((centred * (gets - gets.mean())).sum() / centred.square().sum())
    left_alone = [AU_INDEX[name] for name in MEASURED if float(wanted[-1, AU_INDEX[name]]) == 0]
    implied = (gets[-1] / asks[-1]).clamp(0.0, 1.0) * expected[-1]
    excess = (shown[-1] - where.shown(None) - implied).abs() / full_displacements(where.head).clamp_min(1e-6)
    leaks = excess[left_alone]
    worst = left_alone[int(leaks.argmax())]
    return Figures(unit, slope, spearman(asks, gets), float(leaks.mean()), float(leaks.amax()), AU_NAMES[worst], float(asks[-1]))


def stage(head: GenericHead, generator: MotionGenerator, voice: Voice, *, subtract: bool) -> Stage:
    """A place to measure; with `subtract` what the face does by itself is taken off."""
    still = displacements(head, generator, voice, None)
    return Stage(head, generator, voice, still if subtract else torch.zeros_like(still))


def displacements(head: GenericHead, generator: MotionGenerator, voice: Voice, track: AUTrack | None) -> Float[Tensor, "T A"]:
    """How far each channel's measure is moved in the frames after the onset, mm."""
    motion = generator(voice.audio, voice.speech, prompt=track, fps=FPS, seed=0)
    frames = torch.arange(round(SETTLED * FPS), motion.n_frames - 5, STEP)
    still = HeadMotion.neutral(len(frames), FPS)
    still.rig[:], still.gaze[:] = motion.rig[frames], motion.gaze[frames]
    return au_displacements(head, face_vertices(head, still))


def cut(audio: Waveform, seconds: float) -> Waveform:
    """The beginning of a recording."""
    return Waveform(audio.samples[: round(seconds * audio.sample_rate)], audio.sample_rate)


def report(kind: str, silent: Sequence[Figures], spoken: Sequence[Figures]) -> None:
    """A row per request, and the extremes."""
    print(f"\n{kind}; the last four columns in speech\n")
    print("| asked for | rig, mm | slope | Spearman | leakage mean | largest | slope | Spearman | leakage mean | largest |")
    print("|---|--:|--:|--:|--:|---|--:|--:|--:|---|")
    for still, talking in zip(silent, spoken, strict=True):
        wish = f"{still.name}: {SENTENCES[still.name]}" if kind == "words" else still.name
        print(f"| {wish} | {still.millimetres:.1f} | {_cells(still)} | {_cells(talking)} |")
    for name, rows in (("silence", silent), ("speech", spoken)):
        inside = sum(0.85 <= row.slope <= 1.15 and row.spearman >= 0.95 and row.leakage <= 0.05 for row in rows)
        slopes = f"slope {min(row.slope for row in rows):.2f} to {max(row.slope for row in rows):.2f}"
        print(f"{name}: {inside} of {len(rows)} inside; {slopes}, leakage {mean(row.leakage for row in rows):.3f} on average")


def _cells(row: Figures) -> str:
    return f"{row.slope:.2f} | {row.spearman:.2f} | {row.leakage:.3f} | {row.largest:.2f} {row.where}"


if __name__ == "__main__":
    main()
