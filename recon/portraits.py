"""Whether faces seen at different times of a clip are one person's: features between brow and nose, laid out flat.

It is made for shots of one clip and errs on the side of one person; it proves nobody's identity.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import binary_erosion
from torch import Tensor

from recon.flat_face import SIDE, FlatFace, features
from recon.landmarks import Face

SAME = 0.67
"""Likeness from which faces are taken for one person's. Between quarters of clips of eleven people it is below for 1 of 60 pairs of one
clip (of sixths: 9 of 145, where a head looks up or grimaces in one only) and for none of 1,128 pairs of twelve takes of one man, and
above for 305 of 2,640 pairs of two people; all of these are of this man and three others who were filmed in the same room, and the
other 52 pairs of people are always told apart."""
SAME_PLACE = 0.5
"""The same where no cut lies between and the face comes back to where it was."""
_MOST = 6
"""Portraits that are compared of one face; more of them join more strangers."""
_TURNED, _SMALL = 0.5, 20.0
"""How far a face may be turned (see `sideways`), and pixels between the outer corners of its eyes."""
_FINE, _UPPER, _EDGE = 2.0, 42, 3
"""Pixels of the layout: what varies slower is light; rows down to the nose's tip, for mouths move; and a rim that landmarks place badly."""


@dataclass(frozen=True)
class Portrait:
    """What is kept of a face to know it again."""

    flat: UInt8[Tensor, "1 S S"]
    """Laid out, grey."""
    turn: float
    """How far it is turned away, 0..1."""


class Portraitist:
    """Takes portraits, all laid out alike."""

    def __init__(self):
        """Load the layout of the generic head."""
        from emohead.head.generic import load_generic
        from emohead.types import HeadMotion
        from recon.landmark_head import landmark_points

        head = load_generic()
        self._layout = FlatFace(landmark_points(head)(head.identity(), HeadMotion.neutral(1, 25.0))[0])
        self.inside: Bool[Tensor, "S S"] = self._layout.seen(torch.ones(478))
        """Places of the layout that are on the face."""

    def __call__(self, image: UInt8[Tensor, "H W 3"], face: Face) -> Portrait | None:
        """The portrait of a face, or None if it is turned too far or too small to be known by it."""
        points = face.points
        turn = float(sideways(points[None])[0].abs())
        if turn > _TURNED or float((points[33] - points[263]).norm()) < _SMALL:
            return None
        left, top, right, bottom = (round(value) for value in face.box)
        left, top = max(0, left - 2), max(0, top - 2)
        crop = image[top : max(top, bottom + 2), left : max(left, right + 2)]
        if crop.numel() == 0:
            return None
        flat = self._layout(crop, points - torch.tensor([float(left), float(top)]))
        return Portrait(flat.mean(0, keepdim=True).round().to(torch.uint8), turn)


def sideways(points: Float[Tensor, "T 478 2"]) -> Float[Tensor, " T"]:
    """How far a face is turned, -1..1: where the nose tip is between the face's outer edges."""
    left, right, nose = points[:, 454, 0], points[:, 234, 0], points[:, 1, 0]
    return (2 * nose - left - right) / (left - right).abs().clamp_min(1.0)


def chosen_portraits(taken: list[Portrait]) -> list[Portrait]:
    """A few of one face, evenly over the time in which it is turned least."""
    half = max(_MOST, len(taken) // 2)
    front = sorted(sorted(range(len(taken)), key=lambda number: taken[number].turn)[:half])
    if len(front) <= _MOST:
        return [taken[number] for number in front]
    return [taken[front[round(place)]] for place in torch.linspace(0, len(front) - 1, _MOST).tolist()]


def likenesses(people: list[list[Portrait]], inside: Bool[Tensor, "S S"]) -> Float[Tensor, "n n"]:
    """How alike people are, -1..1: the best correlation of their portraits' features.

    Args:
        people: one or more portraits of each.
        inside: see `Portraitist`.
    """
    counts = [len(portraits) for portraits in people]
    rows = torch.stack([_described(portrait, inside) for portraits in people for portrait in portraits])
    owner = torch.repeat_interleave(torch.arange(len(people)), torch.tensor(counts))
    best = torch.full((len(people), len(people)), -1.0)
    start = 0
    for number, count in enumerate(counts):
        alike = (rows @ rows[start : start + count].T).amax(1)
        best[number] = best[number].scatter_reduce(0, owner, alike, "amax")
        start += count
    return best


def _described(portrait: Portrait, inside: Bool[Tensor, "S S"]) -> Float[Tensor, " d"]:
    kept = torch.from_numpy(binary_erosion(inside.numpy(), iterations=_EDGE)) & (torch.arange(SIDE) < _UPPER)[:, None]
    values = features(portrait.flat.float(), inside, blur=_FINE)[kept].float()
    values = values - values.mean()
    return values / values.norm().clamp_min(1e-6)
