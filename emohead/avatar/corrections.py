"""Low-rank, expression-driven appearance: what the mesh cannot tell (wrinkles, shading, hair, lashes) as a few learned directions.

A motion is reduced to `Z` latents; each moves the Gaussians' local means, colours and opacities. This is the project's form of
EmoDiffTalk's AU-driven appearance (arXiv 2512.05991: a feature line per AU that changes opacity, an MLP that changes rotation):
linear, hence fast on a CPU, and clamped to the range that was seen, hence safe for motions unlike the training ones.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import N_RIG
from emohead.types import HeadMotion

N_FEATURES = N_RIG + 3 + 3 + 4 + 3
"""Length `D` of a motion's feature vector: rig, head rotation, torso rotation, gaze of both eyes, translation."""
_DECIMETRES = 10.0
"""Translation counts in decimetres, so that its range is about that of the angles."""


@dataclass(frozen=True)
class Corrections:
    """`Z` directions of change for `N` Gaussians and the map from motion to their amounts. `Z` may be 0."""

    feature_mean: Float[Tensor, " D"]
    """Mean feature vector of the training frames."""
    projection: Float[Tensor, "D Z"]
    """Features (mean removed) to latents."""
    low: Float[Tensor, " Z"]
    """Smallest latent seen in training; latents are clamped to it."""
    high: Float[Tensor, " Z"]
    """Largest latent seen in training."""
    means: Float[Tensor, "Z N 3"]
    """Change of the local offset per unit of latent, metres."""
    colors: Float[Tensor, "Z N 3"]
    """Change of the degree-0 colour coefficient per unit of latent."""
    opacities: Float[Tensor, "Z N"]
    """Change of the opacity logit per unit of latent."""

    @classmethod
    def none(cls, n_gaussians: int) -> "Corrections":
        """No corrections: `Z` = 0."""
        zero = torch.zeros(0)
        per_gaussian = torch.zeros(0, n_gaussians, 3)
        return cls(torch.zeros(N_FEATURES), torch.zeros(N_FEATURES, 0), zero, zero, per_gaussian, per_gaussian, torch.zeros(0, n_gaussians))

    def latents(self, motion: HeadMotion) -> Float[Tensor, "T Z"]:
        """The amounts of each direction for every frame of `motion`, clamped to what training saw."""
        centred = motion_features(motion) - self.feature_mean
        return torch.clamp(centred @ self.projection, self.low, self.high)

    def to(self, device: torch.device | str) -> "Corrections":
        """The same corrections on `device`."""
        return Corrections(*(getattr(self, field.name).to(device) for field in fields(self)))


def motion_features(motion: HeadMotion) -> Float[Tensor, "T D"]:
    """The numbers that drive appearance: rig, head and torso rotation, gaze, translation."""
    still = (motion.rig, motion.head_rotation, motion.torso_rotation, motion.gaze.flatten(1))
    return torch.cat([*still, _DECIMETRES * motion.translation], dim=1)
