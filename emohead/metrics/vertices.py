"""Errors of generated faces in millimetres on the generic head: lips, whole face, upper-face dynamics, mouth opening.

Faces are compared in the head's own place: `face_vertices` poses the mean head by rig and gaze alone, so a turned head counts as no error.
The field measures on FLAME's or BIWI's vertices; values compare within this project only. `U` frames must be as many as `T`.
"""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.errors import InputError
from emohead.head.generic import GenericHead
from emohead.types import HeadMotion

MILLIMETRES = 1000.0
UPPER_FACE_FROM = -0.02
"""Metres against the eyeballs' centres: skin above it is the upper face (forehead, brows, lids, the cheeks' upper edge)."""
_LIPS = ("lips_upper", "lips_lower")
_UPPER = ("eyelid_left", "eyelid_right", "brow_left", "brow_right", "face")
_FACE = (*_LIPS, *_UPPER)
_CHUNK = 1000


def face_vertices(head: GenericHead, motion: HeadMotion) -> Float[Tensor, "T V 3"]:
    """Vertices (m) of the mean head that holds still but for its face."""
    identity, still = head.identity(), HeadMotion.neutral(min(motion.n_frames, _CHUNK), motion.fps)
    parts = []
    for start in range(0, motion.n_frames, _CHUNK):
        piece = motion.frames(start, min(start + _CHUNK, motion.n_frames))
        parts.append(head(identity, replace(still.frames(0, piece.n_frames), rig=piece.rig, gaze=piece.gaze)).vertices)
    return torch.cat(parts)


def lip_region(head: GenericHead) -> Int[Tensor, " n"]:
    """Indices of the lips' vertices."""
    return head.vertices_of(*_LIPS)


def upper_region(head: GenericHead) -> Int[Tensor, " n"]:
    """Indices of the upper face: brows, lids, and facial skin from `UPPER_FACE_FROM` up."""
    index = head.vertices_of(*_UPPER)
    return index[head.neutral[index, 1] > UPPER_FACE_FROM]


def face_region(head: GenericHead) -> Int[Tensor, " n"]:
    """Indices of the visible skin of the face, lips included."""
    return head.vertices_of(*_FACE)


def lip_vertex_error(
    generated: Float[Tensor, "T V 3"], true: Float[Tensor, "U V 3"], lips: Int[Tensor, " n"], *, root_mean_square: bool = False
) -> float:
    """LVE, mm: the largest distance over the lips' vertices in each frame, mean over frames (Richard et al. 2021, MeshTalk, section 5).

    Args:
        generated: vertices to judge, metres.
        true: those of the truth.
        lips: indices of `lip_region`.
        root_mean_square: take the root of the mean square over frames instead (what ARTalk's and VOCASET's tables print).

    Raises:
        InputError: different numbers of frames, or none.
    """
    _check(generated, true)
    worst = (generated[:, lips] - true[:, lips]).norm(dim=-1).amax(1)
    return MILLIMETRES * float(worst.square().mean().sqrt() if root_mean_square else worst.mean())


def centred(vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, "T V 3"]:
    """Each vertex about its own mean over time: a constant difference of two faces, such as a tracker's, then counts as no error."""
    return vertices - vertices.mean(0, keepdim=True)


def mean_vertex_error(generated: Float[Tensor, "T V 3"], true: Float[Tensor, "U V 3"], region: Int[Tensor, " n"]) -> float:
    """MVE, mm: mean distance over frames and the region's vertices (Stan et al. 2023, FaceDiffuser, section 5.1).

    Raises:
        InputError: different numbers of frames, or none.
    """
    _check(generated, true)
    return MILLIMETRES * float((generated[:, region] - true[:, region]).norm(dim=-1).mean())


def upper_face_dynamics(vertices: Float[Tensor, "T V 3"], neutral: Float[Tensor, "V 3"], upper: Int[Tensor, " n"]) -> float:
    """How lively the upper face is, mm: standard deviation over time of each vertex' distance from rest, mean over vertices.

    Xing et al. 2023 (CodeTalker), dyn of equation 9; their code squares the distance, this is the text's form.
    """
    return MILLIMETRES * float((vertices[:, upper] - neutral[upper]).norm(dim=-1).std(0, correction=0).mean())


def dynamics_deviation(
    generated: Float[Tensor, "T V 3"], true: Float[Tensor, "U V 3"], neutral: Float[Tensor, "V 3"], upper: Int[Tensor, " n"]
) -> float:
    """FDD, mm: `upper_face_dynamics` of the truth minus that of the generated face; positive = too little moves (CodeTalker, equation 9).

    Raises:
        InputError: different numbers of frames, or none.
    """
    _check(generated, true)
    return upper_face_dynamics(true, neutral, upper) - upper_face_dynamics(generated, neutral, upper)


def mouth_opening_difference(generated: Float[Tensor, " T"], true: Float[Tensor, " U"]) -> float:
    """MOD, mm: mean absolute difference of two lip gaps (m, `emohead.head.measure.lip_gap`) (Sun et al. 2024, DiffPoseTalk, section 4.2).

    Raises:
        InputError: different numbers of frames, or none.
    """
    _check(generated, true)
    return MILLIMETRES * float((generated - true).abs().mean())


def _check(generated: Tensor, true: Tensor) -> None:
    if generated.shape != true.shape or not len(true):
        raise InputError(f"motions to compare need the same frames, at least one, got {list(generated.shape)} and {list(true.shape)}")
