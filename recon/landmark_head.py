"""The generic head reduced to its face landmarks: a sixteenth of the vertices, for the tracker."""

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import N_RIG
from emohead.errors import InputError
from emohead.head import skinning
from emohead.head.base import HeadModel
from emohead.head.flame import FlameHead
from emohead.head.generic import PARENTS, GenericHead
from emohead.types import HeadIdentity, HeadMotion
from recon.motion_model import Points


def landmark_points(head: HeadModel) -> Points:
    """A function (identity, motion) -> `[T 478 3]` MediaPipe landmarks of `head` in world space, differentiable in both.

    It equals `head.landmarks(head(identity, motion).vertices, "mediapipe478")` but for the lids, which here are not pushed out of the
    eyeballs, and for the variation of skinning weights inside a triangle: a fraction of a millimetre.

    Raises:
        InputError: the head model's landmarks are not known.
    """
    if isinstance(head, FlameHead):
        from recon.flame_landmarks import flame_landmark_points

        return flame_landmark_points(head)
    if not isinstance(head, GenericHead):
        raise InputError(f"the {head.name} head has no known landmarks; track with the generic or a FLAME head")
    data = head.data
    corners, barycentric = data.triangles[data.mediapipe478_triangle], data.mediapipe478_barycentric

    def at_landmarks(per_vertex: Tensor) -> Tensor:  # [.., V, c] -> [.., 478, c]
        return torch.einsum("...nkc,nk->...nc", per_vertex[..., corners, :], barycentric)

    neutral, weights = at_landmarks(data.neutral), at_landmarks(data.skin_weights)
    shapes = at_landmarks(torch.cat([data.shapes[:N_RIG], data.midway]))

    def points(identity: HeadIdentity, motion: HeadMotion) -> Float[Tensor, "T 478 3"]:
        displacement = head.displacement(identity)
        lids = at_landmarks(head.lid_corrections(displacement).unflatten(1, (-1, 3)))
        expression = head.expression_coefficients(motion.rig) @ torch.cat([shapes, lids]).flatten(1)
        rest = neutral + at_landmarks(displacement) + expression.unflatten(1, (-1, 3))
        transforms = skinning.joint_transforms(*head.joint_motion(motion), head.joints(identity), PARENTS)
        return skinning.skin(rest, transforms, weights)

    return points
