"""Fit an avatar's Gaussians to the training frames of a tracked clip by gradient descent through the rasterizer."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from jaxtyping import UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor

from emohead.avatar.corrections import N_FEATURES, motion_features
from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.channels import N_RIG
from emohead.raster.base import Rasterizer
from emohead.types import HeadMesh, HeadMotion
from recon.appearance import correction_directions
from recon.initialise import Layout
from recon.losses import l1_ssim

log = logging.getLogger(__name__)

RATES = {
    "offsets": 6e-5, "quats": 3e-3, "log_scales": 6e-3, "opacity_logits": 2e-2, "sh": 2e-2,
    "means": 1.5e-5, "colors": 4e-3, "opacities": 4e-3,
}  # fmt: skip
"""Adam's step sizes: metres, logarithms, logits, SH coefficients. The last three belong to the corrections."""
_FEATURE_WEIGHTS = torch.cat([torch.ones(N_RIG), torch.full((N_FEATURES - N_RIG,), 2.0)])
_CORRECTIONS = ("means", "colors", "opacities")


@dataclass(frozen=True)
class FitConfig:
    """Settings of the fit."""

    steps: int = 9000
    """Training steps, one frame each."""
    coarse_share: float = 0.45
    """Share of the steps drawn at half size first."""
    alpha_weight: float = 0.1
    """Weight of the mean absolute error of the coverage."""
    region_weight: float = 0.15
    """Weight of the mean absolute colour error inside each of the eye and mouth boxes."""
    final_rate: float = 0.05
    """Step size at the end, relative to the start."""
    max_scale: float = 7e-3
    """Largest standard deviation, metres."""
    min_scale: float = 1.5e-4
    """Smallest standard deviation, metres."""
    max_aspect: float = 6.0
    """Largest ratio of the two larger standard deviations: longer Gaussians show as needles from untrained directions."""
    max_color_correction: float = 1.2
    """Largest correction of an SH coefficient per latent."""
    max_opacity_correction: float = 4.0
    """Largest correction of an opacity logit per latent."""
    correction_decay: float = 2e-4
    """Share by which the corrections shrink per step at full rate: what no frame asks for disappears."""
    likeness: float = 0.35
    """Distance in motion features below which two frames count as alike (1 = a full rig channel or half a radian of head turn)."""
    checkpoint_seconds: float = 60.0
    """How often the state is saved."""
    seed: int = 0
    """Order of the frames."""


@dataclass(frozen=True)
class FitData:
    """What the fit looks at, every tensor over all frames of the clip."""

    meshes: HeadMesh
    """The tracked mesh."""
    motion: HeadMotion
    """The tracked motion."""
    images: UInt8[Tensor, "T H W 3"]
    """The person over the flat background."""
    mattes: UInt8[Tensor, "T H W"]
    """Coverage."""
    regions: list[tuple[tuple[slice, slice], ...]]
    """Boxes (rows, columns) of eyes and mouth in every frame."""
    training: list[int]
    """Frames that may be looked at."""


def fit(
    avatar: GaussianAvatar,
    layout: Layout,
    data: FitData,
    rasterizer: Rasterizer,
    *,
    config: FitConfig | None = None,
    checkpoint: Path | None = None,
    watch: Callable[[int, GaussianAvatar], None] | None = None,
) -> GaussianAvatar:
    """Minimise colour, coverage and region error over the training frames.

    Args:
        avatar: the first guess.
        layout: limits of its Gaussians.
        data: frames, mattes, tracked meshes.
        rasterizer: differentiable.
        config: settings.
        checkpoint: file of the running state; if it exists, the fit goes on from it.
        watch: called with (step, avatar) at every checkpoint.

    Returns:
        The fitted avatar.
    """
    config = config or FitConfig()
    trained = _Trained(avatar, layout, data, config)
    step = trained.resume(checkpoint) if checkpoint else 0
    order = _frame_order(data, config, skip=step)
    pyramid = {1: (data.images, data.mattes), 2: (_halved(data.images), _halved(data.mattes[..., None])[..., 0])}
    saved, losses = time.monotonic(), []
    while step < config.steps:
        shrink = 2 if step < config.coarse_share * config.steps else 1
        frame = next(order)
        images, mattes = pyramid[shrink]
        loss = _loss(
            trained.avatar(), data, frame, images[frame], mattes[frame], shrink, rasterizer, config, _background(avatar, step, config)
        )
        loss.backward()
        trained.update(_rate(step, config))
        losses.append(loss.detach())
        step += 1
        if time.monotonic() - saved > config.checkpoint_seconds or step == config.steps:
            log.info("step %d of %d: loss %.5f", step, config.steps, float(torch.stack(losses).mean()))
            saved, losses = time.monotonic(), []
            if checkpoint:
                trained.save(checkpoint, step)
            if watch:
                watch(step, trained.avatar(detached=True))
    return trained.avatar(detached=True)


def _loss(
    avatar: GaussianAvatar,
    data: FitData,
    frame: int,
    image: Tensor,
    matte: Tensor,
    shrink: int,
    rasterizer: Rasterizer,
    config: FitConfig,
    background: Tensor,
) -> Tensor:
    mesh = HeadMesh(data.meshes.vertices[frame : frame + 1], data.meshes.triangles)
    splats = avatar.pose(mesh, data.motion.frames(frame, frame + 1)).frame(0)
    camera = avatar.camera.resized(image.shape[1], image.shape[0])
    rendered = rasterizer(splats, camera, background=background)
    uncovered = 1.0 - matte.float() / 255.0
    target = image.float() / 255.0 + uncovered[..., None] * (background - avatar.background)
    rgb = rendered.rgb[0]
    loss = l1_ssim(rgb, target) + config.alpha_weight * (rendered.alpha[0] + uncovered - 1.0).abs().mean()
    for rows, columns in data.regions[frame]:
        box = slice(rows.start // shrink, rows.stop // shrink), slice(columns.start // shrink, columns.stop // shrink)
        loss = loss + config.region_weight * (rgb[box] - target[box]).abs().mean()
    return loss


class _Trained:
    """The trained tensors, their optimiser and their limits; lives for one `fit` call."""

    def __init__(self, avatar: GaussianAvatar, layout: Layout, data: FitData, config: FitConfig):
        corrections = correction_directions(_frames(data.motion, data.training), avatar.n_gaussians)
        self.template = replace(avatar, corrections=corrections)
        self.layout, self.config = layout, config
        sources = {name: corrections if name in _CORRECTIONS else avatar for name in RATES}
        self.tensors = {name: getattr(source, name).clone().requires_grad_(True) for name, source in sources.items()}
        groups = [{"params": [tensor], "lr": RATES[name], "name": name} for name, tensor in self.tensors.items()]
        # Gradients of a mean over pixels are about 1e-8: Adam's default epsilon would freeze them.
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)

    def avatar(self, *, detached: bool = False) -> GaussianAvatar:
        values = {name: tensor.detach().clone() if detached else tensor for name, tensor in self.tensors.items()}
        own = {name: tensor for name, tensor in values.items() if name not in _CORRECTIONS}
        changes = {name: values[name] for name in _CORRECTIONS}
        return replace(self.template, **own, corrections=replace(self.template.corrections, **changes))

    def update(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = RATES[group["name"]] * rate
        fixed = self.layout.color_is_fixed
        for name, kept in (("sh", fixed), ("colors", (slice(None), fixed))):
            gradient = self.tensors[name].grad
            if gradient is not None:
                gradient[kept] = 0.0
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._limit(rate)

    @torch.no_grad()
    def _limit(self, rate: float) -> None:
        config, layout, tensors = self.config, self.layout, self.tensors
        moved = tensors["offsets"] - layout.start
        tensors["offsets"].sub_(moved * (1 - layout.freedom / moved.norm(dim=-1).clamp_min(1e-9)).clamp_min(0)[:, None])
        scales = tensors["log_scales"].clamp_(math.log(config.min_scale), math.log(config.max_scale))
        floor = scales.sort(dim=1).values[:, 1:2] + math.log(config.max_aspect)
        torch.minimum(scales, floor, out=scales)
        torch.maximum(tensors["opacity_logits"], layout.min_logit, out=tensors["opacity_logits"])
        for name in _CORRECTIONS:
            tensors[name].mul_(1 - config.correction_decay * rate)
        freedom = layout.correction_freedom[None, :, None]
        torch.maximum(torch.minimum(tensors["means"], freedom), -freedom, out=tensors["means"])
        tensors["colors"].clamp_(-config.max_color_correction, config.max_color_correction)
        tensors["opacities"].clamp_(-config.max_opacity_correction, config.max_opacity_correction)

    def save(self, path: Path, step: int) -> None:
        state = {name: tensor.detach() for name, tensor in self.tensors.items()}
        for name, tensor in self.tensors.items():
            for key in ("exp_avg", "exp_avg_sq", "step"):
                state[f"{name}.{key}"] = self.optimizer.state[tensor][key]
        partial = path.with_suffix(".partial")
        save_file({**state, "fit_step": torch.tensor(step)}, partial)
        partial.replace(path)

    def resume(self, path: Path) -> int:
        """Load a saved state; returns its step, 0 if there is none."""
        if not path.is_file():
            return 0
        state = load_file(path)
        for name, tensor in self.tensors.items():
            tensor.data.copy_(state[name])
            self.optimizer.state[tensor] = {key: state[f"{name}.{key}"] for key in ("exp_avg", "exp_avg_sq", "step")}
        return int(state["fit_step"])


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


def _frame_order(data: FitData, config: FitConfig, *, skip: int) -> Iterator[int]:
    """Training frames in random rounds; rare poses come more often than the many frames that look alike."""
    features = motion_features(_frames(data.motion, data.training)) * _FEATURE_WEIGHTS
    neighbours = torch.exp(-torch.cdist(features, features).square() / config.likeness**2).sum(1)
    shares = neighbours.rsqrt() / neighbours.rsqrt().mean()
    generator = torch.Generator().manual_seed(config.seed)
    count = 0
    while True:
        # Systematic resampling: a frame of share s comes floor(s) or ceil(s) times in a round.
        ticks = torch.arange(len(data.training)) + torch.rand((), generator=generator)
        chosen = torch.searchsorted(shares.cumsum(0), ticks).clamp_max(len(data.training) - 1)
        for index in chosen[torch.randperm(len(data.training), generator=generator)].tolist():
            if count >= skip:
                yield data.training[index]
            count += 1


def _frames(motion: HeadMotion, frames: list[int]) -> HeadMotion:
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
