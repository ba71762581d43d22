"""How well phone posteriors fit labels: frame accuracy in phones and visemes, silence, and the closures of /p b m/ as events."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from emohead.motion.phones import PHONE_INDEX, PHONE_TO_VISEME, PHONES, VISEMES

_UNKNOWN = 255
_VISEME_OF = np.array([*PHONE_TO_VISEME, *[-1] * (256 - len(PHONES))])
_CLOSED = [PHONE_INDEX[phone] for phone in VISEMES["PP"]]
_LABIODENTAL = [PHONE_INDEX[phone] for phone in VISEMES["FF"]]


@dataclass(frozen=True)
class PhoneScores:
    """Scores over a set of utterances, 0..1 unless a unit is named; not-a-number where there was nothing to score."""

    seconds: float
    """Labelled audio."""
    phone_accuracy: float
    viseme_accuracy: float
    viseme_accuracy_in_speech: float
    """The same over frames that are not silence."""
    silence_recall: float
    silence_precision: float
    n_closures: int
    """Labelled /p b m/ events."""
    closure_recall: float
    """Share of labelled closures in which (plus one frame on each side) the closure probability passes the threshold."""
    closure_precision: float
    """Share of runs above the threshold that lie within two frames of a labelled closure."""
    closure_offset_ms: float
    """Median of detected minus labelled centre of the closures found, positive = late."""
    closure_offset_iqr_ms: float
    labiodental_recall: float
    """As closure recall, for /f v/ at the same threshold."""


def score_phones(items: Iterable[tuple[np.ndarray, np.ndarray]], *, threshold: float, fps: float = 100.0) -> PhoneScores:
    """Score (posteriors `[T P]`, labels `[T]` with 255 = unknown) pairs, pooled over all frames and events.

    Lengths may differ by a few frames; the shorter counts. `threshold` is the closure probability (p + b + m) taken as a closure.
    """
    tallies = [_tally(probabilities, labels, threshold) for probabilities, labels in items]
    count = {name: sum(getattr(tally, name) for tally in tallies) for name in _COUNTS}
    offsets = np.concatenate([np.zeros(0), *(tally.offsets for tally in tallies)]) * 1000 / fps
    quartiles = np.percentile(offsets, [25, 50, 75]) if offsets.size else np.full(3, np.nan)
    return PhoneScores(
        seconds=count["frames"] / fps,
        phone_accuracy=_share(count["phone_right"], count["frames"]),
        viseme_accuracy=_share(count["viseme_right"], count["frames"]),
        viseme_accuracy_in_speech=_share(count["speech_right"], count["speech"]),
        silence_recall=_share(count["silence_right"], count["silence"]),
        silence_precision=_share(count["silence_right"], count["silence_said"]),
        n_closures=count["closures"],
        closure_recall=_share(count["closures_found"], count["closures"]),
        closure_precision=_share(count["detections_right"], count["detections"]),
        closure_offset_ms=float(quartiles[1]),
        closure_offset_iqr_ms=float(quartiles[2] - quartiles[0]),
        labiodental_recall=_share(count["labiodentals_found"], count["labiodentals"]),
    )


def closure_probability(probabilities: np.ndarray) -> np.ndarray:
    """p + b + m of posteriors `[T P]`, `[T]`."""
    return probabilities[:, _CLOSED].sum(1)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of every run of true values, end excluded."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


_COUNTS = (
    "frames", "phone_right", "viseme_right", "speech", "speech_right", "silence", "silence_right", "silence_said",
    "closures", "closures_found", "detections", "detections_right", "labiodentals", "labiodentals_found",
)  # fmt: skip


@dataclass(frozen=True)
class _Tally:
    frames: int
    phone_right: int
    viseme_right: int
    speech: int
    speech_right: int
    silence: int
    silence_right: int
    silence_said: int
    closures: int
    closures_found: int
    detections: int
    detections_right: int
    labiodentals: int
    labiodentals_found: int
    offsets: np.ndarray


def _tally(probabilities: np.ndarray, labels: np.ndarray, threshold: float) -> _Tally:
    n_frames = min(len(probabilities), len(labels))
    probabilities, labels = probabilities[:n_frames], labels[:n_frames]
    known = labels != _UNKNOWN
    visemes = _VISEME_OF[labels]
    by_viseme = np.stack([probabilities[:, _VISEME_OF[: len(PHONES)] == index].sum(1) for index in range(len(VISEMES))], 1)
    said = by_viseme.argmax(1)
    speech, silence = known & (visemes != 0), known & (visemes == 0)
    closures, closures_found, offsets = _found(by_viseme[:, 1], visemes == 1, threshold)
    labiodentals, labiodentals_found, _ = _found(by_viseme[:, 2], visemes == 2, threshold)
    detections = [run for run in runs(by_viseme[:, 1] > threshold) if known[slice(*run)].all()]
    return _Tally(
        frames=int(known.sum()),
        phone_right=int((probabilities.argmax(1) == labels)[known].sum()),
        viseme_right=int((said == visemes)[known].sum()),
        speech=int(speech.sum()),
        speech_right=int((said == visemes)[speech].sum()),
        silence=int(silence.sum()),
        silence_right=int((said == 0)[silence].sum()),
        silence_said=int((said == 0)[known].sum()),
        closures=closures,
        closures_found=closures_found,
        detections=len(detections),
        detections_right=sum(bool((visemes[max(start - 2, 0) : end + 2] == 1).any()) for start, end in detections),
        labiodentals=labiodentals,
        labiodentals_found=labiodentals_found,
        offsets=offsets,
    )


def _found(probability: np.ndarray, labelled: np.ndarray, threshold: float) -> tuple[int, int, np.ndarray]:
    events, found, offsets = runs(labelled), 0, []
    for start, end in events:
        above = np.flatnonzero(probability[max(start - 1, 0) : end + 1] > threshold) + max(start - 1, 0)
        if above.size:
            found += 1
            offsets.append(above.mean() - (start + end - 1) / 2)
    return len(events), found, np.array(offsets)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
