"""The rule engine on people: do the lips close when they must, and does the mouth follow filmed mouths? One table, or --json.

    EMOHEAD_ASSETS=../shared/data/tracker python benchmarks/motion.py --speech ../shared/data/speech --cache build/motion_benchmark

Closures: lip gap on the generic head at 25 fps (under 1.5 mm = shut), against the phones of a transcript aligned with the recording
(held-out speakers of `human/`) and against Emo-DB's hand-labelled closures; neutral and under each of the seven emotions at full intensity;
/f v/: lower lip within 1.5 mm of the upper teeth.
Filmed mouths (`grid/`): correlation of the generated opening with the filmed lip gap (MediaPipe landmarks 13-14 over the distance of the
outer eye corners, IMAGE mode, three-tap smoothing) at zero lag, over speech frames, beside the audio's energy and the wrong audio. The 13
clips with word times were looked at while the articulation table was set; the 3 without were not. Landmarks are kept under --cache.
"""

import argparse
import csv
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from controllers.labels import LabelController
from emohead.channels import AU_INDEX
from emohead.data.alignments import read_lablaut, read_lablaut_closures
from emohead.errors import InputError
from emohead.head.generic import GenericHead, load_generic
from emohead.head.measure import lip_gap
from emohead.media import read_audio, read_video
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
from emohead.motion.align import align_transcript
from emohead.motion.articulation import INNER_FPS
from emohead.motion.phone_net import PhoneNet, load_phone_net
from emohead.motion.prosody import loudness
from emohead.motion.rules import RuleConfig, with_closure_threshold
from emohead.types import AUTrack, HeadMotion, PhonePosteriors, PhoneSegment, Waveform

FPS = 25.0
EMOTIONS = ("happy", "sad", "surprised", "fearful", "angry", "disgusted", "contempt")
UPPER_LIP, LOWER_LIP, EYE_CORNERS = 13, 14, (33, 263)
GRID_WORDS = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    None,
    dict(zip("z123456789", ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
"""What the letters of a GRID clip's name stand for; the fourth is a letter as it is."""


@dataclass(frozen=True)
class Utterance:
    """A recording with known phones."""

    audio: Waveform
    phones: list[PhoneSegment]
    """What the engine is given."""
    labels: list[PhoneSegment]
    """What its closures are scored against."""


@dataclass(frozen=True)
class FilmedClip:
    """A filmed talker."""

    name: str
    audio: Waveform
    opening: Float[Tensor, " T"]
    """Lip gap over eye distance."""
    words: list[PhoneSegment]
    """Where speech is: word or phone times; anything but `pau` counts."""
    phones: list[PhoneSegment] | None
    """Aligned phones of the sentence, if it could be aligned."""
    timed: bool
    """Whether the corpus has word times for it."""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, default=Path("../shared/data/speech"), help="the shared data's speech folder")
    parser.add_argument("--cache", type=Path, default=Path("build/motion_benchmark"), help="keeps the landmarks")
    parser.add_argument("--weights", help="a phone network file (default: the asset)")
    parser.add_argument("--limit", type=int, default=60, help="utterances per closure set, evenly spread (emotions: a quarter of that)")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    head, net = load_generic(), load_phone_net(arguments.weights)
    results: dict[str, float] = {}
    human = list(human_utterances(arguments.speech / "human", arguments.limit))
    german = list(emodb_utterances(arguments.speech / "emodb", arguments.limit))
    for name, utterances in (("human, aligned transcript", human), ("Emo-DB, hand labels", german)):
        results |= closure_rows(name, utterances, head)
    results |= audio_closure_row("human, audio alone", human, head, net)
    results |= filmed_rows(list(filmed_clips(arguments.speech / "grid", arguments.cache)), head, net)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


def closure_rows(name: str, utterances: list[Utterance], head: GenericHead) -> dict[str, float]:
    """Closures from known phones, neutral and under each emotion."""
    engine = RuleConfig().build()
    results = {}
    for mood in ("neutral", *EMOTIONS):
        chosen = utterances if mood == "neutral" else utterances[::4]
        total, touches = ClosureScore(), ClosureScore()
        for item in chosen:
            n_frames = max(1, round(item.audio.duration * FPS))
            prompt = None if mood == "neutral" else full_emotion(mood, n_frames)
            vertices = posed(head, engine(item.audio, item.phones, prompt=prompt, fps=FPS))
            total += closure_score(lip_gap(head, vertices), FPS, item.labels)
            touches += labiodental_score(lower_lip_to_teeth(head, vertices), FPS, item.labels)
        counts = f"{total.hit} / {total.labelled} /p b m/ closed | {touches.hit} / {touches.labelled} /f v/ touched"
        print(f"| {name}, {mood} | {counts} | precision {total.precision:.3f} |")
        counted = {"closed": total.hit, "closures": total.labelled, "touched": touches.hit, "labiodentals": touches.labelled}
        results |= {f"{key(name)}_{mood}_{what}": value for what, value in counted.items()}
        results[f"{key(name)}_{mood}_precision"] = total.precision
    return results


def audio_closure_row(name: str, utterances: list[Utterance], head: GenericHead, net: PhoneNet) -> dict[str, float]:
    """Closures from the audio alone."""
    engine = with_closure_threshold(RuleConfig(), net.config.closure_threshold).build()
    total = ClosureScore()
    for item in utterances:
        total += closure_score(lip_gap(head, posed(head, engine(item.audio, net.posteriors(item.audio), fps=FPS))), FPS, item.labels)
    print(f"| {name} | recall {total.recall:.3f} | precision {total.precision:.3f} |")
    return {f"recall_{key(name)}": total.recall, f"precision_{key(name)}": total.precision}


def filmed_rows(clips: list[FilmedClip], head: GenericHead, net: PhoneNet) -> dict[str, float]:
    """Correlation with filmed mouths, for every way to drive the mouth."""
    heard = with_closure_threshold(RuleConfig(), net.config.closure_threshold).build()
    told = RuleConfig().build()

    def opening(speech: PhonePosteriors | list[PhoneSegment], clip: FilmedClip) -> Tensor:
        engine = heard if isinstance(speech, PhonePosteriors) else told
        return lip_gap(head, posed(head, engine(clip.audio, speech, fps=FPS)))

    drivers: dict[str, Callable[[FilmedClip], Tensor]] = {
        "audio alone": lambda clip: opening(net.posteriors(clip.audio), clip),
        "transcript": lambda clip: opening(clip.phones or [], clip),
        "audio energy": lambda clip: energy(clip.audio),
    }
    results = {}
    for group, chosen in (("13 with word times", [c for c in clips if c.timed]), ("3 without", [c for c in clips if not c.timed])):
        for name, driver in drivers.items():
            usable = [clip for clip in chosen if name != "transcript" or clip.phones]
            tracks = [fitted(driver(clip), len(clip.opening)) for clip in usable]
            scores = filmed_scores(usable, tracks)
            print(f"| GRID, {group} ({len(usable)} clips), {name} | " + " | ".join(f"{k} {v:.3f}" for k, v in scores.items()) + " |")
            results |= {f"grid_{key(group)}_{key(name)}_{measure}": value for measure, value in scores.items()}
    return results


def filmed_scores(clips: list[FilmedClip], tracks: list[Tensor]) -> dict[str, float]:
    """Means over clips: r at zero lag, best lag, r of the wrong audio (each clip against every other one's track)."""
    masks = [filmed_mask(clip) for clip in clips]
    real = [smooth3(torch.nan_to_num(clip.opening, nan=float(clip.opening.nanmean()))) for clip in clips]
    own = [lag_correlation(track, true, mask, shift=0) for track, true, mask in zip(tracks, real, masks, strict=True)]
    lags = [1000 * best_lag(track, true, mask, fps=FPS) for track, true, mask in zip(tracks, real, masks, strict=True)]
    wrong = [
        lag_correlation(track, true, mask, shift=0)
        for index, (true, mask) in enumerate(zip(real, masks, strict=True))
        for other, track in enumerate(tracks)
        if other != index
    ]
    return {"r": mean(own), "r_least": min(own), "lag_ms": mean(lags), "r_wrong_audio": mean(wrong)}


def filmed_mask(clip: FilmedClip) -> Bool[Tensor, " T"]:
    """Speech frames in which a face was found."""
    return speech_mask(clip.words, len(clip.opening), FPS) & torch.isfinite(clip.opening)


def human_utterances(folder: Path, limit: int) -> Iterator[Utterance]:
    """Held-out speakers, aligned by the product's own aligner; an utterance that cannot be aligned is counted out aloud."""
    with open(folder / "transcripts.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == "test"]
    failed = 0
    for row in rows[:: max(1, len(rows) // limit)]:
        audio = read_audio(folder / row["file"])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                phones = align_transcript(audio, row["text"].lower())
        except InputError:
            failed += 1
            continue
        yield Utterance(audio, phones, phones)
    print(f"({failed} utterances of human/ could not be aligned and are left out)")


def emodb_utterances(folder: Path, limit: int) -> Iterator[Utterance]:
    """German hand labels; the engine gets the phones, the score the closures from start to release."""
    paths = sorted(folder.glob("*.lablaut"))
    for path in paths[:: max(1, len(paths) // limit)]:
        phones = read_lablaut(path)
        spoken = [segment if segment.phone not in ("p", "b", "m") else replace(segment, phone="ax") for segment in phones]
        closures = [PhoneSegment(closure.phone, closure.start, closure.release) for closure in read_lablaut_closures(path)]
        yield Utterance(read_audio(path.with_suffix(".flac")), phones, spoken + closures)


def filmed_clips(folder: Path, cache: Path) -> Iterator[FilmedClip]:
    """GRID's clips with their landmarks, found once and kept."""
    for path in sorted(folder.glob("*.mpg")):
        audio = read_audio(path)
        align = folder / (path.stem.split("_")[-1] + ".align")
        sentence, words = grid_words(align) if align.exists() else (grid_sentence(path.stem), [])
        try:
            phones = align_transcript(audio, sentence)
        except InputError:
            phones = None
        yield FilmedClip(path.stem, audio, mouth_opening(path, cache), words or phones or [], phones, timed=bool(words))


def grid_words(path: Path) -> tuple[str, list[PhoneSegment]]:
    """A clip's sentence and where each word is (as segments; `ah` stands for any speech)."""
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    words = [row for row in rows if row[2] not in ("sil", "sp")]
    return " ".join(row[2] for row in words), [PhoneSegment("ah", int(row[0]) / 25000, int(row[1]) / 25000) for row in words]


def grid_sentence(name: str) -> str:
    """The sentence that a clip's name spells, such as `lbax4n`."""
    return " ".join(letter if table is None else table[letter] for letter, table in zip(name, GRID_WORDS, strict=True))


def mouth_opening(path: Path, cache: Path) -> Float[Tensor, " T"]:
    """Filmed lip gap over eye distance per frame; NaN without a face."""
    kept = cache / f"{path.stem}.npy"
    if not kept.exists():
        from recon.landmarks import detect_landmarks

        points = detect_landmarks(frame.rgb for frame in read_video(path)).points
        eyes = (points[:, EYE_CORNERS[0]] - points[:, EYE_CORNERS[1]]).norm(dim=1)
        cache.mkdir(parents=True, exist_ok=True)
        np.save(kept, ((points[:, UPPER_LIP] - points[:, LOWER_LIP]).norm(dim=1) / eyes).numpy())
    return torch.from_numpy(np.load(kept, allow_pickle=False)).float()


def full_emotion(label: str, n_frames: int) -> AUTrack:
    """The label's action units at full intensity in every frame: harder on the lips than any envelope."""
    track = AUTrack.neutral(n_frames, FPS)
    for name, value in LabelController(label, 1.0).plan(n_frames / FPS).peak().items():
        track.intensity[:, AU_INDEX[name]], track.weight[:, AU_INDEX[name]] = value, 1.0
    return track


def posed(head: GenericHead, motion: HeadMotion) -> Float[Tensor, "T V 3"]:
    """Vertices of the mean head, held still but for its face."""
    return head(head.identity(), replace(HeadMotion.neutral(motion.n_frames, motion.fps), rig=motion.rig)).vertices


def energy(audio: Waveform) -> Float[Tensor, " T"]:
    """Loudness per frame."""
    n_frames = int(audio.duration * INNER_FPS)
    per_frame = round(INNER_FPS / FPS)
    return torch.nn.functional.avg_pool1d(loudness(audio, n_frames, torch.ones(n_frames))[None], per_frame)[0]


def fitted(track: Tensor, n_frames: int) -> Tensor:
    """The track with exactly as many frames as the film."""
    return torch.nn.functional.pad(track[:n_frames], (0, max(0, n_frames - len(track))))


def key(name: str) -> str:
    """A name as part of a flat key."""
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())


if __name__ == "__main__":
    main()
