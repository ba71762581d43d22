"""How close drawn pictures are to filmed ones: full frame and face crop, means over pictures, under flat keys with units."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.metrics.image import psnr, ssim
from emohead.metrics.perceptual import Perceptual

Box = tuple[slice, slice]
"""Rows and columns of a picture."""
Figure = float | int | str | None
Figures = dict[str, Figure]
"""A flat table of results, ready for JSON; None where something could not be measured."""
EQUAL_DB = 100.0
"""What pictures that are equal to the last bit count for: a mean with an infinite value would say nothing."""
KEYS = ("full_psnr_db", "full_ssim", "face_psnr_db", "face_ssim")


@dataclass(frozen=True)
class PictureScore:
    """One picture against its truth."""

    frame: int
    """Which frame of the clip."""
    full_psnr_db: float
    full_ssim: float
    face_psnr_db: float
    face_ssim: float
    lpips: tuple[float | None, ...]
    """Full frame, one value per network of `emohead.metrics.perceptual.NETWORKS`."""


def score_picture(
    drawn: Float[Tensor, "H W 3"], truth: Float[Tensor, "H W 3"], face: Box, *, frame: int = 0, perceptual: Sequence[Perceptual | None] = ()
) -> PictureScore:
    """Compare one picture (clipped to 0..1) with its truth; the face is inside `face`.

    Raises:
        InputError: different sizes, or a face box smaller than SSIM's window.
    """
    drawn = drawn.clamp(0, 1)
    distances = tuple(measure(drawn, truth) if measure else None for measure in perceptual)
    return PictureScore(
        frame,
        min(EQUAL_DB, float(psnr(drawn, truth))),
        float(ssim(drawn, truth)),
        min(EQUAL_DB, float(psnr(drawn[face], truth[face]))),
        float(ssim(drawn[face], truth[face])),
        distances,
    )


def mean_scores(scores: Sequence[PictureScore], prefix: str, *, networks: Sequence[str] = ()) -> Figures:
    """Means over pictures as `PREFIX_full_psnr_db` and so on; PSNR is averaged over frames in dB, as the field does."""
    figures: Figures = {f"{prefix}_frames": len(scores)}
    for key in KEYS:
        figures[f"{prefix}_{key}"] = _mean([getattr(score, key) for score in scores])
    for column, network in enumerate(networks):
        figures[f"{prefix}_lpips_{network}"] = _mean([score.lpips[column] for score in scores])
    return figures


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return round(float(torch.tensor(known, dtype=torch.float64).mean()), 4)
