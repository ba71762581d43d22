"""Further pictures of a person made ready to train beside the first: one head that explains all of them, and each cut down to the head.

Only the head is taken of them: whether the shoulders turned with it, and what they wore, is another matter.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.head.base import HeadModel
from emohead.types import Camera, HeadIdentity, HeadMotion
from recon.identity_solver import solve_identity
from recon.kept_views import KeptView
from recon.landmark_head import landmark_points
from recon.landmarks import stacked
from recon.matte import Segmenter
from recon.motion_model import View
from recon.motion_solver import REFERENCE_FACE, Clip
from recon.picture_expression import expression
from recon.preprocess import crop_around, resized
from recon.subject import project
from recon.tracking import FOR_AVATARS, smooth_offset_basis
from recon.types import FrameSet, TrackedSequence

_HEAD = ("torso", "neck")
"""Parts (by prefix) that are not the head."""
_MARGIN, _BELOW = 0.12, 0.02
"""Of the head's size: room around it (hair), and under its lowest point."""


@dataclass(frozen=True)
class ViewPicture:
    """A view cut down to the head."""

    frames: FrameSet
    """One picture with its matte."""
    points: Float[Tensor, "478 2"]
    """Landmarks in it."""
    tracked: TrackedSequence
    """One frame, seen by the camera of this picture."""


def solve_together(
    still: Float[Tensor, "T 478 2"], tracked: TrackedSequence, kept: list[KeptView], head: HeadModel
) -> tuple[TrackedSequence, TrackedSequence]:
    """The head that explains a picture, its mirror image and other views, and how each of them shows it.

    Args:
        still: landmarks of the picture and its mirror image, expression taken off.
        tracked: the head fitted to the picture and its mirror image alone.
        kept: the other views.
        head: the same head model.

    Returns:
        The track of the picture and its mirror image (without expression) and that of the views, both by the picture's camera.
    """
    points, count = landmark_points(head), len(still)
    target = torch.cat([still, torch.stack([view.points for view in kept])])
    scores = expression(torch.stack([view.face.scores for view in kept]))
    # The picture alone is at rest: it stands still in the avatar's camera, so that the shoulders stay where it shows them.
    at_rest = torch.arange(len(target)) == 0
    clip = Clip(
        target,
        torch.ones(len(target), dtype=torch.bool),
        torch.cat([torch.zeros(count, scores.shape[1]), scores]),
        at_rest,
        torch.zeros(len(target), dtype=torch.bool),
        tracked.fps,
    )
    size = (still[0].amax(0) - still[0].amin(0)).prod().sqrt()
    rest = points(head.identity(), HeadMotion.neutral(1, tracked.fps))[0]
    nobody = HeadIdentity(torch.zeros(head.n_shape), torch.zeros_like(head.neutral))
    start = View(points, nobody, tracked.camera, float(size) / REFERENCE_FACE, torch.zeros(3))
    basis = smooth_offset_basis(head.neutral, rest)
    solved = solve_identity(clip, start, FOR_AVATARS, offset_basis=basis, n_shape=head.n_shape)
    motion = solved.view.motion(solved.state, tracked.fps)
    every = TrackedSequence(tracked.fps, solved.view.camera, solved.view.identity, motion, torch.ones(len(target)))
    return every.pick(torch.arange(count)), every.pick(torch.arange(count, len(target)))


def cut_head(kept: KeptView, tracked: TrackedSequence, head: HeadModel, segmenter: Segmenter) -> ViewPicture:
    """A view cut down to the head and scaled to the size of the first picture.

    Args:
        kept: the view.
        tracked: its one frame, by the first picture's camera.
        head: the head model.
        segmenter: tells the person from the background.
    """
    image, side = kept.view.image, tracked.camera.width
    part = torch.tensor([not name.startswith(_HEAD) for name in head.part_names])[head.vertex_part]
    vertices = head(tracked.identity, tracked.motion).vertices[:, part]
    outline = (project(vertices, tracked.camera)[0] - kept.shift) / kept.scale
    low, high = outline.amin(0), outline.amax(0)
    reach = float((high - low).max())
    length = int(min((1 + _MARGIN) * reach, image.shape[0], image.shape[1]))
    left = round(min(max(float((low + high)[0]) / 2 - length / 2, 0.0), image.shape[1] - length))
    top = round(min(max(float(high[1]) + _BELOW * reach - length, 0.0), image.shape[0] - length))
    # The segmenter knows heads with shoulders: it sees more of the picture than is kept.
    box, _ = crop_around(stacked([kept.face]), (image.shape[0], image.shape[1]), side)
    around = min(box[0], left), min(box[1], top), max(box[0] + box[2], left + length), max(box[1] + box[2], top + length)
    matte = segmenter(image[around[1] : around[3], around[0] : around[2]].contiguous())
    rows = slice(top - around[1], top - around[1] + length)
    matte = matte[rows, left - around[0] : left - around[0] + length]
    picture = resized(image[top : top + length, left : left + length], side)
    covered = resized(matte[..., None].expand(-1, -1, 3).contiguous(), side)[..., 0]
    enlarged, corner = side / length, torch.tensor([float(left), float(top)])
    # canvas = view * scale + shift and cut = (view - corner) * enlarged, so cut = canvas * zoom + moved.
    zoom, moved = enlarged / kept.scale, -(kept.shift / kept.scale + corner) * enlarged
    intrinsics = tracked.camera.intrinsics.clone()
    intrinsics[:, :2] *= zoom
    intrinsics[:, :2, 2] += moved
    frames = FrameSet(tracked.fps, picture[None], covered[None], torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.bool))
    camera = Camera(tracked.camera.world_to_camera, intrinsics, side, side)
    return ViewPicture(frames, (kept.face.points - corner) * enlarged, replace(tracked, camera=camera))
