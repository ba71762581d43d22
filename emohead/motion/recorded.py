"""Recorded motion to train the diffusion on: clips of people, tracked or captured, cut into pieces of one length.

What a performance of the rule engine comes with is made up for: phones are those that the phone network is sure to hear, prompts are what
the upper face did, some units at a time (a mouth given as a prompt would teach not to listen), emotions are the labels of the corpus.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emohead.channels import N_AU
from emohead.data.alignments import UNKNOWN_LABEL
from emohead.data.clip_folder import META_FILE, CorpusClip, read_meta
from emohead.data.motion_corpus import MOTION_RATE, PROMPT_RATE, MotionCorpus, prompt_columns
from emohead.data.prompt_plans import EMOTIONS
from emohead.errors import InputError
from emohead.head.action_units import CHANNELS
from emohead.motion.articulation import frame_times, sample
from emohead.motion.editing import vectors_of
from emohead.motion.features.base import SpeechEncoder
from emohead.motion.features.sounds import sounds
from emohead.motion.phone_net import PhoneNet
from emohead.motion.style import style_of
from emohead.types import AUTrack, PhonePosteriors

SURE = 0.6
"""Probability from which a heard phone counts as spoken."""
UNASKED = 0.4
"""Share of the pieces that come without a prompt."""
ASKED_REGIONS = ("brow", "eye", "nose", "cheek")
"""Parts of the face that prompts speak of."""
_UNITS = {
    number: [index for index, channel in enumerate(CHANNELS) if channel.unit.number == number]
    for number in {channel.unit.number for channel in CHANNELS if channel.unit.region in ASKED_REGIONS}
}


def recorded_corpus(
    clips: Iterable[CorpusClip],
    net: PhoneNet,
    encoder: SpeechEncoder | None,
    *,
    seconds: float,
    seed: int = 0,
    record: Mapping[str, Any] | None = None,
    heard: Callable[[int], None] | None = None,
) -> MotionCorpus:
    """Clips as a corpus of pieces.

    Args:
        clips: with sound; silent ones and ends shorter than a piece are left out.
        net: hears the phones.
        encoder: what the motion network will hear through; None for the phones.
        seconds: length of a piece.
        seed: of what prompts ask for.
        record: what checkpoints keep of the encoder (`features.base.encoder_record`).
        heard: told the number of clips done.

    Raises:
        InputError: no clip has sound and is as long as a piece.
    """
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ("features", "labels", "motion", "prompt", "emotion", "style")}
    n_frames = 4 * round(seconds * MOTION_RATE / 4)
    for number, clip in enumerate(clips):
        if clip.audio is not None:
            for piece in _pieces(clip, net, encoder, n_frames, np.random.default_rng((seed, number))):
                for name, values in piece.items():
                    rows[name].append(values)
        if heard:
            heard(number + 1)
    if not rows["motion"]:
        raise InputError(f"no clip has sound and {seconds:g} s of motion; give longer clips of people who speak")
    return MotionCorpus(**{name: np.stack(values) for name, values in rows.items()}, encoder=record)


def piece_length(corpus: Path, *, most: float = 8.0) -> float:
    """Seconds to cut a corpus of our own format into: that of the middle one of its clips, 1.6 to `most`."""
    metas = [read_meta(path.parent) for path in sorted(corpus.glob(f"*/{META_FILE}"))]
    lengths = sorted(
        float(meta["seconds"]) for meta in metas if meta and meta.get("audio") and isinstance(meta.get("seconds"), (int, float))
    )
    middle = lengths[len(lengths) // 2] if lengths else most
    return min(most, max(1.6, math.floor(middle * MOTION_RATE / 4) * 4 / MOTION_RATE))


def _pieces(
    clip: CorpusClip, net: PhoneNet, encoder: SpeechEncoder | None, n_frames: int, random: np.random.Generator
) -> Iterable[dict[str, np.ndarray]]:
    """The arrays of each piece of `n_frames` at 50 frames per second."""
    assert clip.audio is not None
    posteriors = net.posteriors(clip.audio)
    features, labels = sounds(clip.audio, posteriors, encoder), _labels(posteriors)
    n_all = min(features.shape[0] // 2, len(labels) // 2, int(clip.motion.n_frames / clip.motion.fps * MOTION_RATE))
    if n_all < n_frames:
        return
    vectors = sample(vectors_of(clip.motion), clip.motion.fps, frame_times(n_all, MOTION_RATE))
    shown, style = _at_prompt_rate(clip.au, n_all // 2), style_of(vectors, MOTION_RATE)
    emotion = _emotion(clip, n_frames // 2)
    for start in range(0, n_all - n_frames + 1, n_frames):
        half = slice(start // 2, (start + n_frames) // 2)
        yield {
            "features": features[2 * start : 2 * (start + n_frames)].half().numpy(),
            "labels": labels[2 * start : 2 * (start + n_frames)],
            "motion": vectors[start : start + n_frames].half().numpy(),
            "prompt": prompt_columns(_asked(shown, half, random)).half().numpy(),
            "emotion": emotion,
            "style": style.float().numpy(),
        }


def _labels(posteriors: PhonePosteriors) -> np.ndarray:
    """The phone every 10 ms where the network is sure, else `UNKNOWN_LABEL`."""
    likely, phones = posteriors.probabilities.max(1)
    return torch.where(likely > SURE, phones, UNKNOWN_LABEL).to(torch.uint8).numpy()


def _at_prompt_rate(track: AUTrack, n_frames: int) -> AUTrack:
    times = frame_times(n_frames, PROMPT_RATE)
    values = {
        name: sample(getattr(track, name), track.fps, times) for name in ("intensity", "weight", "gaze", "head_rotation", "pose_weight")
    }
    return AUTrack(PROMPT_RATE, **values)


def _asked(shown: AUTrack, frames: slice, random: np.random.Generator) -> AUTrack:
    """What a prompt says of a piece: some of the units of the upper face, each as far as it is known; or nothing."""
    asked: Tensor = torch.zeros(N_AU)
    if random.random() >= UNASKED:
        share = random.random()
        for channels in _UNITS.values():
            asked[channels] = float(random.random() < share)
    length = frames.stop - frames.start
    nothing = AUTrack.neutral(length, PROMPT_RATE)
    return AUTrack(
        PROMPT_RATE, shown.intensity[frames], shown.weight[frames] * asked, nothing.gaze, nothing.head_rotation, nothing.pose_weight
    )


def _emotion(clip: CorpusClip, n_frames: int) -> np.ndarray:
    """The label of the corpus, where it is one of `EMOTIONS`; full where it says no strength."""
    values = np.zeros((n_frames, len(EMOTIONS)), np.float16)
    name, strength = clip.meta.get("emotion"), clip.meta.get("intensity")
    if name in EMOTIONS:
        values[:, EMOTIONS.index(name)] = strength if isinstance(strength, (int, float)) else 1.0
    return values
