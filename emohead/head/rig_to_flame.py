"""Rig -> FLAME: what each of the 52 rig channels is in FLAME's expression, jaw and, where FLAME has no such motion, correctives.

The shipped generic head, whose rig is known, is registered onto the user's FLAME mean head once; each channel's motion is carried
over and fitted. Nothing of FLAME is redistributed: the result stays in the user's cache.

Contact survives the transfer: a point moves from W(x) to W(x + d), where W is one smooth warp of space from the generic head to
FLAME, so two lids or lips that meet on the generic head meet on FLAME.
"""

import hashlib
import os
import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead import assets
from emohead.archives import DAMAGED_ARRAYS
from emohead.channels import N_RIG, RIG_INDEX
from emohead.head.flame_file import FlameData, LandmarkEmbedding

VERSION = 1
"""Of the method; a change makes cached conversions be fitted again."""
JAW_OPEN_RADIANS = 0.25
"""FLAME's jaw pitch at jawOpen 1 (the mean of published regressions from tracked video)."""
BLINKS = (RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"])
_YIELDING = ("eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide")
_TENSORS = ("expression", "jaw", "correctives", "residual", "midway", "vertex_part")


@dataclass(frozen=True)
class RigToFlame:
    """The conversion for one FLAME file."""

    expression: Float[Tensor, "R 100"]
    """FLAME expression per unit of each channel."""
    jaw: Float[Tensor, "R 3"]
    """Jaw rotation per unit of each channel, axis-angle in radians."""
    correctives: Float[Tensor, "R V 3"]
    """What FLAME cannot express, metres before skinning, half precision."""
    residual: Float[Tensor, " R"]
    """Part of each channel's motion (root of the energy, 0..1) that expression and jaw alone miss; the correctives restore it."""
    midway: Float[Tensor, "2 V 3"]
    """The lids' way around the eyeball: metres before skinning, added as 4 c (1 - c) for eyeBlinkLeft and eyeBlinkRight = c."""
    part_names: tuple[str, ...]
    """The generic head's parts."""
    vertex_part: Int[Tensor, " V"]
    """For each FLAME vertex, the part that it lies on."""

    def parameters(self, rig: Float[Tensor, "T R"]) -> tuple[Float[Tensor, "T 100"], Float[Tensor, "T 3"]]:
        """Expression (not limited) and jaw rotation of rig coefficients."""
        rig = lids_yield_to_blinks(rig)
        return rig @ self.expression, rig @ self.jaw

    def corrective_offsets(self, rig: Float[Tensor, "T R"]) -> Float[Tensor, "T V 3"]:
        """Corrective displacement of rig coefficients, metres before skinning."""
        rig = lids_yield_to_blinks(rig)
        blinks = rig[:, list(BLINKS)]
        coefficients = torch.cat([rig, 4 * blinks * (1 - blinks)], 1)
        flat = torch.cat([self.correctives, self.midway]).flatten(1).to(rig.dtype)
        return (coefficients @ flat).unflatten(1, self.correctives.shape[1:])

    def to(self, device: torch.device | str) -> "RigToFlame":
        """The same conversion with its tensors on `device`."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _TENSORS})


def lids_yield_to_blinks(rig: Float[Tensor, "T R"]) -> Float[Tensor, "T R"]:
    """The rig with the other lid channels of a side scaled down by its blink, as on the generic head: a shut eye stays shut."""
    share = torch.ones_like(rig)
    for side, blink in zip(("Left", "Right"), BLINKS, strict=True):
        share[:, [RIG_INDEX[f"{name}{side}"] for name in _YIELDING]] = 1 - rig[:, blink, None]
    return rig * share


def load_rig_to_flame(data: FlameData, *, landmarks: LandmarkEmbedding | None = None) -> RigToFlame:
    """The conversion for a FLAME file, from the user's cache or fitted now and cached."""
    from emohead.head.rig_fit import fit_rig_to_flame

    path = cache_path(data, landmarks)
    cached = read_cache(path, n_vertices=len(data.template))
    if cached is not None:
        return cached
    fitted = fit_rig_to_flame(data, landmarks=landmarks)
    try:
        _write_cache(path, fitted)
    except OSError as error:
        warnings.warn(f"the FLAME conversion could not be cached in {path.parent} ({error}); it is fitted again next time", stacklevel=2)
    return fitted


def cache_path(data: FlameData, landmarks: LandmarkEmbedding | None) -> Path:
    """Where the conversion of this FLAME file, these landmarks, this generic head and this method is kept."""
    digest = hashlib.sha256(f"{VERSION} {data.sha256}".encode())
    digest.update(assets.find("generic_head.safetensors").read_bytes())
    if landmarks is not None:
        digest.update(landmarks.triangle.numpy().tobytes() + landmarks.barycentric.numpy().tobytes())
    return assets.cache_folder() / "rig_to_flame" / f"{digest.hexdigest()}.npz"


def _write_cache(path: Path, rig: RigToFlame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(rig, name).numpy() for name in _TENSORS}
    arrays["part_names"] = np.array(rig.part_names)
    # Written beside its final name and renamed, so that a reader never sees half a file.
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        try:
            np.savez_compressed(file, **arrays)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def read_cache(path: Path, *, n_vertices: int) -> RigToFlame | None:
    """The conversion kept at `path`, or None when there is none or the file is damaged (it is only a cache, so it is made again)."""
    shapes = ((N_RIG, 100), (N_RIG, 3), (N_RIG, n_vertices, 3), (N_RIG,), (2, n_vertices, 3), (n_vertices,))
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _TENSORS}
            part_names = tuple(str(name) for name in archive["part_names"])
    except DAMAGED_ARRAYS:
        return None
    if any(arrays[name].shape != shape for name, shape in zip(_TENSORS, shapes, strict=True)):
        return None
    return RigToFlame(**{name: torch.from_numpy(array) for name, array in arrays.items()}, part_names=part_names)
