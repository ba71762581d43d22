"""How far a mesh does what each action unit does: brow height, lid gap, corners of the mouth, lip gap and so on, in millimetres.

Every channel has one measure: the height, side or depth of some landmarks or skin, the gap between lids or lips, or the height of the lips.
Measures of neighbours overlap, as they do in a face (a raised lip parts the lips), so a mesh is judged by what the same measures give for
the rig of the action units that were asked for. The tongue (AU19) shows in none of them.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.channels import AU_INDEX, AU_NAMES, N_AU, other_side
from emohead.head.action_units import au_to_rig
from emohead.head.generic import GenericHead
from emohead.head.measure import lid_gap, lip_gap, to_head_frame
from emohead.metrics.vertices import MILLIMETRES, face_vertices
from emohead.types import HeadMotion

X, Y, Z = 0, 1, 2
_CHEEK_BONE, _CHEEK_RADIUS, _CHEEK_FRONT = (0.048, -0.039), 0.010, -0.02
"""Metres on the mean head: centre and radius of the skin over the left cheekbone seen from the front, and the least depth that counts."""


@dataclass(frozen=True)
class Points:
    """Coordinates of some Multi-PIE landmarks along one axis."""

    landmarks: tuple[int, ...]
    axis: int
    sign: float = 1.0
    """Of the movement that the action unit makes."""


MEASURES: dict[str, Points | str] = {
    "AU1L": Points((22, 23), Y), "AU2L": Points((25, 26), Y), "AU4L": Points((22, 23), Y, -1.0), "AU5L": Points((43, 44), Y),
    "AU6L": "cheek height", "AU7L": Points((46, 47), Y), "AU9L": Points((35,), Y), "AU10L": Points((52, 53), Y),
    "AU11L": Points((52, 53), Y), "AU12L": Points((54,), Y), "AU13L": Points((54,), Y), "AU14L": Points((54,), Z, -1.0),
    "AU15L": Points((54,), Y, -1.0), "AU16L": Points((55, 56), Y, -1.0), "AU20L": Points((54,), X), "AU30L": Points((8,), X),
    "AU43L": "lid gap",
    "AU17": Points((57,), Y), "AU18": Points((51, 57), Z), "AU22": Points((51, 57), Z), "AU23": "lip height", "AU24": "lip height",
    "AU25": "lip gap", "AU26": Points((8,), Y, -1.0), "AU27": Points((8,), Y, -1.0), "AU28": "lip height", "AU29": Points((8,), Z),
    "AU34": Points((48, 54), Z),
}  # fmt: skip
"""The measure of each channel, of pairs the left one; the right one is its mirror image."""
MEASURED: tuple[str, ...] = tuple(name for name in AU_NAMES if name in MEASURES or other_side(name) in MEASURES)
"""Every channel but AU19."""


def au_displacements(head: GenericHead, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, "T A"]:
    """How far each channel's measure is from the mean head's at rest, mm, positive in the channel's own direction; AU19 is 0.

    Args:
        head: the generic head.
        vertices: of the mean head in metres, posed in any way.
    """
    measured = _measured(head, torch.cat([head.neutral[None].to(vertices), vertices]))
    return MILLIMETRES * (measured[1:] - measured[:1])


def rig_displacements(head: GenericHead, intensity: Float[Tensor, "T A"]) -> Float[Tensor, "T A"]:
    """`au_displacements` of a face that shows nothing but these action units (0..1), as the rig makes them."""
    still = HeadMotion.neutral(intensity.shape[0], 25.0)
    return au_displacements(head, face_vertices(head, replace(still, rig=au_to_rig(intensity))))


@lru_cache(maxsize=2)
def full_displacements(head: GenericHead) -> Float[Tensor, " A"]:
    """How far each channel's own measure moves at full intensity, mm; do not write into it."""
    return rig_displacements(head, torch.eye(N_AU)).diagonal()


def _measured(head: GenericHead, vertices: Tensor) -> Float[Tensor, "T A"]:
    """Metres, in the head's own frame."""
    own = to_head_frame(head, vertices)
    points = head.landmarks(own, "multipie68")
    lids = lid_gap(head, vertices)
    shared = {"lip gap": lip_gap(head, vertices), "lip height": points[:, 57, Y] - points[:, 51, Y]}
    values = torch.zeros(vertices.shape[0], N_AU)
    for name, measure in MEASURES.items():
        for channel, left in {other_side(name): False, name: True}.items():
            if isinstance(measure, Points):
                value = _along(points, measure, left)
            elif measure == "cheek height":
                value = own[:, _cheek(head, left), Y].mean(1)
            elif measure == "lid gap":
                value = -lids[:, 0 if left else 1]
            else:
                value = shared[measure]
            values[:, AU_INDEX[channel]] = value
    return values


def _along(points: Float[Tensor, "T 68 3"], measure: Points, left: bool) -> Float[Tensor, " T"]:
    landmarks = [index if left else _MIRROR[index] for index in measure.landmarks]
    sign = -measure.sign if measure.axis == X and not left else measure.sign
    return sign * points[:, landmarks, measure.axis].mean(1)


_MIRROR = {
    **{index: 43 - index for index in range(17, 27)}, **{index: 16 - index for index in range(17)},
    **{index: 81 - index for index in (36, 37, 38, 39, 42, 43, 44, 45)}, 40: 47, 41: 46, 46: 41, 47: 40,
    **{index: index for index in range(27, 31)}, **{index: 66 - index for index in range(31, 36)},
    **{index: 102 - index for index in range(48, 55)}, **{index: 114 - index for index in range(55, 60)},
    **{index: 124 - index for index in range(60, 65)}, **{index: 132 - index for index in range(65, 68)},
}  # fmt: skip
"""The Multi-PIE landmark on the other half of the face."""


def _cheek(head: GenericHead, left: bool) -> Int[Tensor, " n"]:
    """Facial skin over one cheekbone."""
    index = head.vertices_of("face")
    place = head.neutral[index]
    centre = torch.tensor(_CHEEK_BONE) * torch.tensor([1.0 if left else -1.0, 1.0])
    return index[((place[:, :2] - centre).norm(dim=-1) < _CHEEK_RADIUS) & (place[:, Z] > _CHEEK_FRONT)]
