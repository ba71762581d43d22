"""Action units of a filmed clip from its face landmarks, decoded by a small network that learned on synthetic heads.

A landmarker's blendshape scores are not action units, and a rig fitted to landmarks does not name them either: a synthetic face that
raises its upper lip is given a smile. So pictures of MakeHuman heads doing known action units were shown to MediaPipe's landmarker, and
a network learned what it answers (tools/train_au_decoder.py). It sees how the landmarks differ from the same person's neutral face,
with pose and size removed, and how the scores differ.

What has no synthetic example is read from the scores through the rig (`emohead.head.action_units`): AU6, 11, 13, 14, 19, 23, 27, 28, 29
and 30; AU24 is "lips tight or pressed", since the examples of 23 and 24 are one shape.
"""

import json
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional

from emohead import assets
from emohead.channels import AU_INDEX, AU_NAMES, RIG_INDEX
from emohead.errors import InputError
from emohead.head.action_units import rig_to_au
from emohead.types import AUTrack
from recon.anchors import neutral_frames
from recon.landmarks import BROWS, EYES, IRISES, LIPS, OVAL
from recon.types import FaceLandmarks

ASSET_NAME = "au_decoder.safetensors"
VERSION = 1
EYE_CORNERS = (33, 263)
FROM_SCORES = ("AU6L", "AU6R", "AU14L", "AU14R", "AU27", "AU28", "AU29", "AU30L", "AU30R")
"""Channels without a synthetic example that are read from the scores instead. The rest of those (11, 13, 19, 23) stays zero."""
_ANCHORS = 24
"""Most frames that the neutral face is the mean of."""
_SCORE_WEIGHT = 0.5
"""How far channels read from scores are to be trusted, against 1 for decoded ones."""
_STEADY_WEIGHT, _MOVING_WEIGHT, _OVAL_WEIGHT = 1.0, 0.1, 0.05
_FLATTEST = 0.5
"""Least singular value of a view's foreshortening, of its scale, that is undone: a head turned by 60 degrees."""


@dataclass(frozen=True)
class FlatFace:
    """Landmarks with pose and size removed."""

    points: Float[Tensor, "T 478 2"]
    """In the plane of the face as seen from the front, +y up; the distance of the outer eye corners of the mean face is 1."""
    rotation: Float[Tensor, "T 3 3"]
    """Of the head against the camera that looks along -z."""


@dataclass(frozen=True)
class AUDecoder:
    """The network and what it needs; `K` landmark components, `I` inputs, `H` hidden units, `D` decoded channels."""

    mean_face: Float[Tensor, "478 3"]
    """Landmarks of the mean face, outer eye corners 1 apart."""
    mirror: Int[Tensor, " 478"]
    """The landmark that each becomes in a mirror."""
    components: Float[Tensor, "956 K"]
    """From landmark differences to their principal components, each with variance 1 over the training pictures."""
    input_mean: Float[Tensor, " I"]
    """Of the training pictures."""
    input_scale: Float[Tensor, " I"]
    """One over the standard deviation, 0 where an input does not vary."""
    weights: tuple[Float[Tensor, "_ _"], ...]
    """One matrix per layer."""
    biases: tuple[Float[Tensor, " _"], ...]
    """One vector per layer."""
    channels: tuple[str, ...]
    """Names of the decoded AU channels."""

    def __call__(self, inputs: Float[Tensor, "T I"]) -> Float[Tensor, "T D"]:
        """Intensities, not clamped."""
        hidden = (inputs - self.input_mean) * self.input_scale
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = functional.silu(hidden @ weight.T + bias)
        return hidden @ self.weights[-1].T + self.biases[-1]


def decode_aus(landmarks: FaceLandmarks, *, fps: float, smooth: bool = True) -> AUTrack:
    """Action units of a clip of one person, all of it, so that a neutral face can be found in it.

    `weight` is 1 for channels that were learned, .5 for those read from the scores, 0 for those not decoded and where no face is; gaze
    and head rotation are left to the tracker (pose_weight 0). `smooth` applies the taps 1/4 1/2 1/4 in time, which delays nothing.
    A person who never shows a neutral face gets intensities against the expression that is held longest.

    Raises:
        InputError: no frame has a face, or the asset is absent or damaged.
    """
    decoder = load_au_decoder()
    found = landmarks.found
    if not bool(found.any()):
        raise InputError(f"no face was found in any of {len(found)} frames; give a clip that shows one face from the front")
    seen = FaceLandmarks(landmarks.points[found].float(), landmarks.scores[found].float())
    decoded = _both_ways(decoder, seen)
    track = AUTrack.neutral(len(found), fps)
    frames = found.nonzero()[:, 0]
    columns = [AU_INDEX[name] for name in decoder.channels]
    track.intensity[frames[:, None], columns] = decoded
    track.weight[frames[:, None], columns] = 1.0
    rest = [AU_INDEX[name] for name in FROM_SCORES]
    track.intensity[frames[:, None], rest] = rig_to_au(_above_neutral(seen.scores))[:, rest]
    track.weight[frames[:, None], rest] = _SCORE_WEIGHT
    if smooth:
        track.intensity[:] = smoothed(track.intensity, found)
    return track


def flatten(points: Float[Tensor, "T 478 2"], face: Float[Tensor, "478 3"]) -> FlatFace:
    """Undo the pose in which `face` explains the landmarks best (scaled orthography; steady parts of the face count most)."""
    weights = _pose_weights().to(points)
    image = torch.stack([points[..., 0], -points[..., 1]], -1)
    centre = (weights[:, None] * face).sum(0) / weights.sum()
    image_centre = torch.einsum("n,tnc->tc", weights, image) / weights.sum()
    model, seen = face - centre, image - image_centre[:, None]
    affine = torch.linalg.solve((weights[:, None] * model).T @ model, torch.einsum("n,nk,tnc->tkc", weights, model, seen)).mT  # [T, 2, 3]
    rotation, scale = _nearest_view(affine)
    for _ in range(6):
        # The depth that a view implies completes the landmarks to points in space, for which the best rotation is known in closed form.
        depth = torch.einsum("tk,nk->tn", rotation[:, 2], model) * scale[:, None]
        rotation, scale = _similarity(model, torch.cat([seen, depth[..., None]], -1), weights)
    view = scale[:, None, None] * rotation[:, :2]
    left, singular, right = torch.linalg.svd(view[:, :, :2])
    undo = right.mT @ torch.diag_embed(1 / torch.maximum(singular, _FLATTEST * scale[:, None])) @ left.mT
    flat = torch.einsum("tij,tnj->tni", undo, seen - view[:, None, :, 2] * model[:, 2, None])
    return FlatFace(flat + centre[:2], rotation)


def differences(
    decoder_face: Float[Tensor, "478 3"], landmarks: FaceLandmarks, neutral: Int[Tensor, " n"]
) -> tuple[Float[Tensor, "T 956"], Float[Tensor, "T Q"]]:
    """How landmarks differ from those of the `neutral` frames (flat), and the other inputs: score differences and the pose."""
    flat = flatten(landmarks.points, decoder_face)
    own = torch.cat([flat.points[neutral].mean(0), decoder_face[:, 2:]], 1)
    flat = flatten(landmarks.points, own)
    anchor = flat.points[neutral].mean(0)
    size = (anchor[EYE_CORNERS[0]] - anchor[EYE_CORNERS[1]]).norm()
    change = (flat.points - anchor) / size
    scores = landmarks.scores - landmarks.scores[neutral].mean(0)
    pose = flat.rotation[:, 2, :2]
    others = torch.cat([scores, pose, pose**2, pose[:, :1] * pose[:, 1:]], 1)
    return change.flatten(1), others


def mirrored(landmarks: FaceLandmarks, order: Int[Tensor, " 478"]) -> FaceLandmarks:
    """The landmarks and scores of the picture in a mirror."""
    names = list(RIG_INDEX)
    swap = [RIG_INDEX[_other_side(name)] for name in names]
    flip = torch.tensor([-1.0, 1.0]).to(landmarks.points)
    return FaceLandmarks(landmarks.points[:, order] * flip, landmarks.scores[:, swap])


def smoothed(values: Float[Tensor, "T D"], found: Bool[Tensor, " T"]) -> Float[Tensor, "T D"]:
    """Taps 1/4 1/2 1/4 in time over frames with a face; frames without one are left alone."""
    share = found.to(values)[:, None]
    padded = functional.pad(torch.cat([values * share, share], 1).T[None], (1, 1))[0].T
    total = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    return torch.where(found[:, None], total[:, :-1] / total[:, -1:].clamp_min(0.5), values)


@lru_cache(maxsize=1)
def load_au_decoder() -> AUDecoder:
    """The decoder that ships with the package.

    Raises:
        InputError: the asset is absent, damaged or of another version.
    """
    return read_au_decoder(assets.find(ASSET_NAME))


def read_au_decoder(path: Path) -> AUDecoder:
    """A decoder from its file.

    Raises:
        InputError: the file is damaged or of another version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, Any] = json.loads((file.metadata() or {})["au_decoder"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        channels = tuple(metadata["channels"])
        if metadata["version"] != VERSION or not set(channels) <= set(AU_NAMES):
            raise InputError(f"{path} is of another version of the AU decoder; make it again with tools/train_au_decoder.py")
        layers = range(int(metadata["layers"]))
        weights = tuple(tensors[f"weight{layer}"].float() for layer in layers)
        biases = tuple(tensors[f"bias{layer}"].float() for layer in layers)
        single = {field.name: tensors[field.name] for field in fields(AUDecoder) if field.name in tensors}
        plain: dict[str, Any] = {name: value.float() if value.is_floating_point() else value.long() for name, value in single.items()}
        return AUDecoder(**plain, weights=weights, biases=biases, channels=channels)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{path} is not an AU decoder ({error}); make it again with tools/train_au_decoder.py") from error


def _both_ways(decoder: AUDecoder, landmarks: FaceLandmarks) -> Float[Tensor, "T D"]:
    """Intensities 0..1: the mean of what the picture and its mirror image say."""
    neutral = neutral_frames(landmarks, most=_ANCHORS)
    swap = [decoder.channels.index(_other_side(name)) for name in decoder.channels]
    total = torch.zeros(len(landmarks.points), len(decoder.channels))
    for view, columns in ((landmarks, list(range(len(swap)))), (mirrored(landmarks, decoder.mirror), swap)):
        change, others = differences(decoder.mean_face, view, neutral)
        total += decoder(torch.cat([change @ decoder.components, others], 1))[:, columns] / 2
    return total.clamp(0.0, 1.0)


def _above_neutral(scores: Float[Tensor, "T R"]) -> Float[Tensor, "T R"]:
    """Scores above what the person's face shows all the time (a low quantile)."""
    floor = scores.quantile(0.1, dim=0)
    return ((scores - floor) / (1 - floor).clamp_min(0.2)).clamp(0.0, 1.0)


def _other_side(name: str) -> str:
    for one, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name.removesuffix(one) + other
    if name.startswith("AU") and name[-1] in "LR":
        return name[:-1] + {"L": "R", "R": "L"}[name[-1]]
    return name


@lru_cache(maxsize=1)
def _pose_weights() -> Tensor:
    weights = torch.full((478,), _STEADY_WEIGHT)
    weights[[*LIPS, *BROWS, *EYES]] = _MOVING_WEIGHT
    weights[list(OVAL)] = _OVAL_WEIGHT
    weights[list(IRISES)] = 0.0
    weights[[33, 133, 362, 263]] = _STEADY_WEIGHT
    return weights


def _nearest_view(affine: Float[Tensor, "T 2 3"]) -> tuple[Float[Tensor, "T 3 3"], Float[Tensor, " T"]]:
    """Rotation and scale of the scaled orthographic view nearest to affine ones."""
    left, singular, right = torch.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    return torch.cat([rows, torch.linalg.cross(rows[:, 0], rows[:, 1])[:, None]], 1), singular.mean(1)


def _similarity(
    model: Float[Tensor, "n 3"], seen: Float[Tensor, "T n 3"], weights: Float[Tensor, " n"]
) -> tuple[Float[Tensor, "T 3 3"], Float[Tensor, " T"]]:
    """Rotation and scale that bring centred `model` onto `seen` (Umeyama 1991, eq. 40-42)."""
    covariance = torch.einsum("n,tni,nj->tij", weights, seen, model)
    left, singular, right = torch.linalg.svd(covariance)
    signs = torch.ones_like(singular)
    signs[:, 2] = torch.det(left @ right).sign()
    scale = (singular * signs).sum(1) / (weights[:, None] * model.square()).sum()
    return left @ torch.diag_embed(signs) @ right, scale
