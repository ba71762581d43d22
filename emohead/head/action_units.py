"""Action units to rig coefficients and back: the only place where the two coefficient spaces meet.

Forward, the intensities pass the conflict rules (`resolve_conflicts`), then a linear map, then three rules that are not linear.
Backward, a non-negative least squares fit undoes the linear map and a fixed-point iteration undoes the conflict rules.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emohead.channels import AU_INDEX, AU_NAMES, N_AU, N_RIG, RIG_INDEX
from emohead.errors import InputError
from emohead.head.au_table import ACTION_UNITS, ActionUnit

JAW_DROP = 0.45
"""jawOpen at full AU26; wider openings are AU27."""
STRETCH_RAMP = 0.2
"""AU27 reaches the jaw drop's full opening at this intensity, so that it fades in instead of jumping."""
SMILE_LIFTS_CHEEK_FROM, SMILE_CHEEK_LIFT = 0.6, 0.25
"""Above this AU12 the cheek rises with the smile, by this much at full intensity."""

OPENFACE_AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
"""The action units whose intensity OpenFace 2 reports (AU01_r and so on), in its column order."""
OPENFACE_SCALE = 5.0
"""OpenFace's intensity at full AU."""

_SIDES = {"L": "Left", "R": "Right"}
_L = tuple(AU_INDEX[name] for name in AU_NAMES if name.endswith("L"))
_R = tuple(AU_INDEX[name] for name in AU_NAMES if name.endswith("R"))


@dataclass(frozen=True)
class Channel:
    """One channel of `channels.AU_NAMES`."""

    name: str
    """`AU12L`."""
    unit: ActionUnit
    """What it does."""
    side: str
    """`L`, `R` (the subject's own) or an empty string."""
    limits: tuple[float, float] = (0.0, 1.0)
    """Least and greatest intensity; FACS letters A B C D E are .12 .28 .50 .75 1.0."""


def _channel(name: str) -> Channel:
    side = name[-1] if name[-1] in _SIDES else ""
    number = int(name[2:].rstrip("LR"))
    return Channel(name, next(unit for unit in ACTION_UNITS if unit.number == number), side)


CHANNELS: tuple[Channel, ...] = tuple(_channel(name) for name in AU_NAMES)
"""All 46 channels, in the order of `channels.AU_NAMES`."""


def channel_names(code: str) -> tuple[str, ...]:
    """The channels that a FACS code means: `AU12` both sides, `AU12L` one, `AU17` itself; case and leading zeros do not matter.

    Raises:
        InputError: no such channel.
    """
    text = code.strip().upper().removeprefix("AU")
    number, side = text.rstrip("LR"), text[len(text.rstrip("LR")) :]
    found = tuple(c.name for c in CHANNELS if number.isdecimal() and c.unit.number == int(number) and side in ("", c.side))
    if not found:
        known = " ".join(f"AU{unit.number}" for unit in ACTION_UNITS)
        raise InputError(f"unknown action unit {code!r}; use one of {known} (with L or R where it has sides)")
    return found


def resolve_conflicts(intensity: Float[Tensor, "T A"]) -> Float[Tensor, "T A"]:
    """Intensities after muscles that oppose each other have had their say; differentiable, applied once per track.

    The rules of the reference table (12 against 15, 1 and 2 against 4, 5 against 43 and 6, 24 against an open mouth, 18 and 22 against 20,
    28 against 10 and 16) in forms without jumps. `au_to_rig` applies them itself.
    """
    return intensity * _conflict_scales(intensity)


def au_to_rig(intensity: Float[Tensor, "T A"]) -> Float[Tensor, "T R"]:
    """Rig coefficients 0..1 of action units 0..1, by side; differentiable.

    ARKit has one browInnerUp for both sides: it gets the stronger one. Nothing here moves mouthClose, which belongs to speech; lips
    that are asked to part (AU25) open against it where the motions are composed.
    """
    resolved = resolve_conflicts(intensity.clamp(0.0, 1.0))
    rig = resolved @ _weights().to(resolved)  # [T, R]
    inner = torch.maximum(_au(resolved, "AU1L"), _au(resolved, "AU1R"))
    wide = _au(resolved, "AU27")
    jaw = torch.maximum(JAW_DROP * _au(resolved, "AU26"), _stretch_to_jaw(wide))
    extra = torch.zeros_like(rig)
    extra[:, RIG_INDEX["browInnerUp"]] = inner
    extra[:, RIG_INDEX["jawOpen"]] = jaw
    for side, word in _SIDES.items():
        extra[:, RIG_INDEX[f"cheekSquint{word}"]] = _smile_to_cheek(_au(resolved, f"AU12{side}"))
    return (rig + extra).clamp(0.0, 1.0)


def rig_to_au(rig: Float[Tensor, "T R"]) -> Float[Tensor, "T A"]:
    """The action units 0..1 whose `au_to_rig` is nearest to given rig coefficients (non-negative least squares per frame).

    Where two explanations fit alike it takes the simpler one: AU23 rather than 24 with 28, AU25 rather than 10 with 16, AU9 with 10 rather
    than 11; jawOpen up to .45 is AU26 and what exceeds it AU27 on top of a full AU26; AU1 is the same on both sides. An action unit that a
    conflict rule has suppressed cannot be seen any more. Computed on the CPU in float64; not differentiable.
    """
    target = rig.detach().double().cpu().numpy().clip(0.0, 1.0).copy()  # [T, R]
    jaw = target[:, RIG_INDEX["jawOpen"]]
    wide = np.interp(jaw, *_jaw_to_stretch_curve())
    weights = _weights().double().numpy()
    target -= wide[:, None] * weights[AU_INDEX["AU27"]]
    resolved = _fit(target)
    for side, word in _SIDES.items():
        # The cheek's share of a strong smile is known from the smile itself; the rest is AU6.
        lift = _smile_to_cheek(torch.from_numpy(resolved[:, AU_INDEX[f"AU12{side}"]])).numpy()
        target[:, RIG_INDEX[f"cheekSquint{word}"]] -= lift
    resolved = _fit(target)
    resolved[:, AU_INDEX["AU26"]] = (jaw / JAW_DROP).clip(0.0, 1.0)
    resolved[:, AU_INDEX["AU27"]] = wide
    resolved[:, AU_INDEX["AU1R"]] = resolved[:, AU_INDEX["AU1L"]]
    return _undo_conflicts(torch.from_numpy(resolved)).to(rig)


def mirror(intensity: Float[Tensor, "T A"]) -> Float[Tensor, "T A"]:
    """The same expression with left and right exchanged."""
    mirrored = intensity.clone()
    mirrored[:, _L], mirrored[:, _R] = intensity[:, _R], intensity[:, _L]
    return mirrored


def to_openface(intensity: Float[Tensor, "T A"]) -> Float[Tensor, "T 17"]:
    """OpenFace's 17 intensities (`OPENFACE_AUS`, 0..5): the mean of both sides; AU45 is AU43, and AU26 counts the wider AU27 in."""
    columns = []
    for number in OPENFACE_AUS:
        names = channel_names("AU43" if number == 45 else f"AU{number}")
        column = torch.stack([_au(intensity, name) for name in names]).mean(0)
        if number == 26:
            column = torch.maximum(column, (_au(intensity, "AU27") / STRETCH_RAMP).clamp(max=1.0))
        columns.append(column)
    return OPENFACE_SCALE * torch.stack(columns, dim=1)


def from_openface(values: Float[Tensor, "T 17"]) -> Float[Tensor, "T A"]:
    """Intensities 0..1 from OpenFace's 17 columns (`OPENFACE_AUS`, 0..5), both sides alike; channels OpenFace does not report are 0."""
    intensity = values.new_zeros(values.shape[0], N_AU)
    for column, number in enumerate(OPENFACE_AUS):
        for name in channel_names("AU43" if number == 45 else f"AU{number}"):
            intensity[:, AU_INDEX[name]] = values[:, column] / OPENFACE_SCALE
    return intensity.clamp(0.0, 1.0)


def _au(intensity: Tensor, name: str) -> Tensor:
    return intensity[:, AU_INDEX[name]]


def _smile_to_cheek(smile: Tensor) -> Tensor:
    return SMILE_CHEEK_LIFT * (smile - SMILE_LIFTS_CHEEK_FROM).clamp(min=0.0) / (1.0 - SMILE_LIFTS_CHEEK_FROM)


def _stretch_to_jaw(wide: Tensor) -> Tensor:
    return JAW_DROP * (wide / STRETCH_RAMP).clamp(max=1.0) + (1.0 - JAW_DROP) * wide


def _jaw_to_stretch_curve() -> tuple[np.ndarray, np.ndarray]:
    """jawOpen above the jaw drop against the AU27 that gives it; below it AU26 alone explains the jaw."""
    start = JAW_DROP + (1.0 - JAW_DROP) * STRETCH_RAMP
    return np.array([JAW_DROP, start, 1.0]), np.array([0.0, STRETCH_RAMP, 1.0])


def _conflict_scales(intensity: Tensor) -> Tensor:
    """How much of each channel is left, given all the others; 1 where nothing opposes it."""
    au = {name: intensity[:, index] for name, index in AU_INDEX.items()}
    scale: dict[str, Tensor] = {}
    opened = torch.stack([au["AU25"], au["AU26"], au["AU27"]]).amax(0)
    scale["AU24"] = 1.0 - opened
    rounded = torch.maximum(au["AU18"], au["AU22"])
    spread = torch.maximum(au["AU20L"], au["AU20R"])
    scale["AU18"] = scale["AU22"] = 1.0 - 0.7 * _share(spread, rounded)
    for side in _SIDES:
        brow_up = torch.maximum(au[f"AU1{side}"], au[f"AU2{side}"])
        scale[f"AU1{side}"] = scale[f"AU2{side}"] = 1.0 - 0.2 * au[f"AU4{side}"]
        scale[f"AU4{side}"] = 1.0 - 0.4 * brow_up
        scale[f"AU5{side}"] = (1.0 - au[f"AU43{side}"]) * (1.0 - 0.4 * au[f"AU6{side}"])
        scale[f"AU10{side}"] = scale[f"AU16{side}"] = 1.0 - au["AU28"]
        scale[f"AU12{side}"] = 1.0 - 0.25 * au[f"AU15{side}"]
        scale[f"AU15{side}"] = 1.0 - 0.25 * au[f"AU12{side}"]
        scale[f"AU20{side}"] = 1.0 - 0.7 * _share(rounded, au[f"AU20{side}"])
    untouched = torch.ones_like(intensity[:, 0])
    return torch.stack([scale.get(name, untouched) for name in AU_NAMES], dim=1)


def _share(one: Tensor, other: Tensor) -> Tensor:
    """How far `one` outweighs `other`, 0..1, one half where they are equal: the smaller of two opposed actions yields."""
    return one**2 / (one**2 + other**2 + 1e-6)


def _undo_conflicts(resolved: Tensor, *, n_steps: int = 24, least_scale: float = 0.2) -> Tensor:
    """Intensities 0..1 whose conflict rules give `resolved`; channels that were all but suppressed stay as seen."""
    intensity = resolved.clamp(0.0, 1.0)
    for _ in range(n_steps):
        scale = _conflict_scales(intensity)
        wanted = torch.where(scale > least_scale, resolved / scale.clamp(min=least_scale), resolved).clamp(0.0, 1.0)
        # Half steps: two opposed channels would otherwise overshoot each other in turn.
        intensity = 0.5 * (intensity + wanted)
    return intensity


@lru_cache(maxsize=1)
def _weights() -> Tensor:
    """The linear part of the map, `[A, R]`."""
    weights = torch.zeros(N_AU, N_RIG, dtype=torch.float64)
    for row, channel in enumerate(CHANNELS):
        for base, weight in channel.unit.rig:
            if base == "browInnerUp":
                continue  # The stronger side wins, which is not linear.
            sides = [word for side, word in _SIDES.items() if channel.side in ("", side)]
            if base in RIG_INDEX:
                # One rig channel for both sides of the face: each side gives its half.
                weights[row, RIG_INDEX[base]] = weight / 2 if channel.side else weight
            else:
                weights[row, [RIG_INDEX[base + word] for word in sides]] = weight
    return weights


@lru_cache(maxsize=1)
def _fit_matrix() -> np.ndarray:
    """The fit's matrix: the linear map, then one faint row that makes the simpler of two equal explanations win."""
    weights = _weights().numpy().T.copy()  # [R, A]
    weights[RIG_INDEX["browInnerUp"], AU_INDEX["AU1L"]] = 1.0
    weights[:, [AU_INDEX["AU26"], AU_INDEX["AU27"]]] = 0.0
    cost = np.array([[channel.unit.cost for channel in CHANNELS]])
    return np.vstack([weights, 3e-3 * cost])


def _fit(target: np.ndarray) -> np.ndarray:
    """Non-negative intensities `[T, A]` for rig rows `[T, R]`."""
    matrix = _fit_matrix()
    rows = np.hstack([target, np.zeros((len(target), 1))])
    # scipy.optimize takes half a second to import; who only asks what a sentence means does not wait for it.
    from scipy.optimize import nnls

    solved = [nnls(matrix, row)[0] for row in rows]
    return np.stack(solved) if solved else np.zeros((0, N_AU))
