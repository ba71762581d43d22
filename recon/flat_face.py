"""Faces laid out flat, features over features, so that two pictures of faces can be compared place by place."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import gaussian_filter
from scipy.spatial import Delaunay
from torch import Tensor

from recon.landmarks import IRISES

SIDE = 64
"""Pixels of the layout, across and down."""
_EYES_APART = 25.0
"""Pixels between the eyes of the picture a layout is taken from: finer detail would alias."""
_FACING = 0.5
"""Trust in a landmark from which its place counts as seen."""
_BLUR = 6.0
"""Pixels of the layout: what counts as shading."""


class FlatFace:
    """A face laid out flat: every pixel of the layout is a place of the face, wherever it is in a picture."""

    def __init__(self, rest: Float[Tensor, "478 3"]):
        """Lay out a head's landmarks as seen from the front."""
        flat = rest[: IRISES[0], :2].numpy() * np.array([1.0, -1.0])
        low, high = flat.min(0), flat.max(0)
        ticks = (np.arange(SIDE) + 0.5) / SIDE
        places = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2) * (high - low) + low
        mesh = Delaunay(flat)
        triangle = mesh.find_simplex(places)
        transform = mesh.transform[triangle]
        two = np.einsum("nij,nj->ni", transform[:, :2], places - transform[:, 2])
        self._inside = torch.from_numpy(triangle >= 0).view(SIDE, SIDE)
        self._corners = torch.from_numpy(mesh.simplices[triangle]).long()
        self._shares = torch.from_numpy(np.c_[two, 1 - two.sum(1)]).float()

    def __call__(self, image: UInt8[Tensor, "H W 3"], points: Float[Tensor, "478 2"]) -> Float[Tensor, "3 S S"]:
        """The face of a picture laid out, 0..255."""
        planes = image.permute(2, 0, 1)[None].float()
        shrink = _EYES_APART / float((points[33] - points[263]).norm())
        if shrink < 1:
            # Fine detail would alias.
            small = (max(1, round(image.shape[0] * shrink)), max(1, round(image.shape[1] * shrink)))
            planes = torch.nn.functional.interpolate(planes, small, mode="bilinear", antialias=True)
        pixels = (points[self._corners] * self._shares[..., None]).sum(1)
        grid = pixels / torch.tensor([image.shape[1], image.shape[0]]) * 2 - 1
        return torch.nn.functional.grid_sample(planes, grid.view(1, SIDE, SIDE, 2), align_corners=False)[0]

    def seen(self, trust: Float[Tensor, " 478"]) -> Bool[Tensor, "S S"]:
        """Places of the layout that are turned to the camera."""
        return ((trust[self._corners] * self._shares).sum(1).view(SIDE, SIDE) > _FACING) & self._inside


def compare_flat(first: Float[Tensor, "3 S S"], second: Float[Tensor, "3 S S"], seen: Bool[Tensor, "S S"]) -> tuple[float, float, float]:
    """Correlation of features, difference of tint and of brightness, where both faces are seen; NaN if that is nowhere."""
    if int(seen.sum()) < SIDE:
        return math.nan, math.nan, math.nan
    details = [features(face, seen, blur=_BLUR)[seen] for face in (first, second)]
    alike = torch.nn.functional.cosine_similarity(details[0] - details[0].mean(), details[1] - details[1].mean(), dim=0)
    colors = [(face[:, seen].median(1).values + 1.0).log() for face in (first, second)]
    tint = ((colors[0] - colors[0].mean()) - (colors[1] - colors[1].mean())).norm()
    return float(alike), float(tint), float((colors[0].mean() - colors[1].mean()).abs())


def features(face: Float[Tensor, "C S S"], seen: Bool[Tensor, "S S"], *, blur: float) -> Float[Tensor, "S S"]:
    """Log brightness without what varies slowly, at even contrast.

    Args:
        face: laid out, 0..255.
        seen: places that count.
        blur: pixels of the layout; what varies slower is taken off, and contrast is evened out as far around.
    """
    mask = seen.float().numpy()
    around = np.maximum(gaussian_filter(mask, blur), 1e-3)
    values = face.mean(0).log1p().numpy()
    detail = values - gaussian_filter(values * mask, blur) / around
    contrast = np.sqrt(gaussian_filter(detail**2 * mask, blur) / around) + 0.02
    return torch.from_numpy(detail / contrast)
