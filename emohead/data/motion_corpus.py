"""A corpus of performances to train motion networks on: voices with known phones, acted by the rule engine in random styles and moods.

Every clip is drawn from (seed, number) alone. On disk a corpus is a folder of plain arrays that appears when it is whole; voices are not
kept, only what the phone network hears of them after acoustic distortion, so a corpus of ten hours has less than a gigabyte.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import N_RIG
from emohead.data.alignments import LABEL_RATE, UNKNOWN_LABEL
from emohead.data.augment import augment
from emohead.data.phone_batches import BatchConfig, PhoneBatches
from emohead.data.phone_corpus import CORPUS_RATE, PhoneCorpus
from emohead.data.prompt_plans import EMOTIONS, PlanConfig, PromptPlan, random_plan
from emohead.errors import InputError
from emohead.motion import closures
from emohead.motion.features.base import SpeechEncoder, check_features
from emohead.motion.features.phone_bottleneck import N_FEATURES, certain
from emohead.motion.features.sounds import sounds
from emohead.motion.phone_net import PhoneNet
from emohead.motion.phones import PHONE_INDEX, PHONES
from emohead.motion.rules import RuleConfig, with_closure_threshold
from emohead.motion.style import N_STYLE, style_of
from emohead.motion.vector import N_CHANNELS, RIG_CHANNELS, RIG_COLUMNS, to_vectors
from emohead.types import AUTrack, PhonePosteriors, PhoneSegment, Waveform

MOTION_RATE, PROMPT_RATE = 50.0, 25.0
"""Frames per second of motion and of prompts."""
N_PROMPT = 2 * 46 + 2 + 3 + 2
"""Columns of a prompt: what is asked of each action unit (intensity times weight), its weight, gaze, head, both weighted, their weights."""
ABOUT_FILE = "corpus.json"
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class MotionCorpusConfig:
    """Settings of a corpus."""

    n_clips: int = 6000
    """Performances."""
    seconds: float = 8.0
    """Length of each."""
    clean: float = 0.25
    """Share of voices that are not distorted."""
    by_ear: float = 0.65
    """Share of performances whose mouth follows what the phone network hears, doubts and all; in the others the phones are told.

    Strangers' voices are heard with doubts, and a mouth that believes the likeliest phone is wrong more often than one that hedges. What
    is told is acted as it is told: the network hears the phones themselves.
    """
    silent: float = 0.15
    """Share of performances in which nobody speaks."""
    plans: PlanConfig = field(default_factory=PlanConfig)
    """What is asked for."""
    seed: int = 0
    """One seed, one corpus."""


@dataclass(frozen=True)
class MotionCorpus:
    """Performances, all of one length; arrays stay on disk until they are read."""

    features: np.ndarray
    """`[n, 2 T, D]` float16: what is heard every 10 ms (`features.sounds`)."""
    labels: np.ndarray
    """`[n, 2 T]` uint8: the phone that is spoken, or `UNKNOWN_LABEL`."""
    motion: np.ndarray
    """`[n, T, M]` float16: motion vectors at 50 fps; of performances with lips that are not held shut (`closures.hold` follows drawing)."""
    prompt: np.ndarray
    """`[n, T / 2, N_PROMPT]` float16: what was asked for."""
    emotion: np.ndarray
    """`[n, T / 2, E]` float16: the emotions meant."""
    style: np.ndarray
    """`[n, Y]` float32: the measured style."""
    encoder: Mapping[str, Any] | None = None
    """What heard the voices (`features.base.encoder_record`); None for a phone network that is not named."""

    @property
    def n_clips(self) -> int:
        """Number of performances."""
        return self.features.shape[0]

    @property
    def hours(self) -> float:
        """Length of the corpus."""
        return self.n_clips * self.motion.shape[1] / MOTION_RATE / 3600


_DTYPES = {"features": "<f2", "labels": "u1", "motion": "<f2", "prompt": "<f2", "emotion": "<f2", "style": "<f4"}


def build_motion_corpus(
    folder: Path,
    speech: list[tuple[PhoneCorpus, float]],
    net: PhoneNet,
    prototypes: Mapping[str, Float[Tensor, " A"]],
    *,
    config: MotionCorpusConfig | None = None,
    encoder: tuple[SpeechEncoder | None, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> MotionCorpus:
    """Make a corpus in `folder`, going on where an interrupted run stopped; one that is whole is only opened.

    Args:
        folder: made if it is not there.
        speech: voices with phone labels and the share of each.
        net: hears the voices.
        prototypes: the action units of each of `EMOTIONS` at full intensity.
        config: settings; a folder of other settings is an error.
        encoder: what the motion network will hear through (`features.sounds.encoder_to_train_with`); None for what `net` hears.
        progress: told the share done.

    Raises:
        InputError: the folder holds a corpus of other settings.
    """
    config = config or MotionCorpusConfig()
    if (folder / ABOUT_FILE).is_file():
        return load_motion_corpus(folder, config=config, encoder=encoder[1] if encoder else None)
    folder.mkdir(parents=True, exist_ok=True)
    listen, record = encoder or (None, None)
    arrays, done = _open(folder, config, N_FEATURES if listen is None else listen.dim)
    batches = PhoneBatches(speech, net.front_end, BatchConfig(n_clips=1, n_frames=round(config.seconds * LABEL_RATE)), seed=config.seed)
    for number in range(done, config.n_clips):
        for name, value in _clip(number, batches, net, listen, prototypes, config).items():
            arrays[name][number] = value
        if (number + 1) % 50 == 0 or number + 1 == config.n_clips:
            for array in arrays.values():
                array.flush()
            (folder / "done.txt").write_text(str(number + 1))
            if progress:
                progress((number + 1) / config.n_clips, "acting")
    (folder / ABOUT_FILE).write_text(json.dumps({"settings": asdict(config), "encoder": record}, indent=1))
    return load_motion_corpus(folder)


def load_motion_corpus(folder: Path, *, config: MotionCorpusConfig | None = None, encoder: Mapping[str, Any] | None = None) -> MotionCorpus:
    """Open a corpus.

    Raises:
        InputError: there is none, it is damaged, or it was made with other settings than `config` or heard through another `encoder`.
    """
    try:
        about = json.loads((folder / ABOUT_FILE).read_text())
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _DTYPES}
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: no motion corpus there ({type(error).__name__}); emohead train motion makes one") from error
    if config and about.get("settings") != json.loads(json.dumps(asdict(config))):
        raise InputError(f"{folder}: made with other settings ({ABOUT_FILE}); give another --work folder or remove it")
    if encoder is not None:
        check_features(about.get("encoder") or {}, encoder, trained=str(folder))
    return MotionCorpus(**arrays, encoder=about.get("encoder"))


def prompt_columns(track: AUTrack) -> Float[Tensor, "T N_PROMPT"]:
    """A prompt as what the networks are given."""
    gaze_weight, head_weight = track.pose_weight[:, :1], track.pose_weight[:, 1:]
    asked = [track.intensity * track.weight, track.weight, track.gaze * gaze_weight, track.head_rotation * head_weight, track.pose_weight]
    return torch.cat(asked, 1)


def random_style(random: np.random.Generator) -> RuleConfig:
    """A way to speak and move."""
    return RuleConfig(
        articulation=float(random.uniform(0.75, 1.2)),
        rounding=float(random.uniform(0.8, 1.2)),
        emphasis=float(random.uniform(0.0, 0.15)),
        head=float(random.uniform(0.35, 1.6)),
        nod_probability=float(random.uniform(0.3, 0.9)),
        flash_probability=float(random.uniform(0.15, 0.8)),
        stir=float(random.uniform(0.01, 0.05)),
        smile=float(random.choice([0.0, random.uniform(0.05, 0.35)], p=[0.6, 0.4])),
        blink_rate=float(np.clip(20.0 * np.exp(0.35 * random.standard_normal()), 8.0, 40.0)),
        glance=float(random.uniform(0.2, 0.9)),
        away=float(random.uniform(0.1, 1.0)),
    )


def performed(corpus: MotionCorpus, clip: int) -> Float[Tensor, "T M"]:
    """A performance as it is seen: its lips held where what is spoken insists on it."""
    vectors = torch.from_numpy(corpus.motion[clip].astype(np.float32))
    rig = vectors.new_zeros(vectors.shape[0], N_RIG)
    rig[:, RIG_COLUMNS] = vectors[:, : len(RIG_CHANNELS)]
    held = closures.hold_in_speech(rig, segments_of(corpus.labels[clip]), MOTION_RATE)
    return torch.cat([held[:, RIG_COLUMNS], vectors[:, len(RIG_CHANNELS) :]], 1)


def segments_of(labels: np.ndarray) -> list[PhoneSegment]:
    """Runs of equal frame labels as timed phones; unknown frames are pauses."""
    edges = np.flatnonzero(np.diff(labels)) + 1
    starts, ends = [0, *edges.tolist()], [*edges.tolist(), len(labels)]
    names = ["pau" if labels[start] == UNKNOWN_LABEL else PHONES[labels[start]] for start in starts]
    return [PhoneSegment(name, start / LABEL_RATE, end / LABEL_RATE) for name, start, end in zip(names, starts, ends, strict=True)]


def _clip(
    number: int,
    batches: PhoneBatches,
    net: PhoneNet,
    encoder: SpeechEncoder | None,
    prototypes: Mapping[str, Tensor],
    config: MotionCorpusConfig,
) -> dict[str, np.ndarray]:
    random = np.random.default_rng((config.seed, number))
    samples, labels = batches.clip(random)
    silent = random.random() < config.silent
    if silent:
        samples, labels = np.zeros_like(samples), np.full_like(labels, PHONE_INDEX["pau"])
    audio = Waveform(torch.from_numpy(samples), CORPUS_RATE)
    plan = random_plan(round(config.seconds * MOTION_RATE), MOTION_RATE, prototypes, random, config=config.plans)
    engine = with_closure_threshold(random_style(random), net.config.closure_threshold).build()
    distorted, heard = _heard(audio, net, random, config)
    spoken = segments_of(labels)
    told = random.random() >= config.by_ear and not silent
    if told and encoder is None:
        heard = certain(spoken, heard)
    speech = spoken if told or silent else heard
    seed = int(random.integers(2**31))
    # The lips are held shut after drawing, as the rule engine does: to learn that too would be to shut them twice where hearing errs.
    free, seen = (
        to_vectors(*engine.parts(audio, speech, prompt=plan.track, fps=MOTION_RATE, seed=seed, held=held)) for held in (False, True)
    )
    return {
        "features": sounds(distorted, heard, encoder).numpy(),
        "labels": labels,
        "motion": free.numpy(),
        "style": style_of(seen, MOTION_RATE).numpy(),
        **_conditions(plan),
    }


def _heard(audio: Waveform, net: PhoneNet, random: np.random.Generator, config: MotionCorpusConfig) -> tuple[Waveform, PhonePosteriors]:
    if random.random() >= config.clean:
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        distortion = replace(BatchConfig().augment, babble=0.0)  # there is no other clip to babble
        audio = replace(audio, samples=augment(audio.samples[None], distortion, generator)[0])
    return audio, net.posteriors(audio)


def _conditions(plan: PromptPlan) -> dict[str, np.ndarray]:
    def paired(values: Tensor) -> np.ndarray:
        return values.unflatten(0, (-1, 2)).mean(1).numpy()

    return {"prompt": paired(prompt_columns(plan.track)), "emotion": paired(plan.emotion)}


def _open(folder: Path, config: MotionCorpusConfig, n_features: int) -> tuple[dict[str, np.memmap], int]:
    n_frames = round(config.seconds * MOTION_RATE)
    shapes = {
        "features": (2 * n_frames, n_features),
        "labels": (2 * n_frames,),
        "motion": (n_frames, N_CHANNELS),
        "prompt": (n_frames // 2, N_PROMPT),
        "emotion": (n_frames // 2, len(EMOTIONS)),
        "style": (N_STYLE,),
    }
    counter = folder / "done.txt"
    done = int(counter.read_text()) if counter.is_file() else 0
    mode = "r+" if done else "w+"
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode=mode, dtype=_DTYPES[name], shape=(config.n_clips, *shape))
        for name, shape in shapes.items()
    }
    return arrays, done
