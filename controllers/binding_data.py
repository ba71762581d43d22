"""What the emotion space is trained on: performances, acted voices, phrases and the tables' expressions, each with its state."""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from controllers.binding_face import LOOK_RATE, expression_values, statistics
from controllers.binding_voice import N_TONE, tone_statistics
from controllers.expression import Expression, scaled
from controllers.labels import LabelController
from controllers.phrases import HeldOut, Phrase, lexicon_phrases, situation_phrases
from controllers.states import states
from controllers.tables import read_table
from emohead.channels import AU_INDEX, AU_NAMES, N_AU
from emohead.data.augment import AugmentConfig, augment
from emohead.data.emotional_voices import EmotionalVoice
from emohead.data.motion_corpus import MOTION_RATE, MotionCorpus, performed
from emohead.data.prompt_plans import EMOTIONS
from emohead.data.resampling import resampled
from emohead.errors import InputError
from emohead.head.action_units import rig_to_au
from emohead.media import read_audio
from emohead.motion.vector import INDEX, to_motion
from emohead.output import whole_file
from emohead.types import Waveform

Progress = Callable[[float, str], None]
HOLD_OUT_EVERY = 10
"""Every tenth performance is kept from training, to measure with."""
_STEP = round(MOTION_RATE / LOOK_RATE)
_LEAST_FRAMES = 10
"""Shortest window of a face, 1.6 s."""
_MEANT, _FOREIGN = 0.2, 0.08
"""Mean strength from which a window shows an emotion, and up to which it does not show another."""
_SPOKEN_SHARE = 0.4
"""How much of an expression's share of lips and jaw is left while somebody speaks, when one is laid over a performance."""
_LIPS = frozenset({"AU16L", "AU16R", "AU18", "AU22", "AU23", "AU24", "AU25", "AU26", "AU27", "AU28"})


@dataclass(frozen=True)
class Items:
    """Things of one modality."""

    values: Float[Tensor, "n I"]
    """What the adapter reads."""
    state: Int[Tensor, " n"]
    """Which of `state_names` each shows."""
    strength: Float[Tensor, " n"]
    """How strongly, 1 as the tables describe; not a number where nobody knows."""


@dataclass(frozen=True)
class Faces:
    """Performances as seen by the space."""

    shown: np.ndarray
    """`[n, T, A]` float16: action units at `LOOK_RATE`."""
    pose: np.ndarray
    """`[n, T, 5]` float16: gaze and head, radians."""
    emotion: np.ndarray
    """`[n, T, E]` float16: strength of each of `data.prompt_plans.EMOTIONS` that was meant."""
    number: np.ndarray
    """`[n]`: which performance of the corpus."""


@dataclass(frozen=True)
class Tones:
    """Acted voices as heard by the space."""

    values: Float[Tensor, "n K V"]
    """`binding_voice.tone_statistics` of each as recorded, then of `K - 1` distorted copies."""
    emotion: tuple[str, ...]
    speaker: tuple[str, ...]


def state_names() -> tuple[str, ...]:
    """The states that the space knows, in order."""
    return tuple(states())


def faces_of(corpus: MotionCorpus, cache: Path, *, progress: Progress | None = None) -> Faces:
    """The performances of a corpus that show one of its emotions or nothing; kept in the file `cache` (.npz).

    Raises:
        InputError: no performance shows an emotion.
    """
    asked = np.abs(np.asarray(corpus.prompt[:, :, :N_AU])).max((1, 2)) > 0
    meant = np.asarray(corpus.emotion).max((1, 2)) > _MEANT
    chosen = np.flatnonzero(meant | ~asked)
    if not meant.any():
        raise InputError("no performance of this corpus shows an emotion; make one with emohead train motion")
    key = hashlib.sha256(np.ascontiguousarray(corpus.motion[chosen[::7], ::50]).tobytes()).hexdigest()
    try:
        with np.load(cache, allow_pickle=False) as kept:
            if str(kept["key"]) == key:
                return Faces(kept["shown"], kept["pose"], kept["emotion"], kept["number"])
    except (OSError, ValueError, KeyError):
        pass  # nothing kept yet, or of another corpus
    seen = []
    for row, number in enumerate(chosen):
        seen.append(_seen(performed(corpus, int(number))))
        if progress and row % 20 == 0:
            progress((row + 1) / len(chosen), "looking at performances")
    shown, pose = (np.stack(part) for part in zip(*seen, strict=True))
    # Emotions are stored at half the rate of the motion.
    emotion = np.asarray(corpus.emotion[chosen])[:, _STEP // 4 :: _STEP // 2][:, : shown.shape[1]]
    with whole_file(cache) as partial:
        np.savez(partial, key=key, shown=shown, pose=pose, emotion=emotion, number=chosen)
    return Faces(shown, pose, emotion, chosen)


def tones_of(voices: Sequence[EmotionalVoice], cache: Path, *, copies: int = 6, progress: Progress | None = None) -> Tones:
    """The tone of acted voices, as recorded and as spoken by somebody a little larger or smaller elsewhere; kept in `cache` (.npz).

    Raises:
        InputError: a recording that cannot be read or has no voice in it, or an emotion that is no state of the tables.
    """
    unknown = sorted({voice.emotion for voice in voices} - set(states()))
    if unknown:
        raise InputError(f"no state of the tables is called {unknown[0]!r}; leave these recordings out")
    listed = [f"{voice.path.name} {voice.path.stat().st_size}" for voice in voices]
    key = hashlib.sha256(f"{copies} {N_TONE} {listed}".encode()).hexdigest()
    values = _kept_tones(cache, key)
    if values is None:
        rows = []
        for number, voice in enumerate(voices):
            audio = read_audio(voice.path)
            rows.append(np.stack([tone_statistics(_copy(audio, number, copy)).numpy() for copy in range(1 + copies)]))
            if progress:
                progress((number + 1) / len(voices), "listening to acted voices")
        values = np.stack(rows)
        with whole_file(cache) as partial:
            np.savez(partial, key=key, values=values)
    return Tones(torch.from_numpy(values), tuple(voice.emotion for voice in voices), tuple(voice.speaker for voice in voices))


def voice_items(tones: Tones, *, without: str | None = None) -> Items:
    """All copies of the voices, but for one speaker's."""
    rows = [row for row, speaker in enumerate(tones.speaker) if speaker != without]
    names, n_copies = state_names(), tones.values.shape[1]
    state = torch.tensor([names.index(tones.emotion[row]) for row in rows]).repeat_interleave(n_copies)
    return Items(tones.values[rows].flatten(0, 1), state, torch.full((len(state),), torch.nan))


def motion_items(faces: Faces, rng: np.random.Generator, *, per_clip: int = 4, overlaid: int) -> Items:
    """Windows of the performances, and each state of the tables laid over performances that show nothing.

    Args:
        faces: performances.
        rng: one state, one set.
        per_clip: windows that are tried in each performance.
        overlaid: windows for each state.
    """
    calm = np.flatnonzero(faces.emotion.astype(np.float32).max((1, 2)) < 0.01)
    rows, kinds, strengths = [], [], []
    for clip in range(len(faces.shown)):
        for _ in range(per_clip if clip not in calm else 1):
            window = _window(faces, clip, rng)
            named = _shown_in(faces.emotion[clip, window])
            if named is not None:
                rows.append(_varied(faces.shown[clip, window], faces.pose[clip, window], rng))
                kinds.append(state_names().index(named[0]))
                strengths.append(named[1])
    for index, name in enumerate(state_names()):
        for _ in range(overlaid if len(calm) else 0):
            clip, gain = int(rng.choice(calm)), float(rng.uniform(0.35, 1.15))
            window = _window(faces, clip, rng)
            rows.append(_varied(*_laid_over(faces.shown[clip, window], faces.pose[clip, window], name, gain, rng), rng))
            kinds.append(index)
            strengths.append(gain if name != "neutral" else 0.0)
    return Items(torch.stack(rows), torch.tensor(kinds), torch.tensor(strengths))


def label_items(rng: np.random.Generator, *, per_state: int) -> Items:
    """Every state at many strengths."""
    gains = [(index, name, float(gain)) for index, name in enumerate(state_names()) for gain in rng.uniform(0.25, 1.3, per_state)]
    values = torch.stack([label_values(states()[name].expression, gain) for _, name, gain in gains])
    strength = torch.tensor([0.0 if name == "neutral" else gain for _, name, gain in gains])
    return Items(values, torch.tensor([index for index, *_ in gains]), strength)


def label_values(expression: Expression, gain: float = 1.0) -> Float[Tensor, " L"]:
    """What the adapter of labels reads of an expression made stronger or fainter."""
    return expression_values(scaled(expression, gain))


def texts(rng: random.Random, count: int, *, without: HeldOut | None = None) -> list[tuple[str, Phrase]]:
    """`count` generated sentences that mean one state each, rich states more often than poor ones."""
    frames, fragments = read_table("frames")["frames"], read_table("frames")["fragments"]
    pools: dict[str, list[Phrase]] = {name: [] for name in state_names()}
    for phrase in (*lexicon_phrases(), *situation_phrases()):
        if phrase.concept in pools and not (without and without.occurs_in(phrase.text)):
            pools[phrase.concept].append(phrase)
    listed = {name: pool for name, pool in pools.items() if pool}
    weights = [len(pool) ** 0.5 for pool in listed.values()]
    made = []
    for name in rng.choices(list(listed), weights, k=count):
        phrase = rng.choice(listed[name])
        text = rng.choice(frames[phrase.kind]).format(phrase.text)
        made.append((f"{text} {rng.choice(fragments)}" if rng.random() < 0.15 else text, phrase))
    return made


def _seen(vectors: Float[Tensor, "T M"]) -> tuple[np.ndarray, np.ndarray]:
    """Action units without blinks, and gaze and head, of motion vectors at every `_STEP`-th frame."""
    still = vectors[_STEP // 2 :: _STEP].clone()
    pose = still[:, [INDEX[name] for name in ("gazeYaw", "gazePitch", "headPitch", "headYaw", "headRoll")]]
    still[:, [INDEX["blink"], INDEX["gazeYaw"], INDEX["gazePitch"]]] = 0.0
    return rig_to_au(to_motion(still, LOOK_RATE).rig).half().numpy(), pose.half().numpy()


def _window(faces: Faces, clip: int, rng: np.random.Generator) -> slice:
    n_frames = faces.shown.shape[1]
    length = int(rng.integers(min(_LEAST_FRAMES, n_frames), n_frames // 2 + 1))
    start = int(rng.integers(n_frames - length + 1))
    return slice(start, start + length)


def _shown_in(emotion: np.ndarray) -> tuple[str, float] | None:
    """The emotion of a window and its strength; none where it is weak, mixed or comes and goes."""
    mean = emotion.astype(np.float32).mean(0)
    order = np.argsort(-mean)
    if mean[order[0]] < 0.01:
        return "neutral", 0.0
    return (EMOTIONS[order[0]], float(mean[order[0]])) if mean[order[0]] > _MEANT and mean[order[1]] < _FOREIGN else None


def _laid_over(shown: np.ndarray, pose: np.ndarray, name: str, gain: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A state on a face that speaks: together they saturate, as `motion.compose` does it with rigs."""
    asked = LabelController(name, gain, int(rng.integers(2**31)))(len(shown) + 12, LOOK_RATE)
    share = torch.tensor([_SPOKEN_SHARE if channel in _LIPS else 1.0 for channel in AU_NAMES])
    wanted = (asked.intensity * asked.weight * share)[6 : 6 + len(shown)].numpy()
    turned = torch.cat([asked.gaze, asked.head_rotation], 1)[6 : 6 + len(shown)].numpy()
    return wanted + shown * (1 - wanted), pose + turned


def _varied(shown: np.ndarray, pose: np.ndarray, rng: np.random.Generator) -> Float[Tensor, " F"]:
    """Statistics of a face as another eye reads it.

    Channels are stronger and weaker, a little off, not seen at all, or seen where there is nothing; lids hang (people look down, and a
    tracker does not know their eyes); a smile's raised lip is taken for AU10, as trackers do with people.
    """
    gain = np.exp(0.2 * rng.standard_normal(N_AU)) * (rng.random(N_AU) > 0.04)
    if rng.random() < 0.3:
        gain[_UNSEEN] = 0.0
    off = 0.03 * rng.standard_normal(N_AU) + rng.uniform(0.0, 0.35, N_AU) * (rng.random(N_AU) < 0.04)
    seen = shown.astype(np.float32) * gain + off
    if rng.random() < 0.5:
        seen[:, _LIDS] += rng.uniform(0.0, 0.6) * rng.random((len(seen), 1)) ** 0.5
    if rng.random() < 0.4:
        seen[:, _LIP] += rng.uniform(0.0, 1.0) * shown[:, _SMILE]
    turned = pose.astype(np.float32) + 0.03 * rng.standard_normal(5)
    clipped = torch.from_numpy(np.clip(seen, 0.0, 1.0)).float()
    return statistics(clipped[None], torch.from_numpy(turned).float()[None])[0]


def _copy(audio: Waveform, number: int, copy: int) -> Waveform:
    """Another speaker size (pitch, formants and pace together, a sixth up or down), room and microphone; copy 0 is as recorded."""
    if copy == 0:
        return audio
    rng = np.random.default_rng((number, copy))
    rate = round(audio.sample_rate * float(np.exp(rng.uniform(-0.16, 0.16))) / 50) * 50
    other = resampled(Waveform(audio.samples, rate), audio.sample_rate)
    made = augment(other.samples[None], _ELSEWHERE, torch.Generator().manual_seed(int(rng.integers(2**31))))[0]
    return replace(other, samples=made.float())


def _kept_tones(cache: Path, key: str) -> np.ndarray | None:
    try:
        with np.load(cache, allow_pickle=False) as kept:
            return kept["values"] if str(kept["key"]) == key else None
    except (OSError, ValueError, KeyError):
        return None


_UNSEEN = [AU_INDEX[name] for name in ("AU6L", "AU6R", "AU11L", "AU11R", "AU13L", "AU13R", "AU19", "AU23", "AU29")]
"""Channels that the tracker's decoder of action units does not see."""
_LIDS, _LIP, _SMILE = ([AU_INDEX[f"{name}{side}"] for side in "LR"] for name in ("AU43", "AU10", "AU12"))
_ELSEWHERE = AugmentConfig(
    room=0.3, noise=0.6, snr_db=(12.0, 35.0), band_limit=0.1, babble=0.0, clipping=0.0, companding=0.05, equaliser_db=6.0
)
"""Distortions that leave the tone of a voice as it is."""
