"""Action units of a filmed clip from its face landmarks, decoded by a small network that learned on synthetic heads.

A landmarker's blendshape scores are not action units, and a rig fitted to landmarks does not name them either: a synthetic face that
raises its upper lip is given a smile. So pictures of MakeHuman heads doing known action units were shown to MediaPipe's landmarker, and
a network learned what it answers (tools/train_au_decoder.py). It sees how the landmarks differ from the same person's neutral face,
with pose and size removed, and how the scores differ.

What has no synthetic example is read from the scores through the rig (`emohead.head.action_units`) where the landmarker has a live score
for it: AU14, 27, 28 and 30. AU6, 11, 13, 19, 23 and 29 stay zero; AU24 is "lips tight or pressed", since 23 and 24 are one shape there.
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
from emohead.channels import AU_INDEX, AU_NAMES, N_RIG, RIG_INDEX, RIG_NAMES, other_side
from emohead.errors import InputError
from emohead.head.action_units import rig_to_au
from emohead.types import AUTrack
from recon.anchors import neutral_frames
from recon.landmarks import BROWS, EYES, IRISES, LIPS, OVAL
from recon.types import FaceLandmarks

ASSET_NAME = "au_decoder.safetensors"
VERSION = 1
EYE_CORNERS = (33, 263)
FROM_SCORES = ("AU14L", "AU14R", "AU27", "AU28", "AU30L", "AU30R")
"""Channels without a synthetic example that are read from the scores instead."""
INPUT_LIMIT = 4.0
"""Standard deviations from the mean at which inputs are cut off."""
_ANCHORS = 24
"""Most frames that the neutral face is the mean of."""
_SCORE_WEIGHT = 0.3
"""How far channels read from scores are to be trusted; nothing here measures them."""
_STEADY_WEIGHT, _MOVING_WEIGHT, _OVAL_WEIGHT = 1.0, 0.1, 0.05
_VIEW_STEPS, _FACE_STEPS = 5, 3
_DEPTH_PRIOR = 0.5
"""Squared parallax, summed over frames, at which half of the depth that a clip suggests is believed."""
_FLATTEST = 0.5
"""Least singular value of a view's foreshortening, of its scale, that is undone: a head turned by 60 degrees."""


@dataclass(frozen=True)
class FlatFace:
    """Landmarks with pose and size removed."""

    points: Float[Tensor, "T 478 2"]
    """In the plane of the face as seen from the front, +y up; the distance of the outer eye corners of the mean face is 1."""
    rotation: Float[Tensor, "T 3 3"]
    """Of the head against the camera that looks along -z."""
    parallax: Float[Tensor, "T 2"]
    """How far a landmark moves in that plane per unit that it lies nearer than it was taken to."""


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
    """One over the standard deviation, but no more than scores that hardly vary deserve."""
    weights: tuple[Float[Tensor, "E _ _"], ...]
    """Matrices of each layer, for each of `E` networks whose mean counts."""
    biases: tuple[Float[Tensor, "E _"], ...]
    """Vectors of each layer."""
    confidence: Float[Tensor, " D"]
    """Correlation with the truth over pictures of identities that trained nothing."""
    channels: tuple[str, ...]
    """Names of the decoded AU channels."""

    def __call__(self, change: Float[Tensor, "T 956"], others: Float[Tensor, "T Q"]) -> Float[Tensor, "T D"]:
        """Intensities 0..1 of `differences`: the mean of what the picture and its mirror image say."""
        swap = [self.channels.index(other_side(name)) for name in self.channels]
        straight = self.unclamped(change, others)
        return ((straight + self.unclamped(*mirrored(change, others, self.mirror))[:, swap]) / 2).clamp(0.0, 1.0)

    def unclamped(self, change: Float[Tensor, "T 956"], others: Float[Tensor, "T Q"]) -> Float[Tensor, "T D"]:
        """What the networks say on average."""
        # People's faces can do what no synthetic head did; an input that is out of all proportion must not decide everything.
        hidden = ((torch.cat([change @ self.components, others], 1) - self.input_mean) * self.input_scale).clamp(-INPUT_LIMIT, INPUT_LIMIT)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = (hidden if layer == 0 else functional.silu(hidden)) @ weight.mT + bias[:, None]
        return hidden.mean(0)


def decode_aus(landmarks: FaceLandmarks, *, fps: float, smooth: bool = True) -> AUTrack:
    """Action units of a clip of one person, all of it, so that a neutral face can be found in it.

    `weight` says how well a channel is decoded: the correlation with the truth on synthetic heads that the decoder has not seen for those
    that it learned, .3 for those read from the scores, 0 for those not decoded and where no face is. Gaze and head rotation are left to
    the tracker (pose_weight 0). `smooth` applies the taps 1/4 1/2 1/4 in time, which delays nothing.
    A person who never shows a neutral face gets intensities against the expression that is held longest.

    Raises:
        InputError: no frame has a face, or the asset is absent or damaged.
    """
    decoder = load_au_decoder()
    found = landmarks.found
    if not bool(found.any()):
        raise InputError(f"no face was found in any of {len(found)} frames; give a clip that shows one face from the front")
    seen = FaceLandmarks(landmarks.points[found].float(), landmarks.scores[found].float())
    decoded = decoder(*differences(decoder.mean_face, seen, neutral_frames(seen, most=_ANCHORS)))
    track = AUTrack.neutral(len(found), fps)
    frames = found.nonzero()[:, 0]
    columns = [AU_INDEX[name] for name in decoder.channels]
    track.intensity[frames[:, None], columns] = decoded
    track.weight[frames[:, None], columns] = decoder.confidence
    rest = [AU_INDEX[name] for name in FROM_SCORES]
    track.intensity[frames[:, None], rest] = rig_to_au(_above_neutral(seen.scores))[:, rest]
    track.weight[frames[:, None], rest] = _SCORE_WEIGHT
    if smooth:
        track.intensity[:] = smoothed(track.intensity, found)
    return track


def flatten(points: Float[Tensor, "T 478 2"], face: Float[Tensor, "478 3"]) -> FlatFace:
    """Undo the pose in which `face` explains the landmarks best (scaled orthography; steady parts of the face count most)."""
    weights = _pose_weights().to(points)
    shares = weights / weights.sum()
    image = points * torch.tensor([1.0, -1.0]).to(points)
    centre = shares @ face
    model, seen = face - centre, image - (shares @ image)[:, None]
    weighted = weights[:, None] * model  # [478, 3]
    affine = torch.linalg.solve(weighted.T @ model, weighted.T @ seen).mT  # [T, 2, 3]
    rotation, scale = _nearest_view(affine)
    for _ in range(_VIEW_STEPS):
        # The depth that a view implies completes the landmarks to points in space, for which the best rotation is known in closed form.
        depth = (rotation[:, 2] @ model.T) * scale[:, None]
        rotation, scale = _similarity(weighted, model, torch.cat([seen, depth[..., None]], -1))
    view = scale[:, None, None] * rotation[:, :2]
    left, singular, right = torch.linalg.svd(view[:, :, :2])
    undo = right.mT @ torch.diag_embed(1 / torch.maximum(singular, _FLATTEST * scale[:, None])) @ left.mT
    flat = (seen - view[:, None, :, 2] * model[:, 2, None]) @ undo.mT
    return FlatFace(flat + centre[:2], rotation, (undo @ view[:, :, 2:])[..., 0])


def differences(
    mean_face: Float[Tensor, "478 3"], landmarks: FaceLandmarks, neutral: Int[Tensor, " n"]
) -> tuple[Float[Tensor, "T 956"], Float[Tensor, "T Q"]]:
    """How landmarks differ from those of the `neutral` frames (flat, eye corners 1 apart), and the other inputs: scores' differences, pose.

    The person's own face takes the place of `mean_face`: first its width and height in the neutral frames, then its depth, as far as the
    head turns in the clip (least squares over all frames; what stays still keeps the mean depth).
    """
    own = mean_face
    for _ in range(_FACE_STEPS):
        flat = flatten(landmarks.points, own)
        anchor = flat.points[neutral].mean(0)
        sway = flat.parallax - flat.parallax[neutral].mean(0)
        nearer = torch.einsum("tc,tnc->n", sway, flat.points - anchor) / (sway.square().sum() + _DEPTH_PRIOR)
        own = torch.cat([anchor, own[:, 2:] + nearer[:, None]], 1)
    flat = flatten(landmarks.points, own)
    anchor = flat.points[neutral].mean(0)
    size = (anchor[EYE_CORNERS[0]] - anchor[EYE_CORNERS[1]]).norm()
    change = (flat.points - anchor) / size
    scores = landmarks.scores - landmarks.scores[neutral].mean(0)
    pose = flat.rotation[:, 2, :2]
    return change.flatten(1), torch.cat([scores, pose, pose**2, pose[:, :1] * pose[:, 1:]], 1)


def mirrored(
    change: Float[Tensor, "T 956"], others: Float[Tensor, "T Q"], order: Int[Tensor, " 478"]
) -> tuple[Float[Tensor, "T 956"], Float[Tensor, "T Q"]]:
    """What `differences` gives for the picture in a mirror."""
    flip = torch.tensor([-1.0, 1.0])
    swap = [RIG_INDEX[other_side(name)] for name in RIG_NAMES]
    pose = others[:, N_RIG:] * torch.tensor([-1.0, 1.0, 1.0, 1.0, -1.0])
    return (change.unflatten(1, (-1, 2))[:, order] * flip).flatten(1), torch.cat([others[:, swap], pose], 1)


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


def _above_neutral(scores: Float[Tensor, "T R"]) -> Float[Tensor, "T R"]:
    """Scores above what the person's face shows all the time (a low quantile)."""
    floor = scores.quantile(0.1, dim=0)
    return ((scores - floor) / (1 - floor).clamp_min(0.2)).clamp(0.0, 1.0)


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
    weighted: Float[Tensor, "n 3"], model: Float[Tensor, "n 3"], seen: Float[Tensor, "T n 3"]
) -> tuple[Float[Tensor, "T 3 3"], Float[Tensor, " T"]]:
    """Rotation and scale that bring centred `model` (`weighted` by its points' weights) onto `seen` (Umeyama 1991, eq. 40-42)."""
    left, singular, right = torch.linalg.svd((weighted.T @ seen).mT)
    signs = torch.ones_like(singular)
    signs[:, 2] = torch.det(left @ right).sign()
    return left @ torch.diag_embed(signs) @ right, (singular * signs).sum(1) / (weighted * model).sum()
