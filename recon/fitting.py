"""Fit an avatar's Gaussians to the training pictures of a tracked clip by gradient descent through the rasterizer."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from emohead.avatar.corrections import N_FEATURES, motion_features
from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.channels import N_RIG
from emohead.head.base import HeadModel
from emohead.raster.base import Rasterizer
from emohead.types import Camera, HeadMotion
from recon.extra_losses import ExtraLosses, Moment, face_box, loss_terms, resume_terms, states
from recon.initialise import Layout
from recon.losses import l1_ssim
from recon.occlusion import BLOCK, block_error, hidden_blocks, to_pixels
from recon.trained import Fitted, Limits, Trained

log = logging.getLogger(__name__)

_REPORT_EVERY = 20

_FEATURE_WEIGHTS = torch.cat([torch.ones(N_RIG), torch.full((N_FEATURES - N_RIG,), 2.0)])


@dataclass(frozen=True)
class FitConfig:
    """Settings of the fit."""

    steps: int = 9000
    """Training steps, one picture each."""
    coarse_share: float = 0.45
    """Share of the steps drawn at half size first."""
    alpha_weight: float = 0.1
    """Weight of the mean absolute error of the coverage."""
    region_weight: float = 0.15
    """Weight of the mean absolute colour error inside each of the eye and mouth boxes."""
    final_rate: float = 0.05
    """Step size at the end, relative to the start."""
    relocate_every: int = 250
    """Steps between relocations of Gaussians that show nothing."""
    relocate_until: float = 0.7
    """Share of the steps after which they stay."""
    judge_every: float = 0.1
    """Share of the steps between looks at the validation pictures, in the second half of the fit."""
    calibrate_every: int = 3
    """The motion learns from every so many-th step: its gradient costs a third of a step."""
    likeness: float = 0.35
    """Distance in motion features below which two pictures count as alike (1 = a full rig channel or half a radian of head turn)."""
    limits: Limits = field(default_factory=Limits)
    """Bounds of the trained tensors."""
    extra: ExtraLosses = field(default_factory=ExtraLosses)
    """Further losses, all off but what is said there."""
    checkpoint_seconds: float = 60.0
    """How often the state is saved."""
    seed: int = 0
    """Order of the pictures."""


@dataclass(frozen=True)
class FitData:
    """What the fit looks at, every tensor over the pictures of the clip."""

    head: HeadModel
    """The model the clip was tracked with."""
    motion: HeadMotion
    """The tracked motion of every picture."""
    images: UInt8[Tensor, "T H W 3"]
    """The person over the flat background."""
    mattes: UInt8[Tensor, "T H W"]
    """Coverage."""
    cameras: Camera
    """The filming cameras."""
    camera_of: Int[Tensor, " T"]
    """Which of them took each picture."""
    regions: list[tuple[tuple[slice, slice], ...]]
    """Boxes (rows, columns) of eyes and mouth in every picture."""
    training: list[int]
    """Pictures that train."""
    validation: list[int] = field(default_factory=list)
    """Pictures that train nothing but tell when to stop."""
    mouth_is_shut: list[bool] = field(default_factory=list)
    """Whether the lips hide the inside of the mouth in each picture; empty where that is not known."""

    def camera(self, picture: int) -> Camera:
        """The camera of one picture."""
        which = int(self.camera_of[picture])
        one = slice(which, which + 1)
        return replace(self.cameras, world_to_camera=self.cameras.world_to_camera[one], intrinsics=self.cameras.intrinsics[one])


def fit(
    avatar: GaussianAvatar,
    layout: Layout,
    data: FitData,
    rasterizer: Rasterizer,
    *,
    config: FitConfig | None = None,
    checkpoint: Path | None = None,
    watch: Callable[[Fitted], None] | None = None,
    report: Callable[[int, float], None] | None = None,
) -> Fitted:
    """Minimise colour, coverage and region error over the training pictures.

    Args:
        avatar: the first guess.
        layout: limits of its Gaussians.
        data: pictures, mattes, tracked motion.
        rasterizer: differentiable.
        config: settings.
        checkpoint: file of the running state; if it exists, the fit goes on from it.
        watch: called with the state at every checkpoint.
        report: called with (step, loss) now and then.
    """
    config = config or FitConfig()
    run = _Run(avatar, layout, data, rasterizer, config)
    if checkpoint and checkpoint.is_file():
        run.resume(checkpoint)
    trained = run.trained
    order = _picture_order(data, config, skip=trained.steps)
    saved, losses = time.monotonic(), []
    while trained.steps < config.steps:
        losses.append(run.step(next(order)))
        if report and trained.steps % _REPORT_EVERY == 0:
            report(trained.steps, float(torch.stack(losses[-_REPORT_EVERY:]).mean()))
        if time.monotonic() - saved > config.checkpoint_seconds or trained.steps == config.steps:
            log.info("step %d of %d: loss %.5f", trained.steps, config.steps, float(torch.stack(losses).mean()))
            if checkpoint:
                run.save(checkpoint)
            if watch:
                watch(_state(trained))
            saved, losses = time.monotonic(), []
    return run.best()


class _Run:
    """One fit: what is trained, what it is trained on, and what was seen on the way."""

    def __init__(self, avatar: GaussianAvatar, layout: Layout, data: FitData, rasterizer: Rasterizer, config: FitConfig):
        self.data, self.rasterizer, self.config = data, rasterizer, config
        self.trained = Trained(avatar, layout, data.head, frames_of(data.motion, data.training), config.limits)
        self.pyramid = {1: (data.images, data.mattes), 2: (_halved(data.images), _halved(data.mattes[..., None])[..., 0])}
        count, height, width = data.mattes.shape
        self.errors = torch.full((count, height // 2 // BLOCK, width // 2 // BLOCK), torch.nan)
        self.hidden = torch.zeros(self.errors.shape, dtype=torch.bool)
        self.best_error = torch.tensor(torch.inf)
        self.best_state: dict[str, Tensor] = {}
        self.terms = loss_terms(config.extra, data.head, avatar.identity, data.motion, seed=config.seed)

    def step(self, picture: int) -> Tensor:
        """Train on one picture; returns the loss."""
        trained, config, step = self.trained, self.config, self.trained.steps
        loss = self._loss(picture)
        loss.backward()
        for term in self.terms:
            term.update()
        trained.update(_rate(step, config), mouth_is_shut=bool(self.data.mouth_is_shut) and self.data.mouth_is_shut[picture])
        if trained.steps == round(config.coarse_share * config.steps):
            self.hidden = hidden_blocks(self.errors)
        share = trained.steps / config.steps
        if trained.steps % config.relocate_every == 0 and 0.1 < share < config.relocate_until:
            moved = trained.relocate(torch.Generator().manual_seed(config.seed * 1_000_003 + trained.steps))
            log.info("step %d: %d Gaussians moved", trained.steps, moved)
        if share == 1.0:
            trained.limit()
        if self.data.validation and share > 0.5 and trained.steps % max(1, round(config.judge_every * config.steps)) == 0:
            self._judge()
        return loss.detach()

    def best(self) -> Fitted:
        """The state that explained the validation pictures best; the last one if there are none."""
        if not self.best_state:
            return _state(self.trained)
        return self.trained.snapshot(self.best_state)

    def save(self, path: Path) -> None:
        """Keep everything for `resume`."""
        best = {f"best.{name}": tensor for name, tensor in self.best_state.items()}
        self.trained.save(path, {"errors": self.errors, "hidden": self.hidden, "best_error": self.best_error, **best, **states(self.terms)})

    def resume(self, path: Path) -> None:
        """Go on from a saved state."""
        extra = self.trained.resume(path)
        resume_terms(self.terms, extra)
        self.errors, self.hidden, self.best_error = (extra.pop(name) for name in ("errors", "hidden", "best_error"))
        self.best_state = {name.removeprefix("best."): tensor for name, tensor in extra.items()}

    @torch.no_grad()
    def _judge(self) -> None:
        avatar, calibration = self.trained.avatar(), self.trained.calibration()
        errors = []
        for picture in self.data.validation:
            motion = calibration(self.data.motion.frames(picture, picture + 1))
            splats = avatar.pose(self.data.head(avatar.identity, motion), motion).frame(0)
            drawn = self.rasterizer(splats, self.data.camera(picture), background=avatar.background).rgb[0]
            errors.append(l1_ssim(drawn.clamp(0, 1), self.data.images[picture].float() / 255.0))
        error = torch.stack(errors).mean()
        log.info("step %d: validation %.5f", self.trained.steps, float(error))
        if error < self.best_error:
            self.best_error, self.best_state = error, self.trained.state()

    def _loss(self, picture: int) -> Tensor:
        trained, data, config, step = self.trained, self.data, self.config, self.trained.steps
        shrink = 2 if step < config.coarse_share * config.steps else 1
        image, matte = (pictures[picture] for pictures in self.pyramid[shrink])
        avatar = trained.avatar()
        background = _background(avatar, step, config)
        motion = data.motion.frames(picture, picture + 1)
        with torch.set_grad_enabled(step % config.calibrate_every == 0):
            motion = trained.calibration()(motion)
            mesh = data.head(avatar.identity, motion)
        splats = avatar.pose(mesh, motion).frame(0)
        camera = data.camera(picture).resized(image.shape[1], image.shape[0])
        rendered = self.rasterizer(splats, camera, background=background)
        uncovered = 1.0 - matte.float() / 255.0
        target = image.float() / 255.0 + uncovered[..., None] * (background - avatar.background)
        rgb = rendered.rgb[0]
        if shrink == 2:
            self.errors[picture] = block_error(rgb.detach(), target)
        elif bool(self.hidden[picture].any()):
            # What hides the person asks for nothing.
            hidden = to_pixels(self.hidden[picture], *matte.shape)[..., None]
            target = torch.where(hidden, rgb.detach(), target)
        loss = l1_ssim(rgb, target) + config.alpha_weight * (rendered.alpha[0] + uncovered - 1.0).abs().mean()
        boxes = [(_shrunk(rows, shrink), _shrunk(columns, shrink)) for rows, columns in data.regions[picture]]
        for box in boxes:
            loss = loss + config.region_weight * (rgb[box] - target[box]).abs().mean()
        moment = Moment(step, step / config.steps, picture, rgb, target, motion, face_box(boxes, *matte.shape))
        return loss + sum(term(moment) for term in self.terms)


def _shrunk(side: slice, by: int) -> slice:
    return slice(side.start // by, side.stop // by)


def _state(trained: Trained) -> Fitted:
    return trained.snapshot(trained.state())


def _background(avatar: GaussianAvatar, step: int, config: FitConfig) -> Tensor:
    """The avatar's own background and random ones in turn: Gaussians that imitate one background are found out by the next."""
    if step % 2 == 0:
        return avatar.background
    return torch.rand(3, generator=torch.Generator().manual_seed(config.seed * 1_000_003 + step))


def _rate(step: int, config: FitConfig) -> float:
    """Step size relative to the start: a short warm-up, then an exponential decay, halved again when the full size begins."""
    progress = step / config.steps
    drop = 1.0 if progress < config.coarse_share else 0.6
    return min(1.0, (step + 1) / 50) * drop * config.final_rate**progress


def _picture_order(data: FitData, config: FitConfig, *, skip: int) -> Iterator[int]:
    """Training pictures in random rounds; rare poses come more often than the many pictures that look alike."""
    features = motion_features(frames_of(data.motion, data.training)) * _FEATURE_WEIGHTS
    camera = data.camera_of[data.training]
    alike = torch.exp(-torch.cdist(features, features).square() / config.likeness**2) * (camera[:, None] == camera)
    neighbours = alike.sum(1)
    shares = neighbours.rsqrt() / neighbours.rsqrt().mean()
    generator = torch.Generator().manual_seed(config.seed)
    count = 0
    while True:
        # Systematic resampling: a picture of share s comes floor(s) or ceil(s) times in a round.
        ticks = torch.arange(len(data.training)) + torch.rand((), generator=generator)
        chosen = torch.searchsorted(shares.cumsum(0), ticks).clamp_max(len(data.training) - 1)
        for index in chosen[torch.randperm(len(data.training), generator=generator)].tolist():
            if count >= skip:
                yield data.training[index]
            count += 1


def frames_of(motion: HeadMotion, frames: list[int]) -> HeadMotion:
    """The motion at some frames only."""
    chosen = torch.tensor(frames)
    tensors = {field.name: getattr(motion, field.name)[chosen] for field in fields(motion) if field.name != "fps"}
    return replace(motion, **tensors)


def _halved(images: Tensor) -> Tensor:
    """Half the size by 2x2 means."""
    halved = images.new_empty(images.shape[0], images.shape[1] // 2, images.shape[2] // 2, images.shape[3])
    for image, small in zip(images, halved, strict=True):
        blocks = image.unflatten(0, (-1, 2)).unflatten(2, (-1, 2))
        small.copy_(blocks.float().mean((1, 3)).round())
    return halved
