"""The described sentences that a network places nearest to a text, and what their faces have in common.

A network remembers the sentences that it was trained on better than what follows from them; its last layer still places new ones beside
those that they are like. Asking these neighbours too (as kNN-LM does, arXiv 1911.00172) is right more often than the network alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from controllers.described import Described, face_row
from controllers.expression import mirrored
from controllers.handedness import left_handed
from controllers.meaning_net import MeaningNet
from controllers.text_features import FrontEnd
from emohead.channels import N_AU

N_NEAREST, _NEARNESS = 32, 0.05
"""How many are asked, and the difference in cosine at which one counts 1/e less."""
_AT_ONCE = 64
_AXES = 128
"""Principal directions of the sentences that are kept; on the development set as good as all of 384, in a third of the space."""
_STEPS = 127.0
"""Steps in which keys and intensities are stored."""


@dataclass(frozen=True)
class Neighbours:
    """Sentences with known faces, as a network sees them."""

    axes: Float[Tensor, "H K"]
    """Directions of the network's space in which they are told apart."""
    keys: Float[Tensor, "N K"]
    """A vector of length 1 per sentence."""
    faces: Float[Tensor, "N F"]
    """Its face (`face_row`)."""

    def __call__(self, whole: Float[Tensor, "B H"]) -> tuple[Float[Tensor, "B A"], Float[Tensor, "B F"]]:
        """For each text how large a share of its neighbours shows each action unit, and how strongly those do, with their pose.

        Args:
            whole: the network's vectors of the texts.
        """
        asked = functional.normalize(whole @ self.axes, dim=1).to(self.keys.dtype)
        nearness, index = (asked @ self.keys.T).float().topk(min(N_NEAREST, len(self.keys)), dim=1)
        weight = (nearness / _NEARNESS).softmax(1)[:, :, None]  # [B, K, 1]
        faces = self.faces[index]
        shows = weight * (faces[..., :N_AU] > 0)
        shown = shows.sum(1)
        strength = (shows * faces[..., :N_AU]).sum(1) / shown.clamp(min=1e-6)
        return shown, torch.cat([strength, (weight * faces[..., N_AU:]).sum(1)], dim=1)

    def tensors(self) -> dict[str, Tensor]:
        """For a file, in bytes where they do."""
        keys = (self.keys * (_STEPS / self.keys.abs().amax(1, keepdim=True))).round().to(torch.int8)
        units = (self.faces[:, :N_AU] * _STEPS).round().to(torch.uint8)
        return {"axes": self.axes.half().contiguous(), "keys": keys, "units": units, "poses": self.faces[:, N_AU:].half().contiguous()}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> "Neighbours":
        """Back from `tensors()`."""
        faces = torch.cat([tensors["units"].float() / _STEPS, tensors["poses"].float()], dim=1)
        # Half precision: one text among all of them is a matter of how much is read from memory.
        return cls(tensors["axes"].float(), functional.normalize(tensors["keys"].float(), dim=1).half(), faces)


@torch.no_grad()
def neighbours_of(net: MeaningNet, front_end: FrontEnd, described: Sequence[Described]) -> Neighbours:
    """Where a network in evaluation mode places described sentences, right-handed ones mirrored."""
    texts, faces = [], []
    for item in described:
        text, swapped = left_handed(item.text)
        texts.append(text)
        faces.append(face_row(mirrored(item.expression) if swapped else item.expression))
    keys = []
    for start in range(0, len(texts), _AT_ONCE):
        features = front_end(texts[start : start + _AT_ONCE])
        keys.append(functional.normalize(net(features.values, features.there).whole, dim=1))
    whole = torch.cat(keys)
    axes = torch.linalg.eigh(whole.T @ whole).eigenvectors[:, -_AXES:]
    return Neighbours(axes, functional.normalize(whole @ axes, dim=1), torch.stack(faces))
