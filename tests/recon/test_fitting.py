"""The fit on a tiny clip: it improves, keeps its limits, and goes on from a checkpoint as if never stopped."""

from dataclasses import fields, replace

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.head.generic import load_generic
from emohead.raster.cpu import CpuRasterizer
from emohead.types import Camera, HeadMotion
from recon.appearance import N_LATENTS, correction_directions
from recon.calibration import Calibration
from recon.extra_losses import ExtraLosses
from recon.fitting import FitConfig, FitData, Fitted, fit
from recon.initialise import PLANS, Layout, initial_avatar
from recon.types import FrameSet, TrackedSequence

SIZE, N_FRAMES = 64, 4
CONFIG = FitConfig(steps=90, final_rate=0.4, checkpoint_seconds=0.0)


@pytest.fixture(scope="module")
def head():
    return load_generic()


@pytest.fixture(scope="module")
def tracked(head) -> TrackedSequence:
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[:3, 3] = torch.tensor([0.0, -0.02, 0.9])
    intrinsics = torch.tensor([[150.0, 0.0, 32.0], [0.0, 150.0, 32.0], [0.0, 0.0, 1.0]])
    motion = HeadMotion.neutral(N_FRAMES, 25.0)
    motion.rig[:, RIG_INDEX["jawOpen"]] = torch.linspace(0, 0.8, N_FRAMES)
    camera = Camera(world_to_camera[None], intrinsics[None], SIZE, SIZE)
    return TrackedSequence(25.0, camera, head.identity(), motion, torch.ones(N_FRAMES))


@pytest.fixture(scope="module")
def start(head, tracked):
    """A first guess from pictures of one skin tone, and a clip to fit: the same head, its colours depending on height and frame."""
    plain = FrameSet(
        25.0,
        torch.full((N_FRAMES, SIZE, SIZE, 3), 150, dtype=torch.uint8),
        torch.full((N_FRAMES, SIZE, SIZE), 255, dtype=torch.uint8),
        torch.arange(N_FRAMES),
        torch.zeros(N_FRAMES, dtype=torch.bool),
    )
    background = torch.tensor([0.8, 0.8, 0.8])
    avatar, layout = initial_avatar("tiny", head, tracked, plain, background=background, generator=torch.Generator().manual_seed(0))
    few = torch.arange(0, avatar.n_gaussians, 20)
    per_gaussian = ("triangle", "barycentric", "rest_size", "offsets", "quats", "log_scales", "opacity_logits", "sh")
    avatar = replace(avatar, **{name: getattr(avatar, name)[few] for name in per_gaussian})
    avatar = replace(avatar, corrections=correction_directions(tracked.motion, len(few)), log_scales=avatar.log_scales + 1.3)
    layout = Layout(*(getattr(layout, field.name)[few] for field in fields(layout)))
    return avatar, layout


@pytest.fixture(scope="module")
def data(head, tracked, start) -> FitData:
    avatar, _ = start
    meshes = head(tracked.identity, tracked.motion)
    height = meshes.vertices[0][meshes.triangles[avatar.triangle, 0]][:, 1]
    truth = replace(avatar, sh=avatar.sh + 3.0 * height[:, None, None] + torch.tensor([0.3, 0.0, -0.3]))
    truth.corrections.colors[0] = 0.3  # the jaw's latent reddens everything
    splats, images, mattes = truth.pose(meshes, tracked.motion), [], []
    for frame in range(N_FRAMES):
        drawn = CpuRasterizer(n_threads=1)(splats.frame(frame), avatar.camera, background=avatar.background)
        images.append(drawn.rgb[0].clamp(0, 1))
        mattes.append(drawn.alpha[0])
    truth.corrections.colors[0] = 0.0
    box = ((slice(20, 30), slice(20, 44)), (slice(40, 50), slice(24, 40)))
    to_bytes = [(torch.stack(pictures) * 255).round().to(torch.uint8) for pictures in (images, mattes)]
    which = torch.zeros(N_FRAMES, dtype=torch.long)
    return FitData(head, tracked.motion, *to_bytes, tracked.camera, which, [box] * N_FRAMES, list(range(N_FRAMES)))


def _error(fitted: Fitted, data: FitData) -> float:
    avatar, motion = fitted.avatar, fitted.calibration(data.motion)
    splats = avatar.pose(data.head(avatar.identity, motion), motion)
    pictures = [CpuRasterizer(n_threads=1)(splats.frame(i), avatar.camera, background=avatar.background).rgb[0] for i in range(N_FRAMES)]
    return float((torch.stack(pictures) - data.images / 255.0).abs().mean())


def test_the_error_falls_and_limits_hold(start, data):
    avatar, layout = start
    result = fit(avatar, layout, data, CpuRasterizer(n_threads=1), config=CONFIG)
    assert _error(result, data) < 0.5 * _error(Fitted(avatar, Calibration.none(), 0), data)
    fitted = result.avatar
    assert ((fitted.offsets - layout.start).norm(dim=1) <= layout.freedom * 1.001).all()
    scales = fitted.log_scales.exp().sort(dim=1).values
    assert (scales[:, 2] / scales[:, 1]).max() < CONFIG.limits.max_aspect * 1.001
    assert scales.max() <= CONFIG.limits.max_scale * 1.001
    assert (fitted.opacity_logits >= layout.min_logit - 1e-5).all()
    assert not fitted.offsets.requires_grad
    fixed = layout.color_is_fixed
    assert fixed.any() and torch.equal(fitted.sh[fixed], avatar.sh[fixed])


@pytest.mark.parametrize("extra", [ExtraLosses(), ExtraLosses(au_consistency=0.05, adversarial=0.02)])
def test_a_stopped_fit_goes_on_as_if_it_had_not_stopped(start, data, tmp_path, extra):
    avatar, layout = start
    path, config = tmp_path / "fit.safetensors", replace(CONFIG, extra=extra)
    whole = fit(avatar, layout, data, CpuRasterizer(n_threads=1), config=config)

    class Stopped(Exception):
        pass

    def stop(state: Fitted) -> None:
        if state.step == 47:
            raise Stopped

    with pytest.raises(Stopped):
        fit(avatar, layout, data, CpuRasterizer(n_threads=1), config=config, checkpoint=path, watch=stop)
    resumed = fit(avatar, layout, data, CpuRasterizer(n_threads=1), config=config, checkpoint=path)
    assert torch.equal(whole.avatar.sh, resumed.avatar.sh)
    assert torch.equal(whole.avatar.corrections.means, resumed.avatar.corrections.means)


def test_latents_are_zero_at_rest_and_clamped_to_the_clip(tracked):
    corrections = correction_directions(tracked.motion, 5)
    assert corrections.low.shape[0] == N_LATENTS
    assert corrections.latents(HeadMotion.neutral(1, 25.0)).abs().max() == 0
    wild = HeadMotion.neutral(1, 25.0)
    wild.rig[:] = 1.0
    assert torch.isclose(corrections.latents(wild)[0, 0], torch.tensor(0.8))  # jawOpen never passed 0.8 in the clip
    assert corrections.latents(wild)[0, 1:].abs().max() == 0


def test_every_part_of_the_head_gets_gaussians(head, start):
    _, layout = start
    counts = torch.bincount(layout.plan, minlength=len(PLANS))
    empty = [plan.prefix for plan, count in zip(PLANS, counts.tolist(), strict=True) if count == 0]
    assert not empty
