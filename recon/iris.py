"""Where the eyes look, read from the pictures: an iris is registered on its eyeball at a fraction of a pixel.

On the sphere of the eyeball an iris is a disc of always the same size, so one radial brightness profile, learnt from the clip itself,
serves every frame and both eyes. All gaze directions of a grid are compared with it inside the opening of the lids; both eyes vote
together, reflections are outvoted by iterative reweighting, and the best path through time decides between rivals.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numba import njit
from torch import Tensor

from emohead.raster.projection_kernels import JIT
from recon.eye_view import EyeViews, pick_points

SIZE = 64
"""Pixels along an eye's crop."""
SPAN = 1.1
"""Half the crop's width in eyeball radii."""
UPPER_LIDS = ((263, 466, 388, 387, 386, 385, 384, 398, 362), (33, 246, 161, 160, 159, 158, 157, 173, 133))
LOWER_LIDS = ((263, 249, 390, 373, 374, 380, 381, 382, 362), (33, 7, 163, 144, 145, 153, 154, 155, 133))
"""Landmarks along the lids of the left and of the right eye, corner to corner."""
RIMS = ((474, 475, 477), (469, 470, 472))

_UPPER_MARGIN, _LOWER_MARGIN = -0.05, 0.03
"""How far inside the lid landmarks the iris is looked for, eyeball radii; those of the upper lid lie a little low."""
_BINS, _END = 40, 1.0
"""The radial profile: its bins, and the chord (on a sphere of radius 1) at which it ends."""
_HIGHLIGHT, _CEILING = 1.25, 1.2
"""Brighter than this share of the white of the eye is a reflection; values are cut off at the ceiling."""
_BRIGHTER, _DARKER = np.float32(0.06), np.float32(0.4)
"""Squared residual at which a pixel's say saturates: soon where it is brighter than expected, which reflections are."""
_YAWS, _PITCHES = np.arange(-11, 12) * 0.05, np.arange(-7, 8) * 0.05
_SPREAD = np.array([0.4, 0.2])
"""Standard deviations of gaze before anything is seen, radians."""
_CERTAINTY = 0.0004
"""Share of unexplained variance that one unit of -2 log prior is worth."""
_DRIFT, _JUMP = 0.4, 25.0
"""Gaze drifts by this much in a second (radians per root second); beyond this many units -2 log prior it may as well jump."""
_FEWEST_PIXELS = 60


@dataclass(frozen=True)
class EyeCrops:
    """Brightness of both eyes in some frames of a clip, and where between the lids it is."""

    views: EyeViews
    """Of the same frames."""
    brightness: Float[np.ndarray, "n 2 64 64"]
    """In units of the white of that eye in that frame."""
    inside: np.ndarray
    """bool [n, 2, 64, 64]: between the lids."""
    iris: Float[Tensor, "n 2 2"]
    """Gaze that the iris landmarks say, radians."""
    iris_chord: float
    """Typical radius of an iris in eyeball radii, as the landmarks say."""


@dataclass(frozen=True)
class IrisTrack:
    """Gaze of some frames of a clip, as the pictures show it."""

    gaze: Float[Tensor, "n 2"]
    """(yaw, pitch) against the head, radians; NaN where the eyes are too far shut to tell."""
    bias: Float[Tensor, "2 2"]
    """How far each eye stands from it throughout the clip."""
    profile: Float[np.ndarray, " 40"]
    """Brightness against distance from the middle of the iris."""
    residual: Float[Tensor, " n"]
    """Share of the brightness inside the lids that the profile leaves unexplained; NaN as above."""


def cut_eyes(images: Iterable[UInt8[Tensor, "H W 3"]], landmarks: Float[Tensor, "n 478 2"], views: EyeViews) -> EyeCrops:
    """Cut both eyes out of pictures.

    Args:
        images: one for each of the `n` frames.
        landmarks: of the same frames, pixels; NaN where there is no face.
        views: the same frames.
    """
    grid = (torch.arange(SIZE) + 0.5) / SIZE * (2 * SPAN) - SPAN
    places = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    brightness = np.zeros((len(landmarks), 2, SIZE, SIZE), np.float32)
    for frame, image in enumerate(images):
        pixels = views.pick(torch.tensor([frame])).to_pixels(places)[0].numpy()
        for eye in range(2):
            _sample(image.numpy(), pixels[eye], brightness[frame, eye])
    inside = _between_lids(landmarks, views, grid.numpy()) & (places.norm(dim=-1) < 0.97).numpy()
    for crop, mask in zip(brightness.reshape(-1, SIZE, SIZE), inside.reshape(-1, SIZE, SIZE), strict=True):
        crop /= max(float(np.quantile(crop[mask], 0.75)) if mask.sum() > 20 else 1.0, 0.05)
    centres, rims = (views.to_crops(pick_points(landmarks, *wanted)) for wanted in (((473,), (468,)), RIMS))
    chord = float((rims - centres).norm(dim=-1).nanmedian())
    return EyeCrops(views, brightness, inside, views.gaze(centres[:, :, 0]), chord)


def register_irises(crops: EyeCrops, times: Float[Tensor, " n"], *, learn_from: int = 150) -> IrisTrack:
    """Find the gaze in every crop.

    Args:
        crops: of pictures in the order of time.
        times: of the same, seconds.
        learn_from: how many pictures, spread over the clip, the brightness profile is learnt from.
    """
    area = crops.inside.sum((1, 2, 3))
    enough = max(0.3 * float(np.median(area)), 2 * _FEWEST_PIXELS)
    usable = np.nonzero(area > enough)[0].tolist()
    wide = [frame for frame in usable if area[frame] >= 0.6 * np.median(area)]
    sample = wide[:: max(1, len(wide) // learn_from)]
    bias = (crops.iris - crops.iris.mean(1, keepdim=True)).nanmedian(0).values.numpy()
    chords = np.linspace(0, _END, _BINS)
    profile = (1 / (1 + np.exp(-(chords - crops.iris_chord) / 0.04))).astype(np.float32)
    for _ in range(3):
        profile, bias = _learn(crops, sample, profile, bias)
    gaze = np.full((len(area), 2), np.nan, np.float32)
    residual = np.full(len(area), np.nan, np.float32)
    surfaces = [_surface(crops, frame, profile, bias) for frame in usable]
    for frame, start in zip(usable, _best_path(surfaces, times.numpy()[usable]), strict=True):
        gaze[frame], residual[frame] = _refine(crops, frame, profile, bias, start)
    return IrisTrack(torch.from_numpy(gaze), torch.from_numpy(bias.astype(np.float32)), profile, torch.from_numpy(residual))


def _learn(crops: EyeCrops, sample: list[int], profile: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The profile and the eyes' biases as the present ones show them."""
    seen: list[list[float]] = [[] for _ in range(_BINS)]
    apart = []
    for frame in sample:
        surface = _surface(crops, frame, profile, bias)
        gaze, _ = _refine(crops, frame, profile, bias, _GRID[int(surface.argmin())])
        alone = np.stack([_refine(crops, frame, profile, bias, gaze, eyes=(eye,))[0] for eye in range(2)])
        apart.append(alone - alone.mean(0))
        for eye in range(2):
            chords, values = _pixels(crops, frame, eye, gaze + bias[eye])
            bins = np.minimum((chords / _END * (_BINS - 1)).round().astype(int), _BINS - 1)
            for place in np.unique(bins):
                seen[place].append(float(np.median(values[bins == place])))
    known = [place for place in range(_BINS) if len(seen[place]) >= 10]
    learnt = np.interp(np.arange(_BINS), known, [np.median(seen[place]) for place in known]) if known else profile
    return learnt.astype(np.float32), bias + np.median(apart, axis=0) if apart else bias


_GRID = np.stack(np.meshgrid(_YAWS, _PITCHES, indexing="ij"), -1).reshape(-1, 2)
_NEAR = np.stack(np.meshgrid(np.arange(-4, 5) * 0.025, np.arange(-4, 5) * 0.025, indexing="ij"), -1).reshape(-1, 2)


@dataclass
class _Votes:
    """One eye's pixels inside the lids."""

    directions: np.ndarray
    """[p, 3], in the crop's axes."""
    values: np.ndarray
    """[p], brightness."""
    weights: np.ndarray
    """[p], 0 for reflections."""


def _surface(crops: EyeCrops, frame: int, profile: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """How badly each direction of the grid explains both eyes, prior included."""
    votes = [_votes(crops, frame, eye) for eye in range(2)]
    cost, _ = _compare_eyes(crops.views, frame, votes, _GRID, profile, bias)
    return cost + _CERTAINTY * np.square(_GRID / _SPREAD).sum(1)


def _refine(
    crops: EyeCrops, frame: int, profile: np.ndarray, bias: np.ndarray, start: np.ndarray, *, eyes: tuple[int, ...] = (0, 1)
) -> tuple[np.ndarray, float]:
    """The gaze near `start` at a fraction of the grid's step, and the share of brightness left unexplained."""
    votes = [_votes(crops, frame, eye) if eye in eyes else None for eye in range(2)]
    candidates = start + _NEAR
    cost, fits = _compare_eyes(crops.views, frame, votes, candidates, profile, bias)
    best = int((cost + _CERTAINTY * np.square(candidates / _SPREAD).sum(1)).argmin())
    gaze = candidates[best]
    for _ in range(2):
        candidates = gaze + _NEAR
        cost = np.zeros(len(candidates))
        pixels = sum(len(one.values) for one in votes if one is not None)
        for eye, (one, fit) in enumerate(zip(votes, fits, strict=True)):
            if one is not None and fit is not None:
                part = np.empty(len(candidates), np.float32)
                _outvote(
                    one.directions,
                    one.values,
                    _towards(crops.views, frame, eye, candidates + bias[eye]),
                    profile,
                    fit[best, 1],
                    fit[best, 2],
                    part,
                )
                cost += part / pixels
        place = int(cost.argmin())
        gaze = candidates[place] + 0.025 * _vertex(cost.reshape(9, 9), *divmod(place, 9))
    return gaze, float(cost.min())


def _compare_eyes(
    views: EyeViews, frame: int, votes: Sequence[_Votes | None], candidates: np.ndarray, profile: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Mean squared residual of both eyes at each candidate, and each eye's [C, 3] (sum of squares, gain, offset)."""
    total, weight, fits = np.zeros(len(candidates)), 1e-6, []
    for eye, one in enumerate(votes):
        if one is None or len(one.values) < _FEWEST_PIXELS:
            fits.append(None)
            continue
        fit = np.empty((len(candidates), 3), np.float32)
        _compare(one.directions, one.values, one.weights, _towards(views, frame, eye, candidates + bias[eye]), profile, fit)
        total, weight = total + fit[:, 0], weight + float(one.weights.sum())
        fits.append(fit)
    return total / weight, fits


def _votes(crops: EyeCrops, frame: int, eye: int) -> _Votes:
    inside = crops.inside[frame, eye]
    values = crops.brightness[frame, eye][inside]
    return _Votes(_SPHERE[inside], np.minimum(values, _CEILING), (values < _HIGHLIGHT).astype(np.float32))


def _pixels(crops: EyeCrops, frame: int, eye: int, gaze: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the middle of an iris that looks along `gaze` [2], and brightness, of the pixels inside the lids."""
    votes = _votes(crops, frame, eye)
    return np.linalg.norm(votes.directions - _towards(crops.views, frame, eye, gaze[None])[0], axis=1), votes.values


def _towards(views: EyeViews, frame: int, eye: int, gaze: np.ndarray) -> np.ndarray:
    """[C, 3]: where an eye that looks along each gaze [C, 2] points, in its crop's axes."""
    yaw, pitch = gaze.T.astype(np.float32)
    in_head = np.stack([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)], -1)
    return np.ascontiguousarray(in_head @ views.head_to_crop[frame, eye].numpy().T)


def _vertex(cost: np.ndarray, row: int, column: int) -> np.ndarray:
    """Where a parabola through the neighbours of the least cost has its vertex, in steps."""
    result = np.zeros(2)
    for axis, (line, place) in enumerate(((cost[:, column], row), (cost[row], column))):
        if 0 < place < len(line) - 1:
            before, here, after = line[place - 1 : place + 2]
            bend = before - 2 * here + after
            result[axis] = np.clip(0.5 * (before - after) / bend, -1, 1) if bend > 1e-12 else 0.0
    return result


def _best_path(surfaces: list[np.ndarray], times: np.ndarray) -> np.ndarray:
    """The course of gaze [n, 2] through the cost surfaces [n, C] that is cheap and mostly steady, with free jumps (Viterbi)."""
    apart = np.square(_GRID[:, None] - _GRID[None]).sum(-1)
    if not surfaces:
        return np.zeros((0, 2))
    total, origins = surfaces[0], []
    for before, now, surface in zip(times[:-1], times[1:], surfaces[1:], strict=True):
        step = _CERTAINTY * np.minimum(apart / (_DRIFT**2 * (now - before)), _JUMP)
        reached = total[:, None] + step
        origins.append(reached.argmin(0))
        total = reached.min(0) + surface
    path = [int(total.argmin())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return _GRID[path[::-1]]


def _between_lids(landmarks: Tensor, views: EyeViews, columns: np.ndarray) -> np.ndarray:
    """bool [n, 2, rows, columns]: pixels of the crops that are between the lid landmarks, some way inside."""
    upper, lower = (views.to_crops(pick_points(landmarks, *lids)).numpy() for lids in (UPPER_LIDS, LOWER_LIDS))
    inside = np.zeros((*upper.shape[:2], len(columns), len(columns)), bool)
    for frame, eye in np.ndindex(*upper.shape[:2]):
        if not np.isfinite(upper[frame, eye]).all():
            continue
        edges = []
        for lid in (upper[frame, eye], lower[frame, eye]):
            order = lid[:, 0].argsort()
            edges.append(np.interp(columns, lid[order, 0], lid[order, 1], left=np.nan, right=np.nan))
        inside[frame, eye] = (columns[:, None] > edges[0] + _UPPER_MARGIN) & (columns[:, None] < edges[1] - _LOWER_MARGIN)
    return inside


def _sphere() -> np.ndarray:
    """[SIZE, SIZE, 3]: the direction on the eyeball that each pixel of a crop sees."""
    grid = (np.arange(SIZE) + 0.5) / SIZE * (2 * SPAN) - SPAN
    across, down = np.meshgrid(grid, grid)
    return np.stack([across, down, -np.sqrt(np.maximum(1 - across**2 - down**2, 0))], -1).astype(np.float32)


_SPHERE = _sphere()


@njit(**JIT)
@no_type_check
def _compare(directions, values, weights, towards, profile, fit):
    """For each candidate: least squares of values on (gain >= 0) * profile + offset -> (sum of squares, gain, offset)."""
    sum_w = sum_v = sum_vv = np.float32(0)
    for pixel in range(values.shape[0]):
        sum_w += weights[pixel]
        sum_v += weights[pixel] * values[pixel]
        sum_vv += weights[pixel] * values[pixel] * values[pixel]
    sum_w = max(sum_w, np.float32(1e-6))
    for candidate in range(towards.shape[0]):
        x, y, z = towards[candidate]
        sum_m = sum_mm = sum_mv = np.float32(0)
        for pixel in range(values.shape[0]):
            model = _profile_at(directions[pixel, 0] - x, directions[pixel, 1] - y, directions[pixel, 2] - z, profile)
            weighted = weights[pixel] * model
            sum_m += weighted
            sum_mm += weighted * model
            sum_mv += weighted * values[pixel]
        spread = sum_mm - sum_m * sum_m / sum_w
        gain = max((sum_mv - sum_m * sum_v / sum_w) / max(spread, np.float32(1e-6)), np.float32(0))
        fit[candidate, 0] = sum_vv - sum_v * sum_v / sum_w - 2 * gain * (sum_mv - sum_m * sum_v / sum_w) + gain * gain * spread
        fit[candidate, 1] = gain
        fit[candidate, 2] = (sum_v - gain * sum_m) / sum_w


@njit(**JIT)
@no_type_check
def _outvote(directions, values, towards, profile, gain, offset, cost):
    """For each candidate the sum of squared residuals, each of which saturates; gain and offset are given."""
    for candidate in range(towards.shape[0]):
        x, y, z = towards[candidate]
        total = np.float32(0)
        for pixel in range(values.shape[0]):
            model = gain * _profile_at(directions[pixel, 0] - x, directions[pixel, 1] - y, directions[pixel, 2] - z, profile) + offset
            error = values[pixel] - model
            limit = _BRIGHTER if error > 0 else _DARKER
            square = error * error
            total += square / (np.float32(1) + square / limit)
        cost[candidate] = total


@njit(inline="always", **JIT)
@no_type_check
def _profile_at(x, y, z, profile):
    place = min(np.sqrt(x * x + y * y + z * z) * np.float32((_BINS - 1) / _END), np.float32(_BINS - 1.001))
    below = int(place)
    return profile[below] + (place - below) * (profile[below + 1] - profile[below])


@njit(**JIT)
@no_type_check
def _sample(image, pixels, result):
    """Bilinear brightness 0..1 of `image` [H, W, 3] at pixel positions [n, n, 2]; its edge is repeated."""
    height, width = image.shape[:2]
    for row in range(pixels.shape[0]):
        for column in range(pixels.shape[1]):
            x = min(max(pixels[row, column, 0] - 0.5, 0.0), width - 1.001)
            y = min(max(pixels[row, column, 1] - 0.5, 0.0), height - 1.001)
            left, top = int(x), int(y)
            right, low = x - left, y - top
            total = 0.0
            for channel, share in ((0, 0.299), (1, 0.587), (2, 0.114)):
                first = image[top, left, channel] * (1 - right) + image[top, left + 1, channel] * right
                second = image[top + 1, left, channel] * (1 - right) + image[top + 1, left + 1, channel] * right
                total += share * (first * (1 - low) + second * low)
            result[row, column] = total / 255
