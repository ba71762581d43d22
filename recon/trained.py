"""What a fit changes: the avatar's tensors, the torso's velocities and the tracker's calibration, with optimiser, limits and checkpoint."""

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from jaxtyping import Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.head.base import HeadModel
from emohead.output import whole_file
from emohead.types import HeadMotion
from recon.appearance import POSE_LATENTS, correction_directions
from recon.body import rigid_basis
from recon.calibration import Calibration
from recon.initialise import Layout
from recon.relocation import choose_moves, split

RATES = {
    "offsets": 6e-5, "quats": 3e-3, "log_scales": 6e-3, "opacity_logits": 2e-2, "sh": 2e-2,
    "means": 1.5e-5, "colors": 4e-3, "opacities": 4e-3, "body": 2e-2, "calibration": 2e-2,
}  # fmt: skip
"""Adam's step sizes: metres, logarithms, logits, SH coefficients; then the corrections', the body's and the calibration's."""
_CORRECTIONS = ("means", "colors", "opacities")
_SHARED = ("body", "calibration")
_ADAM = ("exp_avg", "exp_avg_sq", "step")
_LIMIT_EVERY = 4
"""Limits are checked after so many steps: they cost as much as the optimiser."""


@dataclass(frozen=True)
class Limits:
    """Bounds that keep an avatar sound where no picture speaks."""

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
    """Share by which the corrections shrink per step at full rate: what no picture asks for disappears."""
    calibration_decay: float = 1e-3
    """The same for the calibration."""


@dataclass(frozen=True)
class Fitted:
    """What a fit gives, at any time."""

    avatar: GaussianAvatar
    """The avatar."""
    calibration: Calibration
    """What the pictures taught the tracker about this person."""
    step: int
    """Training steps done."""


class Trained:
    """The trained tensors of one `fit` call."""

    def __init__(self, avatar: GaussianAvatar, layout: Layout, head: HeadModel, training: HeadMotion, limits: Limits):
        corrections = correction_directions(training, avatar.n_gaussians)
        self.template = replace(avatar, corrections=corrections)
        self.limits, self.steps = limits, 0
        self._first, self._first_layout, self._first_rigid = self.template, layout, rigid_basis(head, avatar)
        self.bind(torch.arange(avatar.n_gaussians))
        self.demand = torch.zeros(avatar.n_gaussians)
        self.tensors = {
            name: getattr(corrections if name in _CORRECTIONS else avatar, name).clone() for name in RATES if name not in _SHARED
        }
        self.tensors["body"] = torch.zeros(POSE_LATENTS.stop - POSE_LATENTS.start, 6)
        self.tensors["calibration"] = Calibration.none().weights
        groups = [{"params": [tensor.requires_grad_(True)], "lr": RATES[name], "name": name} for name, tensor in self.tensors.items()]
        # Gradients of a mean over pixels are about 1e-8: Adam's default epsilon would freeze them.
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)

    def bind(self, origin: Int[Tensor, " N"]) -> None:
        """Let every Gaussian ride where the Gaussian `origin` of the first guess rides, with its limits."""
        self.origin, first = origin, self._first
        self.template = replace(
            first, triangle=first.triangle[origin], barycentric=first.barycentric[origin], rest_size=first.rest_size[origin]
        )
        self.layout = Layout(*(getattr(self._first_layout, field.name)[origin] for field in fields(Layout)))
        self._rigid = self._first_rigid[origin]

    def avatar(self) -> GaussianAvatar:
        """The avatar as it is now, differentiable."""
        return self._avatar(self.template, self._rigid, self.tensors)

    def state(self) -> dict[str, Tensor]:
        """A copy of everything that makes the avatar and the calibration."""
        values = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
        return {**values, "origin": self.origin.clone(), "at": torch.tensor(self.steps)}

    def snapshot(self, state: dict[str, Tensor]) -> Fitted:
        """The avatar and the calibration of a `state`."""
        now = self.origin
        self.bind(state["origin"])
        avatar = self._avatar(self.template, self._rigid, state)
        self.bind(now)
        return Fitted(avatar, Calibration(state["calibration"]), int(state["at"]))

    @staticmethod
    def _avatar(template: GaussianAvatar, rigid: Tensor, values: dict[str, Tensor]) -> GaussianAvatar:
        own = {name: values[name] for name in RATES if name not in (*_CORRECTIONS, *_SHARED)}
        swing = torch.einsum("nck,zk->znc", rigid, values["body"])
        before, pose, after = values["means"].split((POSE_LATENTS.start, swing.shape[0], values["means"].shape[0] - POSE_LATENTS.stop))
        changes = {"means": torch.cat([before, pose + swing, after]), "colors": values["colors"], "opacities": values["opacities"]}
        return replace(template, **own, corrections=replace(template.corrections, **changes))

    def calibration(self) -> Calibration:
        """The tracker's calibration as it is now, differentiable."""
        return Calibration(self.tensors["calibration"])

    def update(self, rate: float, *, mouth_is_shut: bool = False) -> None:
        """One step of the optimiser at `rate` times the step sizes; a shut mouth teaches nothing about its inside."""
        for group in self.optimizer.param_groups:
            group["lr"] = RATES[group["name"]] * rate
        fixed = self.layout.color_is_fixed
        for name, kept in (("sh", fixed), ("colors", (slice(None), fixed))):
            gradient = self.tensors[name].grad
            if gradient is not None:
                gradient[kept] = 0.0
        if mouth_is_shut:
            self._forget_inside()
        asked = self.tensors["offsets"].grad
        if asked is not None:
            self.demand += asked.norm(dim=1)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        if self.steps % _LIMIT_EVERY == 0:
            self.limit(_LIMIT_EVERY * rate)

    def _forget_inside(self) -> None:
        inside = self.layout.inside_mouth
        for name, tensor in self.tensors.items():
            if name not in _SHARED and tensor.grad is not None:
                tensor.grad[(slice(None), inside) if name in _CORRECTIONS else inside] = 0.0

    @torch.no_grad()
    def limit(self, rate: float = 0.0) -> None:
        """Hold every tensor to its bounds, and let what no picture asks for shrink by `rate`."""
        limits, layout, tensors = self.limits, self.layout, self.tensors
        moved = tensors["offsets"] - layout.start
        tensors["offsets"].sub_(moved * (1 - layout.freedom / moved.norm(dim=-1).clamp_min(1e-9)).clamp_min(0)[:, None])
        scales = tensors["log_scales"].clamp_(math.log(limits.min_scale), math.log(limits.max_scale))
        floor = scales.sort(dim=1).values[:, 1:2] + math.log(limits.max_aspect)
        torch.minimum(scales, floor, out=scales)
        torch.maximum(tensors["opacity_logits"], layout.min_logit, out=tensors["opacity_logits"])
        for name in _CORRECTIONS:
            tensors[name].mul_(1 - limits.correction_decay * rate)
        tensors["calibration"].mul_(1 - limits.calibration_decay * rate)
        freedom = layout.correction_freedom[None, :, None]
        torch.maximum(torch.minimum(tensors["means"], freedom), -freedom, out=tensors["means"])
        tensors["colors"].clamp_(-limits.max_color_correction, limits.max_color_correction)
        tensors["opacities"].clamp_(-limits.max_opacity_correction, limits.max_opacity_correction)

    @torch.no_grad()
    def relocate(self, generator: torch.Generator) -> int:
        """Move Gaussians that show nothing to where the pictures ask for more; returns how many."""
        corrections = self.template.corrections
        reach = torch.maximum(corrections.high, -corrections.low)
        brightest = self.tensors["opacity_logits"] + (reach[:, None] * self.tensors["opacities"].abs()).amax(0)
        move = choose_moves(torch.sigmoid(brightest), self.demand, self.layout.may_move, generator)
        own = {name: tensor for name, tensor in self.tensors.items() if name not in _SHARED}
        split({name: tensor.data for name, tensor in own.items()}, move, generator)
        for name, tensor in own.items():
            for key in ("exp_avg", "exp_avg_sq"):
                moments = self.optimizer.state[tensor][key]
                moments[(slice(None), move.target) if name in _CORRECTIONS else move.target] = 0.0
        origin = self.origin.clone()
        origin[move.target] = origin[move.source]
        self.bind(origin)
        self.demand.zero_()
        self.limit()
        return len(move.source)

    def save(self, path: Path, extra: dict[str, Tensor]) -> None:
        """Write everything that `resume` needs and what the fit adds, whole or not at all."""
        state = {name: tensor.detach() for name, tensor in self.tensors.items()}
        for name, tensor in self.tensors.items():
            for key in _ADAM:
                if key in self.optimizer.state[tensor]:
                    state[f"{name}.{key}"] = self.optimizer.state[tensor][key]
        with whole_file(path) as partial:
            save_file({**state, **extra, "fit_step": torch.tensor(self.steps), "origin": self.origin, "demand": self.demand}, partial)

    def resume(self, path: Path) -> dict[str, Tensor]:
        """Go on from a saved state; returns what the fit had added."""
        state = load_file(path)
        self.bind(state.pop("origin"))
        self.demand, self.steps = state.pop("demand"), int(state.pop("fit_step"))
        for name, tensor in self.tensors.items():
            tensor.data.copy_(state.pop(name))
            self.optimizer.state[tensor] = {key: state.pop(f"{name}.{key}") for key in _ADAM if f"{name}.{key}" in state}
        return state
