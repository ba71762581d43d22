"""A Newton step for many frames at once: blocks per frame, second differences between frames, and limits on every unknown.

The matrix is banded (two blocks wide), so a step costs a few passes over the frames however long the clip is.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg import solveh_banded

_ROUNDS = 8
"""Active-set rounds of one step; the set is carried on by the next step anyway."""
_FLOOR = 1e-9


@dataclass(frozen=True)
class BandedSystem:
    """Half the quadratic form of blocks plus roughness: `0.5 x'Hx` with `H = blocks + D2' bends D2 + D1' slopes D1`."""

    blocks: Float64[np.ndarray, "T K K"]
    """Symmetric, positive semi-definite."""
    bends: Float64[np.ndarray, "T K"]
    """Weight of the second difference centred at each frame; zero at both ends."""
    slopes: Float64[np.ndarray, "T K"]
    """Weight of the difference to the next frame; zero at the last."""

    def roughness(self, values: Float64[np.ndarray, "T K"]) -> float:
        """Half the weighted sum of squared second and first differences."""
        second = values[2:] - 2 * values[1:-1] + values[:-2]
        return 0.5 * float((self.bends[1:-1] * second**2).sum() + (self.slopes[:-1] * np.diff(values, axis=0) ** 2).sum())

    def roughness_gradient(self, values: Float64[np.ndarray, "T K"]) -> Float64[np.ndarray, "T K"]:
        """Its gradient."""
        second = self.bends[1:-1] * (values[2:] - 2 * values[1:-1] + values[:-2])
        first = self.slopes[:-1] * np.diff(values, axis=0)
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
        upper = 2 * width
        band = np.zeros((upper + 1, n_frames, width))
        for offset in range(width):
            band[upper - offset, :, offset:] = np.diagonal(self.blocks, offset, 1, 2)
        bends, slopes = self.bends, self.slopes
        own = band[upper]
        own += 4 * bends + slopes + _FLOOR
        own[1:] += bends[:-1] + slopes[:-1]
        own[:-1] += bends[1:]
        band[upper - width, 1:] -= 2 * (bends[1:] + bends[:-1]) + slopes[:-1]
        band[0, 2:] += bends[1:-1]
        return band.reshape(upper + 1, -1)


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
    return solveh_banded(reduced, right, overwrite_ab=True, overwrite_b=True, check_finite=False)


def _multiply(band: np.ndarray, vector: np.ndarray) -> np.ndarray:
    upper = band.shape[0] - 1
    product = band[upper] * vector
    for offset in range(1, min(upper, len(vector) - 1) + 1):
        row = band[upper - offset, offset:]
        product[:-offset] += row * vector[offset:]
        product[offset:] += row * vector[:-offset]
    return product
