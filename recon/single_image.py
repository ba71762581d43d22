"""A head from one picture: what it shows is fitted, the far side is its mirror image, the rest is the generic head's. Much is invented."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.channels import N_RIG, RIG_INDEX, RIG_NAMES, other_side
from emohead.errors import InputError
from emohead.head.base import HeadModel
from emohead.raster.base import Rasterizer
from emohead.types import Camera, HeadMotion
from recon.au_decoder import load_au_decoder
from recon.extra_losses import ExtraLosses
from recon.fitting import FitConfig, FitData, fit
from recon.initialise import PLANS, SH_C0, Layout, initial_avatar
from recon.kept_views import kept_views
from recon.landmark_head import landmark_points
from recon.landmarks import Face, FaceDetector, feature_boxes, mouth_is_shut, opened, stacked, steadied
from recon.loose_parts import with_loose_parts
from recon.matte import Segmenter, SelfieSegmenter
from recon.picture_expression import expression
from recon.preprocess import crop_around, flaw_of_picture, level_camera, look_of_picture, resized
from recon.silhouette import carve_scalp
from recon.subject import project
from recon.targets import clean_plate, over_flat_background
from recon.tracking import FOR_AVATARS, smooth_offset_basis, track
from recon.trained import Limits
from recon.types import FaceLandmarks, FrameSet, TrackedSequence
from recon.view_generator import ViewGenerator
from recon.view_pictures import ViewPicture, cut_head, solve_together

Progress = Callable[[float, str], None]
"""Told the share done, 0..1, and what is going on."""

INVENTED = "made from one picture: inside of the mouth, shut lids, the far side and all movement are invented"
INVENTED_WITH_VIEWS = "made from few pictures: inside of the mouth, shut lids, what none of them shows and all movement are invented"
STEPS = 500
_FPS = 25.0
_POSES = ((0.0, 0.5), (0.0, -0.5), (0.25, 0.0), (-0.25, 0.0))
"""Pitch and yaw (rad) up to which the head must be covered."""
_TURNS = ((0.4, 0.0), (-0.4, 0.0), (0.75, 0.0), (-0.75, 0.0), (0.0, 0.3), (0.0, -0.3))
"""Yaw and pitch (rad) by which a view generator is asked to turn the head."""
_ORIGINAL_PER_MIRRORED = 3
"""How often the picture trains for each time its mirror image does: hair is not symmetric."""
_SEEN = 0.4
"""Cosine to the viewer from which a place counts as seen."""
_SEEN_PIXELS = 0.7
"""Pixels that a Gaussian must make up to count as seen; what shines through others makes up less."""
_ABSENT = 30
"""Coverage (of 255) below which a pixel is surely not the person's."""
_CERTAIN = 250
"""Coverage (of 255) from which a pixel is the person's."""
_WEIGHTS_OF_PLACE = torch.tensor([0.35, 1.0, 1.0])
"""Left and right are near each other where colours are borrowed: a cheek takes the other cheek's."""


@dataclass(frozen=True)
class Portrait:
    """One picture made ready, with its mirror image."""

    frames: FrameSet
    """The picture and its mirror image."""
    landmarks: FaceLandmarks
    """Of both."""
    camera: Camera
    """Of the picture."""


def reconstruct_picture(
    image: UInt8[Tensor, "H W 3"],
    head: HeadModel,
    rasterizer: Rasterizer,
    *,
    name: str = "the picture",
    views: ViewGenerator | None = None,
    background: tuple[float, float, float] = (0.8, 0.8, 0.79),
    size: int = 512,
    steps: int = STEPS,
    extra: ExtraLosses | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[GaussianAvatar, tuple[str, ...]]:
    """Make an avatar from one picture of a face.

    Args:
        image: sRGB.
        head: the head model the avatar will ride on.
        rasterizer: differentiable.
        name: how messages call the picture.
        views: shows the person from elsewhere; what does not look like the person is left out.
        background: the flat colour behind the avatar, RGB 0..1.
        size: largest side of the picture that is fitted.
        steps: of the fit; twice as many when there are views.
        extra: further losses of the fit; None for none.
        seed: one seed gives one result.
        progress: told the share done.

    Returns:
        The avatar and what the user should know.

    Raises:
        InputError: no face, or one that is too small.
    """
    tell = progress or (lambda share, text: None)
    tell(0.0, "finding the face")
    portrait = read_portrait(image, name=name, size=size)
    tracked = follow_portrait(portrait, head)
    aside = abs(float(tracked.motion.head_rotation[0, 1])) >= 0.5
    notes: tuple[str, ...] = (INVENTED, "the face is turned far aside") if aside else (INVENTED,)
    further: list[ViewPicture] = []
    if views is not None:
        tell(0.05, "looking at further views")
        tracked, further, about = _with_views(portrait, tracked, views, head)
        notes = (INVENTED_WITH_VIEWS if further else INVENTED, *notes[1:], *about)
    tell(0.2, "fitting")
    colour = torch.tensor(background)
    poses = _poses(further)
    generator = torch.Generator().manual_seed(seed)
    frames = portrait.frames
    avatar, layout = initial_avatar("avatar", head, tracked, frames, background=colour, generator=generator, also_seen=poses)
    avatar, layout = with_loose_parts(avatar, layout, head, tracked, frames, generator=generator)
    shown = _shown(avatar, layout, head, rasterizer, tracked, frames)
    absent = _beside_the_person(avatar, head, tracked, frames)
    avatar = replace(avatar, opacity_logits=torch.where(absent, layout.min_logit, avatar.opacity_logits))
    avatar = _with_borrowed_colors(avatar, layout, head, shown)
    for view in further:
        shown = shown | _shown(avatar, layout, head, rasterizer, view.tracked, view.frames)
    # One picture says nothing about what changes with expression.
    limits = Limits(max_color_correction=0.0, max_opacity_correction=0.0, max_aspect=4.0)
    # What no picture shows keeps its borrowed colour and its place: fitted, it would fill in for what hides it.
    still = replace(
        layout,
        correction_freedom=torch.zeros_like(layout.correction_freedom),
        freedom=0.5 * layout.freedom * shown,
        color_is_fixed=layout.color_is_fixed | ~shown,
        min_logit=torch.where(shown, layout.min_logit, avatar.opacity_logits),
    )
    steps = 2 * steps if further else steps
    settings = FitConfig(steps=steps, coarse_share=0.4, relocate_until=0.0, calibrate_every=10 * steps, limits=limits, seed=seed)
    config = replace(settings, extra=extra or ExtraLosses())
    data = _fit_data(portrait, tracked, further, head, colour)
    fitted = fit(avatar, still, data, rasterizer, config=config, report=lambda step, loss: tell(0.2 + 0.8 * step / steps, "fitting"))
    return fitted.avatar, notes


def _with_views(
    portrait: Portrait, tracked: TrackedSequence, views: ViewGenerator, head: HeadModel
) -> tuple[TrackedSequence, list[ViewPicture], tuple[str, ...]]:
    """The head that explains the picture and those views that show the same person, those views, and what was done with the others."""
    given = views(portrait.frames.images[0], torch.tensor(_TURNS))
    face = Face(portrait.landmarks.points[0], portrait.landmarks.scores[0])
    kept, refused = kept_views(portrait.frames.images[0], face, tracked.pick(torch.arange(1)), given, head)
    notes = (f"{len(kept)} of {len(given)} further views show the same person and are used", *refused)
    if not kept:
        return tracked, [], notes
    scores = expression(portrait.landmarks.scores)
    together, seen = solve_together(_without_expression(portrait, head), tracked, kept, head)
    together = replace(together, motion=replace(together.motion, rig=scores))
    together = replace(together, identity=carve_scalp(head, together, portrait.frames))
    seen = replace(seen, identity=together.identity)
    segmenter = SelfieSegmenter()
    return together, [cut_head(each, seen.pick(torch.tensor([number])), head, segmenter) for number, each in enumerate(kept)], notes


def _poses(further: list[ViewPicture]) -> HeadMotion:
    """Poses in which the head must be covered, besides that of the picture."""
    poses = HeadMotion.neutral(len(_POSES) + len(further), _FPS)
    poses.head_rotation[: len(_POSES), :2] = torch.tensor(_POSES)
    for number, view in enumerate(further, start=len(_POSES)):
        poses.head_rotation[number] = view.tracked.motion.head_rotation[0]
    return poses


def _fit_data(
    portrait: Portrait, tracked: TrackedSequence, further: list[ViewPicture], head: HeadModel, background: Float[Tensor, "3"]
) -> FitData:
    """The picture and its mirror image by one camera, every view by its own."""
    pictures = [portrait.frames, *(view.frames for view in further)]
    points = [*portrait.landmarks.points, *(view.points for view in further)]
    side = portrait.frames.images.shape[1]
    tracks = [tracked, *(view.tracked for view in further)]
    names = [field.name for field in fields(HeadMotion) if field.name != "fps"]
    cameras = Camera(
        torch.cat([track.camera.world_to_camera for track in tracks]), torch.cat([track.camera.intrinsics for track in tracks]), side, side
    )
    return FitData(
        head,
        replace(tracked.motion, **{name: torch.cat([getattr(track.motion, name) for track in tracks]) for name in names}),
        torch.cat([over_flat_background(each, clean_plate(each), background) for each in pictures]),
        torch.cat([each.mattes for each in pictures]),
        cameras,
        torch.tensor([0, 0, *range(1, len(tracks))]),
        [feature_boxes(each, side, side) for each in points],
        [0] * _ORIGINAL_PER_MIRRORED + list(range(1, len(points))),
        mouth_is_shut=mouth_is_shut(torch.stack(points)).tolist(),
    )


def read_portrait(
    image: UInt8[Tensor, "H W 3"],
    *,
    name: str = "the picture",
    size: int = 512,
    detector: FaceDetector | None = None,
    segmenter: Segmenter | None = None,
) -> Portrait:
    """Crop a picture around the largest face and mirror it; messages call it by `name`.

    Raises:
        InputError: no face, or one that is too small.
    """
    with opened(detector, most=3) as find:
        faces = [steadied(image, face, find) for face in find(image)]
    if not faces:
        flaw = flaw_of_picture(*look_of_picture(image))
        reason = f", it is {flaw[0]}; {flaw[1]}" if flaw else "; give one that shows a face from the front"
        raise InputError(f"{name}: no face was found in it{reason}")
    face = max(faces, key=lambda found: (found.box[2] - found.box[0]) * (found.box[3] - found.box[1]))
    if face.box[3] - face.box[1] < 64:
        raise InputError(
            f"{name}: the face is only {face.box[3] - face.box[1]:.0f} pixels high; give a picture in which it has at least 64, better 200"
        )
    box, side = crop_around(stacked([face]), (image.shape[0], image.shape[1]), size)
    picture = resized(image[box[1] : box[1] + box[2], box[0] : box[0] + box[2]], side)
    matte = (segmenter or SelfieSegmenter())(picture)
    points = (face.points - torch.tensor(box[:2], dtype=torch.float32)) * (side / box[2])
    mirror = load_au_decoder().mirror
    mirrored = torch.stack([side - points[mirror, 0], points[mirror, 1]], 1)
    swapped = torch.tensor([RIG_INDEX[other_side(name)] for name in RIG_NAMES])
    camera = level_camera(box, side, (image.shape[0], image.shape[1]))
    # The mirror image is seen by the mirrored camera; a level one before the picture's middle is its own mirror image.
    camera = replace(camera, intrinsics=camera.intrinsics.clone())
    camera.intrinsics[:, 0, 2] = side / 2
    frames = FrameSet(
        _FPS,
        torch.stack([picture, picture.flip(1)]),
        torch.stack([matte, matte.flip(1)]),
        torch.arange(2),
        torch.zeros(2, dtype=torch.bool),
    )
    both = [Face(points, face.scores), Face(mirrored, face.scores[swapped])]
    return Portrait(frames, stacked(both), camera)


def follow_portrait(portrait: Portrait, head: HeadModel) -> TrackedSequence:
    """Identity, camera and pose of a picture and its mirror image; its expression is what the landmarker scores.

    The expression is taken off the landmarks before the identity is sought, or a smiling picture would give a head that smiles at rest.
    """
    points = landmark_points(head)
    rest = points(head.identity(), HeadMotion.neutral(1, _FPS))[0]
    still = _without_expression(portrait, head)
    landmarks = FaceLandmarks(still, torch.zeros_like(portrait.landmarks.scores))
    tracked = track(
        landmarks,
        points,
        fps=_FPS,
        camera=portrait.camera,
        offset_basis=smooth_offset_basis(head.neutral, rest),
        n_shape=head.n_shape,
        training=torch.ones(2, dtype=torch.bool),
        config=FOR_AVATARS,
    )
    tracked = replace(tracked, motion=replace(tracked.motion, rig=expression(portrait.landmarks.scores)))
    return replace(tracked, identity=carve_scalp(head, tracked, portrait.frames))


def _without_expression(portrait: Portrait, head: HeadModel) -> Float[Tensor, "T 478 2"]:
    """Where the landmarks of the picture and its mirror image would be at rest."""
    points, seen = landmark_points(head), portrait.landmarks.points
    rig, posed, mean = expression(portrait.landmarks.scores), HeadMotion.neutral(2, _FPS), head.identity()
    rest = points(mean, posed)[0]
    moved = points(mean, replace(posed, rig=rig)) - rest
    scale = (seen[:, 33] - seen[:, 263]).norm(dim=1) / (rest[33] - rest[263])[:2].norm()
    return seen - scale[:, None, None] * moved[..., :2] * torch.tensor([1.0, -1.0])


def _with_borrowed_colors(avatar: GaussianAvatar, layout: Layout, head: HeadModel, shown: Bool[Tensor, " N"]) -> GaussianAvatar:
    """Gaussians that no picture shows take the colour of the nearest shown one of the same part, on either side of the face."""
    rest = head(avatar.identity, HeadMotion.neutral(1, _FPS)).vertices[0]
    place = (rest[head.triangles[avatar.triangle]] * avatar.barycentric[..., None]).sum(1)
    place = torch.cat([place[:, :1].abs(), place[:, 1:]], 1) * _WEIGHTS_OF_PLACE
    sh = avatar.sh.clone()
    for number, plan in enumerate(PLANS):
        here = layout.plan == number
        known, unknown = torch.nonzero(here & shown)[:, 0], torch.nonzero(here & ~shown)[:, 0]
        if plan.color is not None or len(known) == 0 or len(unknown) == 0:
            continue
        for part in unknown.split(500):
            nearest = torch.cdist(place[part], place[known]).topk(min(8, len(known)), largest=False).indices
            sh[part] = sh[known[nearest]].median(1).values
    return replace(avatar, sh=sh.clamp(-0.5 / SH_C0, 0.5 / SH_C0))


def _shown(
    avatar: GaussianAvatar, layout: Layout, head: HeadModel, rasterizer: Rasterizer, tracked: TrackedSequence, frames: FrameSet
) -> Bool[Tensor, " N"]:
    """Which Gaussians face the camera in a picture, on a pixel that is the person's, and are not hidden by others."""
    world_to_camera = tracked.camera.world_to_camera[0]
    eye = -world_to_camera[:3, :3].T @ world_to_camera[:3, 3]
    corners = head(avatar.identity, tracked.motion).vertices[:, head.triangles[avatar.triangle]]
    normal = torch.linalg.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    place = (corners * avatar.barycentric[..., None]).sum(2)
    facing = torch.nn.functional.cosine_similarity(normal, eye - place, dim=-1) > _SEEN
    column, row = project(place, tracked.camera).long().unbind(-1)
    side = frames.mattes.shape[1]
    picture = torch.arange(frames.n_frames)[:, None]
    covered = frames.mattes[picture, row.clamp(0, side - 1), column.clamp(0, side - 1)] > _CERTAIN
    seen = torch.stack([_pixels_of(avatar, head, rasterizer, tracked, number) for number in range(frames.n_frames)]) > _SEEN_PIXELS
    return (facing & covered & seen).any(0) | layout.is_loose


def _pixels_of(
    avatar: GaussianAvatar, head: HeadModel, rasterizer: Rasterizer, tracked: TrackedSequence, frame: int
) -> Float[Tensor, " N"]:
    """How many pixels each Gaussian makes up in a frame: the derivative of the picture's sum by its brightness."""
    grey = torch.zeros_like(avatar.sh).requires_grad_(True)
    motion = tracked.motion.frames(frame, frame + 1)
    splats = replace(avatar, sh=grey).pose(head(avatar.identity, motion), motion).frame(0)
    rasterizer(splats, tracked.camera, background=avatar.background).rgb.sum().backward()
    assert grey.grad is not None
    return grey.grad[:, 0].mean(1) / SH_C0


def _beside_the_person(avatar: GaussianAvatar, head: HeadModel, tracked: TrackedSequence, frames: FrameSet) -> Bool[Tensor, " N"]:
    """Gaussians on background pixels of the picture itself: nothing is there that could hide them, so they are not there."""
    vertices = head(avatar.identity, tracked.motion.frames(0, 1)).vertices[0]
    place = (vertices[head.triangles[avatar.triangle]] * avatar.barycentric[..., None]).sum(1)
    column, row = project(place[None], tracked.camera)[0].long().unbind(-1)
    side = frames.mattes.shape[1]
    inside = (column >= 0) & (row >= 0) & (column < side) & (row < side)
    return inside & (frames.mattes[0, row.clamp(0, side - 1), column.clamp(0, side - 1)] < _ABSENT)


assert len(RIG_NAMES) == N_RIG
