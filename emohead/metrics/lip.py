"""Lip metrics on geometry: do the lips meet when they should, only then, and does the opening follow a real mouth?

Everything takes the gap between the lips in metres (`emohead.head.measure.lip_gap` on a mesh, or tracked landmarks), never a rig
coefficient: a coefficient says what was meant, the gap what is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emohead.head.generic import GenericHead
from emohead.motion.phone_targets import BILABIALS, LABIODENTALS
from emohead.types import PhoneSegment

CLOSED_GAP = 0.0015
"""Metres under which lips count as shut."""
TOUCHING = 0.0015
"""Metres between lower lip and upper teeth under which they count as touching: vertices are 1 to 2 mm apart."""
FRONT_TEETH = 0.012
"""Half the width (m) of the middle of the mouth."""
TOLERANCE = 0.02
"""Seconds by which a closure may miss its phone."""


@dataclass(frozen=True)
class ClosureScore:
    """Closures of one or more clips; add them up with `+`."""

    hit: int = 0
    """Labelled /p b m/ in which the lips met."""
    labelled: int = 0
    """Labelled /p b m/."""
    true_events: int = 0
    """Times the lips met in speech at a labelled /p b m/."""
    events: int = 0
    """Times the lips met in speech."""

    def __add__(self, other: "ClosureScore") -> "ClosureScore":
        return ClosureScore(
            self.hit + other.hit, self.labelled + other.labelled, self.true_events + other.true_events, self.events + other.events
        )

    @property
    def recall(self) -> float:
        """Share of labelled closures that were met; 1 if there was none to meet."""
        return self.hit / self.labelled if self.labelled else 1.0

    @property
    def precision(self) -> float:
        """Share of closures that were labelled; 1 if there was none."""
        return self.true_events / self.events if self.events else 1.0


def closure_score(gap: Float[Tensor, " T"], fps: float, segments: Sequence[PhoneSegment]) -> ClosureScore:
    """Closure recall and precision of a lip gap (m) against labelled phones.

    A label is met if some frame on screen within `TOLERANCE` of it is shut. Shut lips in a pause count neither way.
    """
    shut = gap < CLOSED_GAP
    near, silent = torch.zeros_like(shut), torch.ones_like(shut)
    hit = labelled = 0
    for segment in segments:
        frames = _frames_of(segment, fps, len(gap), TOLERANCE)
        if segment.phone != "pau":
            silent[_frames_of(segment, fps, len(gap), 0.0)] = False
        if segment.phone in BILABIALS and frames.start < frames.stop:
            labelled += 1
            hit += int(bool(shut[frames].any()))
            near[_frames_of(segment, fps, len(gap), 2 * TOLERANCE)] = True
    events = true_events = 0
    for first, last in _runs(shut):
        if not bool(silent[first:last].any()):
            events += 1
            true_events += int(bool(near[first:last].any()))
    return ClosureScore(hit, labelled, true_events, events)


def lower_lip_to_teeth(head: GenericHead, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, " T"]:
    """Distance (m) from the middle of the lower lip to the nearest vertex of the upper front teeth: what /f v/ bring near nothing.

    `vertices` are of `head`, posed in any way.
    """
    middle = head.neutral[:, 0].abs() < FRONT_TEETH
    lip, teeth = (middle & (head.vertex_part == head.part_names.index(part)) for part in ("lips_lower", "teeth_upper"))
    return torch.cdist(vertices[:, lip], vertices[:, teeth]).flatten(1).amin(1)


def labiodental_score(distance: Float[Tensor, " T"], fps: float, segments: Sequence[PhoneSegment]) -> ClosureScore:
    """How many labelled /f v/ bring the lower lip to the upper teeth, by the distance of `lower_lip_to_teeth`; events are not counted."""
    touching = distance < TOUCHING
    hits = [
        bool(touching[_frames_of(segment, fps, len(distance), TOLERANCE)].any()) for segment in segments if segment.phone in LABIODENTALS
    ]
    return ClosureScore(hit=sum(hits), labelled=len(hits))


def speech_mask(segments: Sequence[PhoneSegment], n_frames: int, fps: float, *, margin: float = 0.1) -> Bool[Tensor, " T"]:
    """Frames from `margin` seconds before the first sounding phone to as long after the last."""
    spoken = [segment for segment in segments if segment.phone != "pau"]
    mask = torch.zeros(n_frames, dtype=torch.bool)
    if spoken:
        times = (torch.arange(n_frames) + 0.5) / fps
        mask = (times > spoken[0].start - margin) & (times < spoken[-1].end + margin)
    return mask


def correlation(one: Float[Tensor, " T"], other: Float[Tensor, " T"]) -> float:
    """Pearson's r; 0 where either does not move."""
    if one.shape[0] < 2 or one.std() < 1e-9 or other.std() < 1e-9:
        return 0.0
    return float(torch.corrcoef(torch.stack([one.double(), other.double()]))[0, 1])


def lag_correlation(generated: Float[Tensor, " T"], real: Float[Tensor, " T"], mask: Bool[Tensor, " T"], *, shift: int) -> float:
    """r of `generated[t + shift]` with `real[t]` over the masked frames t: at positive shifts the generated mouth is late."""
    n_frames = real.shape[0]
    index = torch.arange(n_frames)
    valid = mask & (index + shift >= 0) & (index + shift < n_frames)
    return correlation(generated[index[valid] + shift], real[valid])


def best_lag(
    generated: Float[Tensor, " T"], real: Float[Tensor, " T"], mask: Bool[Tensor, " T"], *, fps: float, reach: float = 0.2
) -> float:
    """The lag (s) of the generated mouth behind the real one at which they agree best; negative = it leads.

    Report it beside r at zero lag: the best r over a range flatters wrong audio too.
    """
    shifts = range(-round(reach * fps), round(reach * fps) + 1)
    return max(shifts, key=lambda shift: lag_correlation(generated, real, mask, shift=shift)) / fps


def smooth3(track: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
    """Three-tap smoothing (1/4, 1/2, 1/4) that takes the flicker out of tracked landmarks."""
    padded = torch.cat([track[:1], track, track[-1:]])
    return 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]


def _frames_of(segment: PhoneSegment, fps: float, n_frames: int, tolerance: float) -> slice:
    """Frames whose middle lies within the segment, widened by `tolerance` and by half a frame: what is on screen during it."""
    first = max(0, int((segment.start - tolerance) * fps))
    last = min(n_frames, int((segment.end + tolerance) * fps) + 1)
    return slice(first, max(first, last))


def _runs(on: Tensor) -> list[tuple[int, int]]:
    edges = torch.diff(torch.nn.functional.pad(on.int(), (1, 1))).nonzero()[:, 0].tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
