"""Which directions of motion drive expression-dependent appearance: a few groups of rig channels and angles, chosen by meaning.

Groups by meaning instead of principal components of the clip: a motion unlike the clip (speech with a smile that was never filmed)
then switches on exactly the corrections of its own channels, not a mixture that happened to occur together.
"""

import torch

from emohead.avatar.corrections import N_FEATURES, Corrections, motion_features
from emohead.channels import N_RIG, RIG_INDEX
from emohead.types import HeadMotion

_BOTH = ("Left", "Right")
_HEAD_ROTATION, _GAZE, _TRANSLATION = N_RIG, N_RIG + 6, N_RIG + 10
"""Where head rotation (pitch, yaw, roll), gaze (left yaw, left pitch, right yaw, right pitch) and translation sit in the feature vector."""

GROUPS: tuple[tuple[tuple[str, float], ...], ...] = (
    (("jawOpen", 1.0),),
    (("mouthFunnel", 1.0), ("mouthPucker", 1.0)),
    (("mouthSmile", 1.0), ("mouthDimple", 0.5)),
    (("mouthFrown", 1.0),),
    (("mouthStretch", 1.0),),
    (("mouthLowerDown", 1.0),),
    (("mouthUpperUp", 1.0), ("noseSneer", 0.7)),
    (("mouthPress", 1.0), ("mouthRollLower", 0.5), ("mouthRollUpper", 0.5), ("mouthShrugLower", 0.7)),
    (("eyeBlink", 1.0),),
    (("eyeSquint", 1.0), ("eyeWide", -1.0)),
    (("browDown", 1.0),),
    (("browInnerUp", 1.0), ("browOuterUp", 1.0)),
)
"""Rig channels (sided ones without their side: both, averaged) and their weights, one latent per row."""

ANGLES: tuple[tuple[tuple[int, float], ...], ...] = (
    ((_HEAD_ROTATION, 2.0),),
    ((_HEAD_ROTATION + 1, 2.0),),
    ((_HEAD_ROTATION + 2, 2.0),),
    ((_TRANSLATION, 2.0),),
    ((_TRANSLATION + 1, 2.0),),
    ((_TRANSLATION + 2, 2.0),),
    ((_GAZE, 1.5), (_GAZE + 2, 1.5)),
)
"""Feature columns of angles and translations and their weights (per radian or decimetre), one latent per row."""
POSE_LATENTS = slice(len(GROUPS), len(GROUPS) + 6)
"""The latents of head rotation and translation: a torso hangs on them differently than the head."""


def correction_directions(motion: HeadMotion, n_gaussians: int) -> Corrections:
    """Corrections that change nothing yet: the map from motion to latents, clamped to the range of `motion` (the training frames)."""
    projection = torch.zeros(N_FEATURES, len(GROUPS) + len(ANGLES))
    for column, group in enumerate(GROUPS):
        for name, weight in group:
            members = [index for channel, index in RIG_INDEX.items() if channel == name or channel in (name + _BOTH[0], name + _BOTH[1])]
            projection[members, column] = weight / len(members)
    for column, group in enumerate(ANGLES, start=len(GROUPS)):
        for index, weight in group:
            projection[index, column] = weight
    latents = motion_features(motion) @ projection  # zero mean: neutral motion needs no correction
    count = projection.shape[1]
    return Corrections(
        feature_mean=torch.zeros(N_FEATURES),
        projection=projection,
        low=latents.amin(0).clamp_max(0.0),
        high=latents.amax(0).clamp_min(0.0),
        means=torch.zeros(count, n_gaussians, 3),
        colors=torch.zeros(count, n_gaussians, 3),
        opacities=torch.zeros(count, n_gaussians),
    )
