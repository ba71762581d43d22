"""The action units of performances that were not asked for anything: what a voice alone makes a face do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from emohead.channels import N_AU
from emohead.data.motion_corpus import MOTION_RATE, MotionCorpus, performed
from emohead.errors import InputError
from emohead.head.action_units import rig_to_au
from emohead.motion.vector import INDEX, to_motion
from emohead.output import whole_file

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class PerformedAUs:
    """Clips of a corpus with their action units."""

    features: np.ndarray
    """`[n, 4 T, D]` float16: what is heard every 10 ms."""
    intensity: np.ndarray
    """`[n, T, A]` float16, 25 frames per second, without blinks."""


def performed_aus(corpus: MotionCorpus, cache: Path, *, progress: Progress | None = None) -> PerformedAUs:
    """The unprompted clips of a corpus; others are left out, because their prompts were drawn apart from their voices.

    Args:
        corpus: performances.
        cache: file (.npz) that keeps the action units.
        progress: told the share done.

    Raises:
        InputError: every clip was asked for something.
    """
    unasked = np.flatnonzero(np.abs(np.asarray(corpus.prompt[:, :, : 2 * N_AU])).max((1, 2)) == 0)
    if not unasked.size:
        raise InputError("every performance of this corpus was asked for something; make one whose plans ask for nothing")
    features = np.asarray(corpus.features[unasked])
    checksum = float(features[:, ::50].astype(np.float64).sum())
    try:
        with np.load(cache, allow_pickle=False) as data:
            if float(data["checksum"]) == checksum:
                return PerformedAUs(features, data["intensity"])
    except (OSError, ValueError, KeyError):
        pass  # nothing kept yet, or of another corpus
    intensity = np.empty((unasked.size, corpus.motion.shape[1] // 2, N_AU), np.float16)
    for row, clip in enumerate(unasked):
        intensity[row] = unblinking_aus(performed(corpus, int(clip))).numpy()
        if progress:
            progress((row + 1) / unasked.size, "reading faces")
    with whole_file(cache) as partial:
        np.savez(partial, checksum=checksum, intensity=intensity)
    return PerformedAUs(features, intensity)


def unblinking_aus(vectors: Float[Tensor, "T M"]) -> Float[Tensor, "half A"]:
    """Action units at 25 frames per second of motion vectors at 50: the face's own, without blinks and lids that follow the gaze."""
    still = vectors.clone()
    still[:, [INDEX["blink"], INDEX["gazeYaw"], INDEX["gazePitch"]]] = 0.0
    return rig_to_au(to_motion(still, MOTION_RATE).rig.unflatten(0, (-1, 2)).mean(1))
