"""Drawing motion from the diffusion: few DDIM steps, incremental guidance over sound and prompt per part of the face, windows that join.

Guidance: x = x(nothing) + a (x(sound) - x(nothing)) + p (x(sound, prompt) - x(sound)), each channel with the weights of its group
(incremental classifier-free guidance, Brooks et al. 2023, eq. 3, here on the clean motion).
"""

from dataclasses import dataclass, field, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from emohead.errors import InputError
from emohead.motion.asked import Asked
from emohead.motion.closures import parting_mm
from emohead.motion.denoiser import FRAMES_PER_TOKEN, Conditions
from emohead.motion.diffusion_model import DiffusionModel
from emohead.motion.envelopes import minimum_jerk
from emohead.motion.noise import N_LEVELS, noise_of_frames, schedule
from emohead.motion.pose import pose_of, posed, unposed, without_pose
from emohead.motion.vector import CHANNELS, GROUPS, group_of

FPS = 50.0
"""Frames per second of what is drawn."""
_FADE = 0.2
"""Seconds."""
_IN_SPEECH = 0.6
"""Share of what is asked of the opening of the lips that is followed while somebody speaks: the words need it."""
_SUDDEN = torch.tensor([group_of(name) == "mouth" or name == "blink" for name in CHANNELS])
_OPENING = torch.tensor([float(group_of(name) == "mouth" and abs(parting_mm(name)) > 1.0) for name in CHANNELS])


@dataclass(frozen=True)
class SamplingConfig:
    """How motion is drawn."""

    steps: int = 6
    """Denoising steps, 1..1000; 4 to 8 are enough."""
    sound: dict[str, float] = field(default_factory=lambda: dict.fromkeys(GROUPS, 1.0))
    """Guidance weight of the sound for each group; 1 is none (and faster than any other value)."""
    prompt: dict[str, float] = field(default_factory=lambda: dict.fromkeys(GROUPS, 1.0))
    """Guidance weight of prompt and emotion for each group."""
    diversity: float = 1.0
    """Spread of the initial noise, 0 (the same performance always) .. 1.5."""
    noise: dict[str, float] = field(default_factory=lambda: {"mouth": 0.25, "upper": 1.4, "head": 0.8, "gaze": 0.5, "blink": 1.4})
    """The same for each group and for blinks by themselves, multiplied with it: a voice leaves the mouth less freedom than brows; eyes
    with a freedom of their own do not stay on whom they look at when the head moves."""
    window: float = 8.0
    """Seconds drawn at once."""
    overlap: float = 1.0
    """Seconds of the window before that each window continues."""


def check_sampling(config: SamplingConfig) -> None:
    """Refuse settings that mean nothing.

    Raises:
        InputError: which, what was given, what to give.
    """
    if not 1 <= config.steps <= N_LEVELS:
        raise InputError(f"sampling steps must be 1..{N_LEVELS}, got {config.steps}")
    if not 0.0 <= config.diversity <= 1.5:
        raise InputError(f"diversity must be 0..1.5, got {config.diversity:g}")
    parts = {"sound": (config.sound, GROUPS), "prompt": (config.prompt, GROUPS), "noise": (config.noise, (*GROUPS, "blink"))}
    for name, (weights, wanted) in parts.items():
        if set(weights) != set(wanted) or not all(0.0 <= weight <= 10.0 for weight in weights.values()):
            raise InputError(f"the setting {name!r} needs a weight 0..10 for each of {', '.join(wanted)}, got {weights}")


@torch.no_grad()
def draw(
    model: DiffusionModel, conditions: Conditions, *, config: SamplingConfig | None = None, seed: int = 0, first: int = 0
) -> Float[Tensor, "T M"]:
    """Motion vectors in natural units for one clip (a batch of one), of any length.

    Args:
        model: the diffusion.
        conditions: of the whole clip; `given` is scaled motion.
        config: settings.
        seed: one seed, one take.
        first: number of the clip's first frame, even; a clip that is drawn in pieces has the same noise as one drawn whole.
    """
    config = config or SamplingConfig()
    check_sampling(config)
    n_frames = conditions.mask.shape[1]
    window, overlap = (round(seconds * FPS) // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN for seconds in (config.window, config.overlap))
    whole, pose = conditions, pose_of(conditions.prompt[0], n_frames)
    given = model.scale.shrink(unposed(model.scale.grow(conditions.given[0]), pose))[None] * conditions.mask
    conditions = replace(conditions, prompt=without_pose(conditions.prompt), given=given)
    scaled = given[0].clone()
    for start in range(0, max(1, n_frames - overlap), window - overlap):
        stop = min(n_frames, start + window)
        piece = cut(conditions, start, stop)
        if start > 0:
            piece = _continued(piece, scaled[start : start + overlap])
        noise = initial_noise(first + start, first + stop, config, seed=seed).to(scaled)
        scaled[start:stop] = draw_window(model, piece, noise, config)[0]
        if stop == n_frames:
            break
    scaled = model.scale.shrink(posed(model.scale.grow(scaled), pose))
    return model.scale.grow(_joined(scaled[None], whole)[0])


def initial_noise(first: int, last: int, config: SamplingConfig, *, seed: int) -> Float[Tensor, "1 T M"]:
    """What frames `first` to `last` (excluded) are drawn from."""
    spread = torch.tensor([config.diversity * config.noise["blink" if name == "blink" else group_of(name)] for name in CHANNELS])
    return (noise_of_frames(first, last, seed=seed) * spread)[None]


def draw_window(
    model: DiffusionModel, conditions: Conditions, noise: Float[Tensor, "B T M"], config: SamplingConfig
) -> Float[Tensor, "B T M"]:
    """Scaled motion of one window from its noise, asked of the face alone (`motion.pose`); what is given comes out as it is."""
    scheduler = schedule()
    scheduler.set_timesteps(config.steps)
    asked = Asked.of(conditions.prompt, noise.shape[1], conditions.talking)
    motion = free = noise
    for step in scheduler.timesteps:
        level = (step.float() / (N_LEVELS - 1)).expand(noise.shape[0]).to(noise)
        clean, unasked = _guided(model, motion, free, level, conditions, config, asked)
        if asked is not None:
            clean = asked.set_in(clean, model.scale)
        motion, free = (
            scheduler.step(_joined(predicted, conditions), int(step), noisy, return_dict=False)[0]
            for predicted, noisy in ((clean, motion), (unasked, free))
        )
    return torch.where(conditions.mask > 0, conditions.given, motion)


def cut(conditions: Conditions, start: int, stop: int) -> Conditions:
    """The conditions of frames `start` to `stop` (excluded), both even."""
    sounds, tokens, frames = slice(2 * start, 2 * stop), slice(start // 2, stop // 2), slice(start, stop)
    return Conditions(
        conditions.features[:, sounds],
        conditions.prompt[:, tokens],
        conditions.emotion[:, tokens],
        conditions.style,
        conditions.styled,
        conditions.given[:, frames],
        conditions.mask[:, frames],
        None if conditions.talking is None else conditions.talking[:, tokens],
    )


def _joined(clean: Float[Tensor, "B T M"], conditions: Conditions) -> Float[Tensor, "B T M"]:
    """The clean motion with what is given in its place, and its neighbours moved along, so that they go on from it at their own pace.

    What is missing at an end is told by the neighbours beyond it, for where the motion is given the network saw no noise, and so predicts
    another; mouth and blinks, whose noise is faint or white, may set in of a sudden. It fades out over `_FADE`.
    """
    mask, n_frames = conditions.mask > 0, clean.shape[1]
    if not bool(mask.any()):
        return clean
    place = torch.arange(n_frames, device=clean.device)
    distances, missed = [], []
    for step in (1, -1):  # What is given before a frame, and after it.
        near, far = (clean[:, (place + k * step).clamp(0, n_frames - 1)] for k in (1, 2))
        ends = _nearest_given(mask, forward=step > 0)
        distances.append((place[:, None] - ends).abs().float())
        expected = torch.where(_SUDDEN, clean, 2.0 * near - far)
        missed.append((conditions.given - expected).gather(1, ends.clamp(0, n_frames - 1)))
    shares = [minimum_jerk(1.0 - distance / (_FADE * FPS)) for distance in distances]
    moved = (shares[0] * missed[0] + shares[1] * missed[1]) / (shares[0] + shares[1]).clamp(min=1.0)
    return torch.where(mask, conditions.given, clean + moved)


def _nearest_given(mask: Bool[Tensor, "B T M"], *, forward: bool) -> Int[Tensor, "B T M"]:
    """The last given frame up to each frame, or with `forward` false the first from it on; far outside where there is none."""
    place, n_frames = torch.arange(mask.shape[1], device=mask.device)[None, :, None].expand(mask.shape), mask.shape[1]
    if forward:
        return torch.where(mask, place, -n_frames).cummax(1).values
    return torch.where(mask, place, 2 * n_frames).flip(1).cummin(1).values.flip(1)


def _continued(conditions: Conditions, before: Float[Tensor, "t M"]) -> Conditions:
    given, mask = conditions.given.clone(), conditions.mask.clone()
    given[0, : before.shape[0]] = before
    mask[0, : before.shape[0]] = 1.0
    return replace(conditions, given=given, mask=mask)


def _stacked(one: Conditions, other: Conditions) -> Conditions:
    """Both as one batch."""
    names = (field.name for field in fields(Conditions) if field.name != "talking")
    return Conditions(**{name: torch.cat([getattr(one, name), getattr(other, name)]) for name in names})


def _guided(
    model: DiffusionModel, noisy: Tensor, free: Tensor, level: Tensor, conditions: Conditions, config: SamplingConfig, wish: Asked | None
) -> tuple[Tensor, Tensor]:
    """The clean motion, and that of `free`, the same take with nothing asked of it.

    What nobody asked for is taken from that take: the network, shown brows that are drawn up because somebody asked for it, would go on to
    what mostly goes with them.
    """
    sound, prompt = (noisy.new_tensor([weights[group_of(name)] for name in CHANNELS]) for weights in (config.sound, config.prompt))
    asked = bool((conditions.prompt != 0).any() | (conditions.emotion != 0).any())
    unasked = replace(conditions, prompt=torch.zeros_like(conditions.prompt), emotion=torch.zeros_like(conditions.emotion))
    if asked:  # Side by side: in the short windows of a stream that takes little longer than one of them.
        full, heard = model.denoiser(torch.cat([noisy, free]), level.repeat(2), _stacked(conditions, unasked)).chunk(2)
    else:
        full = heard = model.denoiser(noisy, level, conditions)
    if bool((sound != 1).any()):
        deaf = model.denoiser(free, level, replace(unasked, features=torch.zeros_like(conditions.features)))
        beyond = (sound - 1.0) * (heard - deaf)
        full, heard = full + beyond, heard + beyond
    followed = prompt if wish is None else prompt * (1.0 - wish.others)
    if conditions.talking is not None:
        talking = conditions.talking.repeat_interleave(FRAMES_PER_TOKEN, 1)[..., None]
        followed = followed * (1.0 - (1.0 - _IN_SPEECH) * talking * _OPENING)
    return heard + followed * (full - heard), heard
