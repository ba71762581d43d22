"""A Newton step for many frames at once: blocks per frame, second differences between frames, and limits on every unknown.

The matrix is banded (two blocks wide), so a step costs a few passes over the frames however long the clip is.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg import LinAlgError, solveh_banded

_ROUNDS = 8
"""Active-set rounds of one step; the set is carried on by the next step anyway."""
_FLOOR = 1e-9
_STIFFENINGS = (0.0, 1e-9, 1e-6, 1e-3)
"""Shares added to the diagonal, one after the other, until the system can be solved."""


@dataclass(frozen=True)
class BandedSystem:
    """Half a quadratic form: `0.5 x'Hx` with `H = blocks + roughness`.

    The roughness of a frame is `0.5 d'(w G)d` for the second difference d around it, where `w G` is `metric` with its rows scaled by that
    frame's `bends`, plus `tension` times the same for the first difference to the next frame.
    """

    blocks: Float64[np.ndarray, "T K K"]
    """Symmetric, positive semi-definite."""
    metric: Float64[np.ndarray, "K K"]
    """Symmetric, positive semi-definite; zero between unknowns whose `bends` may differ."""
    bends: Float64[np.ndarray, "T K"]
    """Weight of the second difference around each frame; zero at both ends of a shot."""
    slopes: Float64[np.ndarray, " T"]
    """Weight of the difference to the next frame; zero at the end of a shot."""

    def roughness(self, values: Float64[np.ndarray, "T K"]) -> float:
        """Of a table of unknowns."""
        second, first = _second(values), np.diff(values, axis=0)
        bent = (self.bends[1:-1] * second * (second @ self.metric)).sum()
        return 0.5 * float(bent + (self.slopes[:-1, None] * first * (first @ self.metric)).sum())

    def roughness_gradient(self, values: Float64[np.ndarray, "T K"]) -> Float64[np.ndarray, "T K"]:
        """Its gradient."""
        second = self.bends[1:-1] * (_second(values) @ self.metric)
        first = self.slopes[:-1, None] * (np.diff(values, axis=0) @ self.metric)
        gradient = np.zeros_like(values)
        gradient[2:] += second
        gradient[1:-1] -= 2 * second
        gradient[:-2] += second
        gradient[1:] += first
        gradient[:-1] -= first
        return gradient

    def box_step(
        self,
        gradient: Float64[np.ndarray, "T K"],
        values: Float64[np.ndarray, "T K"],
        low: Float64[np.ndarray, "T K"],
        high: Float64[np.ndarray, "T K"],
    ) -> Float64[np.ndarray, "T K"]:
        """The step that minimises `gradient's + 0.5 s'Hs` with `low <= values + s <= high`.

        Primal-dual active set (Hintermueller, Ito and Kunisch 2002, algorithm 2.1); `gradient` includes the roughness'.
        """
        band = self._band()
        below, above = (low - values).ravel(), (high - values).ravel()
        slope = gradient.ravel()
        at_low = (below >= 0) & (slope > 0) | (above <= below)
        at_high = (above <= 0) & (slope < 0) & ~at_low
        step = np.zeros_like(slope)
        for _ in range(_ROUNDS):
            step = _solve_free(band, slope, np.where(at_low, below, np.where(at_high, above, 0.0)), at_low | at_high)
            force = -(slope + _multiply(band, step))
            held = at_low | at_high
            next_low = np.where(held, at_low & (force <= 0), step < below) | (above <= below)
            next_high = np.where(held, at_high & (force >= 0), step > above) & ~next_low
            if (next_low == at_low).all() and (next_high == at_high).all():
                break
            at_low, at_high = next_low, next_high
        return np.clip(step, below, above).reshape(values.shape)

    def _band(self) -> Float64[np.ndarray, "D n"]:
        """The upper diagonals as LAPACK stores them: `band[u + i - j, j] = H[i, j]`."""
        n_frames, width = self.bends.shape
        upper = 3 * width - 1
        bends, slopes = self.bends, self.slopes[:, None]
        own = 4 * bends + slopes
        own[1:] += bends[:-1] + slopes[:-1]
        own[:-1] += bends[1:]
        next_one = -2 * (bends[1:] + bends[:-1]) - slopes[:-1]
        band = np.zeros((upper + 1, n_frames, width))
        for offset in range(width):
            diagonal = np.diagonal(self.metric, offset)
            band[upper - offset, :, offset:] = np.diagonal(self.blocks, offset, 1, 2) + own[:, offset:] * diagonal
        band[upper] += _FLOOR
        for offset in range(1 - width, width):
            diagonal = np.diagonal(self.metric, offset)
            columns = slice(max(0, offset), width + min(0, offset))
            band[upper - width - offset, 1:, columns] += next_one[:, columns] * diagonal
            band[upper - 2 * width - offset, 2:, columns] += bends[1:-1, columns] * diagonal
        return band.reshape(upper + 1, -1)


def _second(values: np.ndarray) -> np.ndarray:
    return values[2:] - 2 * values[1:-1] + values[:-2]


def _solve_free(band: np.ndarray, slope: np.ndarray, fixed_step: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """The step whose `fixed` entries are given and whose others make the gradient zero."""
    right = -(slope + _multiply(band, fixed_step))
    right[fixed] = fixed_step[fixed]
    free = ~fixed
    reduced = band * free
    upper = band.shape[0] - 1
    for offset in range(1, upper + 1):
        reduced[upper - offset, offset:] *= free[:-offset]
    reduced[upper, fixed] = 1.0
    # Rounding may leave a direction that nothing tells a little below zero: it is stiffened until it is not.
    for stiffening in _STIFFENINGS:
        reduced[upper, free] *= 1 + stiffening
        try:
            return solveh_banded(reduced, right, check_finite=False)
        except LinAlgError:
            continue
    return np.where(fixed, fixed_step, 0.0)


def _multiply(band: np.ndarray, vector: np.ndarray) -> np.ndarray:
    upper = band.shape[0] - 1
    product = band[upper] * vector
    for offset in range(1, min(upper, len(vector) - 1) + 1):
        row = band[upper - offset, offset:]
        product[:-offset] += row * vector[offset:]
        product[offset:] += row * vector[:-offset]
    return product
