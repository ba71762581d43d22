"""Which further pictures of a person may train an avatar: those with one face, turned as asked, of the same shape, features and colour.

The head fitted to the first picture is turned and moved until it explains the landmarks of another. What is left unexplained tells of its
shape; both faces laid out flat, features over features, tell of the rest. Landmarks alone hardly tell people apart.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from emohead.head.base import HeadModel
from emohead.head.skinning import axis_angle_to_rotations
from recon.flat_face import FlatFace, compare_flat
from recon.identity_solver import LOOSE
from recon.landmark_head import landmark_points
from recon.landmarks import OVAL, Face, FaceDetector, opened, steadied
from recon.motion_model import N_SOLVED, N_UNKNOWNS, ROTATION, SOLVED, View, directions, facing_weights, to_motion
from recon.motion_solver import REFERENCE_FACE, Clip, TrackingConfig, solve_motion
from recon.picture_expression import expression
from recon.types import TrackedSequence
from recon.view_generator import GeneratedView

MIN_FACE = 64.0
"""Pixels: height of the smallest face that trains."""
_TURN_TOLERANCE = (0.2, 0.15)
"""Radians, and share of the turn that was asked for, by which a view may be turned otherwise: one picture tells depth poorly."""
_SHAPE, _USUAL_ERROR = 1.4, (0.0075, 0.0286)
"""Limit of the shape error, and what it is relative to: distances between the eyes at no turn, and more per radian."""
_FEATURES, _TINT, _BRIGHTNESS = 0.65, 0.045, 0.12
"""Least correlation of the features; largest difference of log colour, and of log brightness."""
_FACE_TO_EYES = 1.6


@dataclass(frozen=True)
class Likeness:
    """How far a face agrees with a known one."""

    shape_error: float
    """Distance of its landmarks from the known head's in the same pose, relative to what is usual for one person turned so far."""
    features: float
    """Correlation -1..1 of both faces laid out flat, shading taken off, where both are seen."""
    tint: float
    """Difference of their median log colours, brightness taken off."""
    brightness: float
    """Difference of their median log brightness."""
    turn: tuple[float, float]
    """Yaw to the subject's left and pitch down (rad) from the picture that the head was fitted to."""

    def objection(self, asked: tuple[float, float] | None = None) -> str | None:
        """Why the face cannot be taken for the known one turned as asked; None if it can."""
        found = ", ".join(f"{math.degrees(angle):.0f}" for angle in self.turn)
        share, least = _TURN_TOLERANCE[1], _TURN_TOLERANCE[0]
        if asked and any(abs(is_ - want) > least + share * abs(want) for is_, want in zip(self.turn, asked, strict=True)):
            wanted = ", ".join(f"{math.degrees(angle):.0f}" for angle in asked)
            return f"turned by ({found}) degrees where ({wanted}) were asked for"
        if not self.shape_error <= _SHAPE:
            return f"a head of another shape (error {self.shape_error:.2f}, limit {_SHAPE})"
        if not self.features >= _FEATURES:  # NaN where nothing is seen in both
            return f"other features (correlation {self.features:.2f}, at least {_FEATURES})"
        if not (self.tint <= _TINT and self.brightness <= _BRIGHTNESS):
            return f"other colours (tint {self.tint:.3f}, limit {_TINT}; brightness {self.brightness:.2f}, limit {_BRIGHTNESS})"
        return None


@dataclass(frozen=True)
class KeptView:
    """A view that may train."""

    view: GeneratedView
    """The picture."""
    face: Face
    """In its own pixels."""
    scale: float
    """From its pixels to those of the first picture, with the face brought to the same size and place."""
    shift: Float[Tensor, "2"]
    """Added after scaling."""
    likeness: Likeness
    """Why it was kept."""

    @property
    def points(self) -> Float[Tensor, "478 2"]:
        """Its landmarks in pixels of the first picture."""
        return self.face.points * self.scale + self.shift


def kept_views(
    picture: UInt8[Tensor, "H W 3"],
    face: Face,
    tracked: TrackedSequence,
    views: list[GeneratedView],
    head: HeadModel,
    *,
    detector: FaceDetector | None = None,
) -> tuple[list[KeptView], tuple[str, ...]]:
    """The views that show the person of a picture, and a note for each that does not.

    Args:
        picture: sRGB.
        face: in `picture`.
        tracked: the head fitted to `picture`, which is its first frame.
        views: what a generator gave.
        head: the same head model.
        detector: finds faces; None takes MediaPipe's.
    """
    notes, found = [], []
    with opened(detector, most=3) as find:
        for view in views:
            faces = find(view.image)
            height = max((each.box[3] - each.box[1] for each in faces), default=0.0)
            if len(faces) != 1:
                notes.append(_refusal(view, f"{len(faces) or 'no'} face{'s' if len(faces) > 1 else ''} in it"))
            elif height < MIN_FACE:
                notes.append(_refusal(view, f"its face is only {height:.0f} pixels high, at least {MIN_FACE:.0f} are needed"))
            else:
                found.append((view, steadied(view.image, faces[0], find)))
    kept = []
    for placed in _compared(picture, face, tracked, found, head):
        objection = placed.likeness.objection(placed.view.asked)
        if objection:
            notes.append(_refusal(placed.view, objection))
        else:
            kept.append(placed)
    return kept, tuple(notes)


def _refusal(view: GeneratedView, why: str) -> str:
    return f"view {view.name} not used: {why}"


def _compared(
    picture: Tensor, face: Face, tracked: TrackedSequence, found: list[tuple[GeneratedView, Face]], head: HeadModel
) -> list[KeptView]:
    """Every face explained by the head of the picture."""
    if not found:
        return []
    points = landmark_points(head)
    rest = points(tracked.identity, to_motion(torch.zeros(1, N_UNKNOWNS)))[0]
    view = View(points, tracked.identity, tracked.camera, 1.0, torch.zeros(3))
    size, middle = _seen_size(rest, face.points)
    eyes = float((rest[33] - rest[263]).norm()) * size
    view = View(points, tracked.identity, tracked.camera, _FACE_TO_EYES * eyes / REFERENCE_FACE, torch.zeros(3))
    # The picture itself is the first, so that turns and visibility are measured alike.
    faces = [face, *(other for _, other in found)]
    sizes = [_seen_size(rest, each.points) for each in faces]
    scales = [size / own for own, _ in sizes]
    shifts = [middle - scale * own for scale, (_, own) in zip(scales, sizes, strict=True)]
    target = torch.stack([each.points * scale + shift for each, scale, shift in zip(faces, scales, shifts, strict=True)])
    scores = expression(torch.stack([each.scores for each in faces]))
    state = explain(target, scores, view)
    trust = facing_weights(view, state, directions(points, tracked.identity).normals)
    weight = trust.clone()
    weight[:, list(OVAL)] = 0.0
    error = ((view.pixels(state) - target).norm(dim=-1) * weight).sum(1) / weight.sum(1) / eyes
    turns = _turns(state[:, ROTATION])
    layout = FlatFace(rest)
    seen, first = layout.seen(trust[0]), layout(picture, face.points)
    kept = []
    for number, (other, its_face) in enumerate(found, start=1):
        angle = float(turns[number].norm())
        shape_error = float(error[number]) / (_USUAL_ERROR[0] + _USUAL_ERROR[1] * angle)
        looks = compare_flat(first, layout(other.image, its_face.points), seen & layout.seen(trust[number]))
        likeness = Likeness(shape_error, *looks, (float(turns[number, 0]), float(turns[number, 1])))
        kept.append(KeptView(other, its_face, scales[number], shifts[number], likeness))
    return kept


def explain(target: Float[Tensor, "T 478 2"], scores: Float[Tensor, "T R"], view: View) -> Float[Tensor, "T K"]:
    """Pose and expression in which a known head explains the landmarks of pictures that have nothing to do with each other.

    Args:
        target: landmarks, pixels of the view's camera.
        scores: expressions that are likely, 0..1.
        view: the head before its camera.
    """
    count = len(target)
    alone, seen = torch.zeros(count, dtype=torch.bool), torch.ones(count, dtype=torch.bool)
    clip, local = Clip(target, seen, scores, alone, alone, 25.0), directions(view.points, view.identity)
    config = TrackingConfig(translation_prior=LOOSE)
    still = Clip(target, seen, scores, seen, alone, 25.0)
    posing = TrackingConfig(translation_prior=LOOSE, huber=20.0)
    state = solve_motion(still, view, local, torch.zeros(count, N_UNKNOWNS), posing)
    state[:, :N_SOLVED] = scores[:, list(SOLVED)]
    return solve_motion(clip, view, local, state, config)


def _seen_size(rest: Float[Tensor, "478 3"], seen: Float[Tensor, "478 2"]) -> tuple[float, Tensor]:
    """Pixels per metre of a face and the pixel of its middle, however it is turned: the affine camera that explains it best."""
    inner = torch.ones(len(rest), dtype=torch.bool)
    inner[list(OVAL)] = False
    known = torch.cat([rest, torch.ones(len(rest), 1)], 1)[inner]
    camera = torch.linalg.lstsq(known, seen[inner]).solution  # [4, 2]
    return float((camera[:3].square().sum() / 2).sqrt()), rest.mean(0) @ camera[:3] + camera[3]


def _turns(rotation: Float[Tensor, "T 3"]) -> Float[Tensor, "T 2"]:
    """Yaw and pitch of every head against the first."""
    ahead = (axis_angle_to_rotations(rotation) @ axis_angle_to_rotations(rotation[:1]).transpose(1, 2))[..., 2]
    return torch.stack([torch.atan2(ahead[:, 0], ahead[:, 2]), -torch.asin(ahead[:, 1].clamp(-1, 1))], 1)


__all__ = ["KeptView", "Likeness", "explain", "kept_views"]
