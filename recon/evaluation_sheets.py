"""Contact sheets of an evaluation: whole pictures with their errors, faces, eyes and mouths, the worst frames, other cameras, strangers."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from recon.contact_sheet import Picture, crop, error_picture, write_sheet
from recon.cross_reenactment import CrossScores
from recon.evaluation import Evaluation, Sample
from recon.landmarks import feature_boxes
from recon.novel_views import NovelScores
from recon.splits import evenly
from recon.types import FaceLandmarks

COLUMNS = 8
_FACE = 256
_FEATURES = ("eyes", "mouths")
"""The boxes of `feature_boxes`, in its order."""
_ZOOM = 3


def write_evaluation_sheets(evaluation: Evaluation, landmarks: FaceLandmarks, folder: Path) -> list[Path]:
    """Held-out frames, evenly spaced: truth, avatar and error; the frames with the worst faces; crops of faces, eyes and mouths.

    Args:
        evaluation: what was measured.
        landmarks: of every frame of the clip.
        folder: exists.

    Returns:
        The files.
    """
    samples = evaluation.samples
    even = [samples[index] for index in evenly(list(range(len(samples))), COLUMNS)]
    worst = sorted(samples, key=lambda sample: sample.score.face_psnr_db)[:COLUMNS]
    files = [folder / f"{name}.png" for name in ("held_out", "worst", "faces", *_FEATURES)]
    write_sheet(_with_errors(even), files[0], shrink=2)
    write_sheet(_with_errors(worst), files[1], shrink=2)
    write_sheet(_pairs([_face(sample) for sample in [*even, *worst]]), files[2])
    for number in range(len(_FEATURES)):
        shown = [*even, *worst]
        boxes = [feature_boxes(landmarks.points[s.score.frame], s.truth.shape[1], s.truth.shape[0])[number] for s in shown]
        height, width = (_ZOOM * max(box[side].stop - box[side].start for box in boxes) for side in (0, 1))
        cuts = [
            tuple(crop(picture, box, height=height, width=width, zoom=float(_ZOOM)) for picture in (sample.truth, sample.drawn))
            for sample, box in zip(shown, boxes, strict=True)
        ]
        write_sheet(_pairs(cuts), files[3 + number])
    return files


def write_novel_sheet(scores: NovelScores, folder: Path) -> Path:
    """Truth over avatar, two rows per camera."""
    path = folder / "novel_views.png"
    rows: list[Sequence[Picture]] = []
    for row in scores.rows:
        rows += [[truth for truth, _ in row], [drawn for _, drawn in row]]
    write_sheet(rows, path, shrink=2)
    return path


def write_cross_sheet(scores: CrossScores, folder: Path) -> Path:
    """Driver over avatar."""
    path = folder / "cross.png"
    pairs = [scores.pairs[index] for index in evenly(list(range(len(scores.pairs))), 2 * COLUMNS)]
    write_sheet(_pairs([(_square(driver), _square(drawn)) for driver, drawn in pairs]), path)
    return path


def _with_errors(samples: Sequence[Sample]) -> list[list[Picture]]:
    return [
        [sample.truth for sample in samples],
        [sample.drawn for sample in samples],
        [error_picture(sample.drawn, sample.truth) for sample in samples],
    ]


def _pairs(pairs: Sequence[tuple[Picture, ...]]) -> list[list[Picture]]:
    """Rows of at most `COLUMNS` truths, each over the row of what was drawn."""
    rows = []
    for first in range(0, len(pairs), COLUMNS):
        part = pairs[first : first + COLUMNS]
        rows += [[pair[0] for pair in part], [pair[1] for pair in part]]
    return rows


def _face(sample: Sample) -> tuple[Picture, ...]:
    size = max(side.stop - side.start for side in sample.face)
    pictures = (sample.truth, sample.drawn)
    return tuple(crop(picture, sample.face, height=_FACE, width=_FACE, zoom=_FACE / size) for picture in pictures)


def _square(picture: Picture) -> UInt8[Tensor, "h w 3"]:
    small = torch.nn.functional.interpolate(picture.permute(2, 0, 1)[None].float(), (_FACE, _FACE), mode="area")
    return small[0].permute(1, 2, 0).round().to(torch.uint8)
