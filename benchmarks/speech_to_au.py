"""How well action units are heard in a voice: against performances, filmed faces and acted emotions.

    python benchmarks/speech_to_au.py held --voices build/motion/voices/human_train --performances build/motion/performances
    python benchmarks/speech_to_au.py wide --voices ... --performances ... --emotional ../shared/data/speech/emodb
    python benchmarks/speech_to_au.py emotions --performances ... --emotional ../shared/data/speech/emodb
    EMOHEAD_ASSETS=../shared/data/tracker python benchmarks/speech_to_au.py video --film ../shared/data/videos/talking_with_audio.mp4

held: the shipped network (or --weights) on unprompted performances of human speakers that nothing was trained on: mean absolute error and
correlation per action unit, both sides together, beside the error of saying the mean; and the means for shorter look-aheads.
wide: two trainings of --steps equal steps, with and without wide attention, on the same measure.
emotions: one short training per speaker that leaves him out, mostly on acted emotion; his utterances are classified by the prototype whose
offset from the mean prototype is nearest in direction to their mean action units' offset from those of the speakers trained on.
video: correlation with the action units that the tracker's decoder sees in filmed talkers, each clip about its own mean, beside the
correlation with the sound of the next film (of one film: its own, shifted by half); "lip gap" is AU25 against the gap between the inner
lips. Everything that takes long is kept under --cache.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import AU_INDEX
from emohead.commands.train_speech_to_au import prototypes_of
from emohead.data.emotional_voices import HeardVoice, emotional_voices, hear
from emohead.data.measuring_speech import EYE_CORNERS, LOWER_LIP, UPPER_LIP
from emohead.data.motion_corpus import MotionCorpusConfig, build_motion_corpus, load_motion_corpus
from emohead.data.performed_aus import PerformedAUs, performed_aus
from emohead.data.phone_corpus import load_corpus, well_aligned
from emohead.data.prompt_plans import PlanConfig
from emohead.data.speech_corpora import split_speakers
from emohead.head.action_units import channel_names
from emohead.media import read_audio, read_video
from emohead.motion.phone_net import load_phone_net
from emohead.motion.speech_to_au import SpeechToAU, load_speech_to_au
from emohead.motion.speech_to_au_net import FPS, SpeechToAUConfig
from emohead.motion.speech_to_au_training import EMOTION_CHANNELS, SpeechToAUTrainingConfig, train_speech_to_au
from emohead.motion.training import TrainingConfig

NUMBERS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28)
ALIVE = 0.02
"""Standard deviation of a channel that is worth a correlation."""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("held", "wide", "emotions", "video"))
    parser.add_argument("--voices", type=Path, help="phone corpus of human speakers; every tenth was left out of training")
    parser.add_argument("--performances", type=Path, help="motion corpus to train on, or to take the mean from")
    parser.add_argument("--emotional", type=Path, help="Emo-DB's recordings")
    parser.add_argument("--film", type=Path, nargs="+", help="filmed talkers")
    parser.add_argument("--weights", type=Path, help="a network (default: the asset)")
    parser.add_argument("--cache", type=Path, default=Path("build/speech_to_au_benchmark"))
    parser.add_argument("--steps", type=int, default=400, help="of each of the two trainings of `wide`")
    parser.add_argument("--fold-steps", type=int, default=400, help="of each training of `emotions`")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    results = {"held": held, "wide": wide, "emotions": emotions, "video": video}[arguments.part](arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


def held(arguments: argparse.Namespace) -> dict[str, float]:
    """The shipped network on held-out speakers."""
    truth, trained = held_out(arguments), training_set(arguments)
    model, results = load_speech_to_au(arguments.weights), {}
    usual = trained.intensity.astype(np.float32).mean((0, 1))
    for look_ahead in (None, 0.48, 0.2, 0.0):
        rows = rows_of(truth, model, usual, look_ahead=look_ahead)
        if look_ahead is None:
            for number, row in rows.items():
                print(f"| AU{number} | {row['mae']:.4f} | {row['mean_mae']:.4f} | {row['r']:.3f} | {row['certainty']:.2f} |")
                results |= {f"au{number}_{name}": value for name, value in row.items()}
        name = "all" if look_ahead is None else f"{look_ahead:g}s"
        results |= summary(f"look-ahead {name}", rows, f"look_ahead_{name}_")
    return results


def wide(arguments: argparse.Namespace) -> dict[str, float]:
    """The same training with and without wide attention."""
    truth, trained, heard = held_out(arguments), training_set(arguments), heard_emotions(arguments)
    usual, results = trained.intensity.astype(np.float32).mean((0, 1)), {}
    for wide_attention in (True, False):
        name = "wide" if wide_attention else "narrow"
        config = short(arguments.steps, network=SpeechToAUConfig(wide=wide_attention))
        prototypes = prototypes_of(voice.emotion for voice in heard)
        model = train_speech_to_au(trained, heard, prototypes, arguments.cache / f"{name}_{arguments.steps}", config=config)
        rows = rows_of(truth, model, usual)
        for number, row in rows.items():
            print(f"| {name} AU{number} | {row['mae']:.4f} | {row['r']:.3f} |")
            results |= {f"{name}_au{number}_{key}": value for key, value in row.items()}
        results |= summary(name, rows, f"{name}_")
    return results


def emotions(arguments: argparse.Namespace) -> dict[str, float]:
    """Emotions of speakers that were left out, through the action units."""
    trained, heard = training_set(arguments), heard_emotions(arguments)
    prototypes = prototypes_of(voice.emotion for voice in heard)
    names = sorted(prototypes)
    meant = torch.stack([prototypes[name][list(EMOTION_CHANNELS)] for name in names])
    counts = np.zeros((len(names), len(names)), int)
    for speaker in sorted({voice.speaker for voice in heard}):
        rest = [voice for voice in heard if voice.speaker != speaker]
        config = replace(short(arguments.fold_steps, learning_rate=2e-3), emotional=0.75, seconds=3.0, look_aheads=(None,))
        folder = arguments.cache / f"without_{speaker.replace('/', '_')}_{arguments.fold_steps}"
        model = train_speech_to_au(trained, rest, prototypes, folder, config=config)
        # As recorded; two distorted copies follow each.
        middle = torch.stack([heard_mean(model, voice) for voice in rest[::3]]).mean(0)
        his = [voice for voice in heard[::3] if voice.speaker == speaker]
        told = [int(likeness(heard_mean(model, voice) - middle, meant).argmax()) for voice in his]
        for voice, index in zip(his, told, strict=True):
            counts[names.index(voice.emotion), index] += 1
        right = sum(names[index] == voice.emotion for voice, index in zip(his, told, strict=True))
        print(f"| without {speaker} | {right} of {len(his)} right |", flush=True)
    recalls = counts.diagonal() / counts.sum(1)
    for name, row, recall in zip(names, counts, recalls, strict=True):
        print(f"| {name} | {' | '.join(str(count) for count in row)} | {recall:.2f} |")
    results = {
        "emotion_accuracy": float(counts.diagonal().sum() / counts.sum()),
        "emotion_recall": float(recalls.mean()),
        "emotion_chance": 1 / len(names),
        "emotion_most_frequent": float(counts.sum(1).max() / counts.sum()),
    }
    print(results)
    return results


def video(arguments: argparse.Namespace) -> dict[str, float]:
    """What is heard against what is seen in filmed talkers."""
    model, results = load_speech_to_au(arguments.weights), {}
    courses: dict[str, list[np.ndarray]] = {}
    for film in arguments.film:
        for name, pair in heard_and_seen(film, model, arguments.cache).items():
            courses.setdefault(name, []).append(pair - pair.mean(1, keepdims=True))
    for name, pairs in courses.items():
        told, seen = np.concatenate(pairs, axis=1)
        if seen.std() > ALIVE and told.std() > 0.2 * ALIVE:
            wrong = np.concatenate(wrong_sound(pairs))
            r, other = (float(np.corrcoef(course, seen)[0, 1]) for course in (told, wrong))
            print(f"| {name} | {r:.2f} | {other:.2f} |")
            results |= {f"video_{name}_r": r, f"video_{name}_wrong_sound": other}
    values = [value for name, value in results.items() if name.startswith("video_AU") and name.endswith("_r")]
    print(f"| median of {len(values)} action units | {median(values):.2f} |")
    return results | {"video_median_r": median(values)}


def heard_and_seen(film: Path, model: SpeechToAU, cache: Path) -> dict[str, np.ndarray]:
    """Per action unit `[2, T]`: as heard, as the tracker's decoder sees it; then AU25 as heard and the gap between the inner lips."""
    from recon.au_decoder import decode_aus

    landmarks, told = landmarks_of(film, cache), model(read_audio(film))
    seen = decode_aus(landmarks, fps=FPS)
    points = landmarks.points.numpy()[:, :, :2]
    gap = np.linalg.norm(points[:, UPPER_LIP] - points[:, LOWER_LIP], axis=1)
    gap = np.nan_to_num(gap / np.linalg.norm(points[:, EYE_CORNERS[0]] - points[:, EYE_CORNERS[1]], axis=1))
    n_frames = min(seen.n_frames, told.n_frames)
    pairs = {f"AU{n}": np.stack([both_sides(track.intensity[:n_frames], n).numpy() for track in (told, seen)]) for n in NUMBERS}
    return pairs | {"lip gap": np.stack([both_sides(told.intensity[:n_frames], 25).numpy(), gap[:n_frames]])}


def wrong_sound(pairs: list[np.ndarray]) -> list[np.ndarray]:
    """Courses that were heard in other sounds, as long as each clip."""
    if len(pairs) == 1:
        return [np.roll(pairs[0][0], pairs[0].shape[1] // 2)]
    return [np.resize(other[0], pair.shape[1]) for pair, other in zip(pairs, pairs[1:] + pairs[:1], strict=True)]


def short(steps: int, *, network: SpeechToAUConfig | None = None, learning_rate: float = 1.5e-3) -> SpeechToAUTrainingConfig:
    """A training of few steps."""
    plain = SpeechToAUTrainingConfig()
    training = TrainingConfig(steps=steps, learning_rate=learning_rate, warmup=50, average=0.98, every=100)
    return replace(plain, network=network or plain.network, training=training)


def held_out(arguments: argparse.Namespace) -> PerformedAUs:
    """80 unprompted performances of the speakers left out."""
    voices = well_aligned(split_speakers(load_corpus(arguments.voices))[1])
    nothing = PlanConfig(nothing=1.0, emotion=0.0, units=0.0, only=0.0, pose=0.0)
    config = MotionCorpusConfig(n_clips=80, plans=nothing, seed=99)
    corpus = build_motion_corpus(arguments.cache / "held", [(voices, 1.0)], load_phone_net(), {}, config=config)
    return performed_aus(corpus, arguments.cache / "held_aus.npz")


def training_set(arguments: argparse.Namespace) -> PerformedAUs:
    """What the networks are trained on."""
    return performed_aus(load_motion_corpus(arguments.performances), arguments.cache / "performed_aus.npz")


def heard_emotions(arguments: argparse.Namespace) -> list[HeardVoice]:
    """Emo-DB as the phone network hears it."""
    return hear(emotional_voices(arguments.emotional), load_phone_net(), arguments.cache / "emotional.npz")


def rows_of(truth: PerformedAUs, model: SpeechToAU, usual: np.ndarray, *, look_ahead: float | None = None) -> dict[int, dict[str, float]]:
    """Per action unit that is alive: error, that of always saying the training corpus's mean, correlation over all frames, certainty."""
    n_frames = truth.intensity.shape[1]
    tracks = [model.of_features(torch.from_numpy(f.astype(np.float32)), n_frames, look_ahead=look_ahead) for f in truth.features]
    said, sure = (torch.cat([getattr(track, name) for track in tracks]) for name in ("intensity", "weight"))
    real = torch.from_numpy(truth.intensity.astype(np.float32)).flatten(0, 1)
    rows = {}
    for number in NUMBERS:
        one, other, weight = (both_sides(values, number).numpy() for values in (said, real, sure))
        middle = float(both_sides(torch.from_numpy(usual)[None], number))
        if other.std() > ALIVE:
            rows[number] = {
                "mae": float(np.abs(one - other).mean()),
                "mean_mae": float(np.abs(middle - other).mean()),
                "r": float(np.corrcoef(one, other)[0, 1]),
                "certainty": float(weight.mean()),
            }
    return rows


def summary(name: str, rows: dict[int, dict[str, float]], prefix: str) -> dict[str, float]:
    """Means over action units."""
    error, middle, r = (mean(row[key] for row in rows.values()) for key in ("mae", "mean_mae", "r"))
    print(f"| {name}: mean of {len(rows)} | {error:.4f} | {middle:.4f} | {r:.3f} |")
    return {f"{prefix}mae": error, f"{prefix}mean_mae": middle, f"{prefix}r": r}


def heard_mean(model: SpeechToAU, voice: HeardVoice) -> Float[Tensor, " E"]:
    """Mean action units of an utterance, those that a tone may tell."""
    features = torch.from_numpy(voice.features.astype(np.float32))
    return model.of_features(features, max(1, len(features) // 4)).intensity.mean(0)[list(EMOTION_CHANNELS)]


def likeness(units: Float[Tensor, " E"], meant: Float[Tensor, "P E"]) -> Float[Tensor, " P"]:
    """How alike an offset from the usual face and each prototype's offset from their mean are: the cosine."""
    return torch.cosine_similarity(meant - meant.mean(0), units[None])


def both_sides(values: Float[Tensor, "T A"], number: int) -> Float[Tensor, " T"]:
    """An action unit, the mean of its sides."""
    return values[:, [AU_INDEX[name] for name in channel_names(f"AU{number}")]].mean(1)


def landmarks_of(path: Path, cache: Path):
    """Landmarks of every frame of a film at 25 frames per second, from the cache if they are there."""
    from recon.landmarks import detect_landmarks
    from recon.types import FaceLandmarks

    kept = cache / f"{path.stem}.npz"
    if not kept.exists():
        found = detect_landmarks(frame.rgb for frame in read_video(path, fps=FPS))
        np.savez(kept, points=found.points.numpy(), scores=found.scores.numpy())
    with np.load(kept, allow_pickle=False) as data:
        return FaceLandmarks(torch.from_numpy(data["points"]), torch.from_numpy(data["scores"]))


if __name__ == "__main__":
    main()
