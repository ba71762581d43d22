"""Scores by the judges of `emohead.metrics.judges`: does this voice belong to these lips, and is this the same emotion?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.errors import InputError
from emohead.metrics.judges import EMOTIONS, JUDGE_FPS, MotionJudges

CANDIDATES = 32
"""Voices among which the right one must be found: chance is 1/32."""
WINDOW = 25
"""Frames (1 s) of lips and voice that are compared."""
LEAST_WINDOWS = 8
"""Fewer windows than this are not judged."""
REACH = 15
"""Frames of offset that are tried on either side, as SyncNet does."""


@dataclass(frozen=True)
class Pair:
    """A clip as the lip-sync expert sees it, at 25 frames per second."""

    voice: Float[Tensor, "T E"]
    lips: Float[Tensor, "U E"]
    spoken: Bool[Tensor, " T"]
    """Frames in which somebody speaks."""


@dataclass(frozen=True)
class SyncScore:
    """What the expert says of a set of clips."""

    retrieval: float
    """R@1, 0..1: share of one-second windows of lips whose own voice is the best of `CANDIDATES`; chance is .031."""
    confidence: float
    """Median over offsets of the mean cosine distance, less the smallest: the form of LSE-C (Prajwal et al. 2020) on another expert."""
    offset_ms: float
    """Offset at which lips and voice agree best; positive = the lips are late."""
    windows: int
    """One-second windows that were judged."""


def sync_score(pairs: Sequence[Pair], *, seed: int = 0) -> SyncScore:
    """Retrieval over windows of all clips, confidence and offset over all spoken frames.

    Raises:
        InputError: fewer than two windows of speech.
    """
    voices, lips = _windows(pairs)
    if len(voices) < 2:
        raise InputError(f"the lip-sync expert needs at least two seconds of speech, got {len(voices)} windows of one second")
    similarity = torch.einsum("ate,bte->ab", lips, voices) / WINDOW
    random = torch.Generator().manual_seed(seed)
    right = 0
    for index in range(len(voices)):
        others = torch.randperm(len(voices) - 1, generator=random)[: CANDIDATES - 1]
        others = others + (others >= index)
        right += int(bool((similarity[index, index] > similarity[index, others]).all()))
    distance = _by_offset(pairs)
    best = int(distance.argmin())
    return SyncScore(right / len(voices), float(distance.median() - distance.amin()), 1000 * (best - REACH) / JUDGE_FPS, len(voices))


def emotion_similarity(one: Float[Tensor, " E"], other: Float[Tensor, " E"]) -> float:
    """Emo-sim: cosine of two clips' emotion embeddings, -1..1 (EMOTE's measure, on another encoder)."""
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))


def sync_figures(pairs: Sequence[Pair], suffix: str) -> dict[str, float]:
    """`sync_score` as figures with a suffix; NaN where there is too little speech."""
    n_windows = len(_windows(pairs)[0])
    score = sync_score(pairs) if n_windows >= LEAST_WINDOWS else SyncScore(math.nan, math.nan, math.nan, n_windows)
    figures = {"sync_retrieval": score.retrieval, "sync_confidence": score.confidence, "sync_offset_ms": score.offset_ms}
    return {f"{name}{suffix}": value for name, value in figures.items()} | {f"sync_windows{suffix}": float(n_windows)}


def emotion_figures(
    made: Sequence[Float[Tensor, " E"]], true: Sequence[Float[Tensor, " E"]], moods: Sequence[str | None], judges: MotionJudges
) -> dict[str, float]:
    """Emo-sim of each clip with its truth and with all other truths, and the share of known emotions that the encoder names right."""
    own = [emotion_similarity(one, other) for one, other in zip(made, true, strict=True)]
    others = [emotion_similarity(one, other) for i, one in enumerate(made) for j, other in enumerate(true) if i != j]
    said = judges.emotion_log_odds(torch.stack(list(made))).argmax(1).tolist()
    known = [EMOTIONS[index] == mood for index, mood in zip(said, moods, strict=True) if mood in EMOTIONS]
    return {
        "emotion_similarity": sum(own) / len(own),
        "emotion_similarity_others": sum(others) / len(others) if others else math.nan,
        "emotion_recognised": sum(known) / len(known) if known else math.nan,
    }


def _windows(pairs: Sequence[Pair]) -> tuple[Float[Tensor, "W t E"], Float[Tensor, "W t E"]]:
    voices, lips = [], []
    for pair in pairs:
        n_frames = min(len(pair.voice), len(pair.lips), len(pair.spoken))
        for start in range(0, n_frames - WINDOW + 1, WINDOW):
            part = slice(start, start + WINDOW)
            if float(pair.spoken[part].float().mean()) > 0.5:
                voices.append(pair.voice[part])
                lips.append(pair.lips[part])
    empty = torch.zeros(0, WINDOW, 1)
    return (torch.stack(voices), torch.stack(lips)) if voices else (empty, empty)


def _by_offset(pairs: Sequence[Pair]) -> Float[Tensor, " O"]:
    """Mean cosine distance of lips at t + offset and voice at t over spoken frames, for offsets -REACH..REACH."""
    total, count = torch.zeros(2 * REACH + 1), torch.zeros(2 * REACH + 1)
    for pair in pairs:
        n_frames = min(len(pair.voice), len(pair.lips), len(pair.spoken))
        frames = pair.spoken[:n_frames].nonzero()[:, 0]
        for place, offset in enumerate(range(-REACH, REACH + 1)):
            kept = frames[(frames + offset >= 0) & (frames + offset < n_frames)]
            total[place] += (1 - (pair.lips[kept + offset] * pair.voice[kept]).sum(-1)).sum()
            count[place] += len(kept)
    return total / count.clamp_min(1)
