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

BOTH_WAYS, ONLY_UP, ONLY_DOWN = (-1.0, 1.0), (0.0, 1.0), (-1.0, 0.0)
POSES: tuple[tuple[int, float, tuple[float, float]], ...] = (
    (_HEAD_ROTATION, 2.0, ONLY_UP),
    (_HEAD_ROTATION, 2.0, ONLY_DOWN),
    (_HEAD_ROTATION + 1, 2.0, ONLY_UP),
    (_HEAD_ROTATION + 1, 2.0, ONLY_DOWN),
    (_HEAD_ROTATION + 2, 2.0, BOTH_WAYS),
    (_TRANSLATION, 2.0, BOTH_WAYS),
    (_TRANSLATION + 1, 2.0, BOTH_WAYS),
    (_TRANSLATION + 2, 2.0, BOTH_WAYS),
)
"""Feature column, weight (per radian or decimetre) and signs that count, one latent per row.

A head that bows and one that rises show different skin, light and folds: each way has its own latent.
"""
_GAZES = ((_GAZE, 1.5), (_GAZE + 2, 1.5))
POSE_LATENTS = slice(len(GROUPS), len(GROUPS) + len(POSES))
"""The latents of head rotation and translation: a torso hangs on them differently than the head."""
N_LATENTS = POSE_LATENTS.stop + 1
"""Expressions, poses, gaze."""


def correction_directions(motion: HeadMotion, n_gaussians: int) -> Corrections:
    """Corrections that change nothing yet: the map from motion to latents, clamped to the range of `motion` (the training frames)."""
    projection = torch.zeros(N_FEATURES, N_LATENTS)
    signs = torch.tensor([BOTH_WAYS] * N_LATENTS)
    for column, group in enumerate(GROUPS):
        for name, weight in group:
            members = [index for channel, index in RIG_INDEX.items() if channel == name or channel in (name + _BOTH[0], name + _BOTH[1])]
            projection[members, column] = weight / len(members)
    for column, (index, weight, sign) in enumerate(POSES, start=POSE_LATENTS.start):
        projection[index, column] = weight
        signs[column] = torch.tensor(sign)
    for index, weight in _GAZES:
        projection[index, -1] = weight
    latents = motion_features(motion) @ projection  # zero mean: neutral motion needs no correction
    low, high = latents.amin(0).clamp_max(0.0) * -signs[:, 0], latents.amax(0).clamp_min(0.0) * signs[:, 1]
    return Corrections(
        feature_mean=torch.zeros(N_FEATURES),
        projection=projection,
        low=low,
        high=high,
        means=torch.zeros(N_LATENTS, n_gaussians, 3),
        colors=torch.zeros(N_LATENTS, n_gaussians, 3),
        opacities=torch.zeros(N_LATENTS, n_gaussians),
    )
