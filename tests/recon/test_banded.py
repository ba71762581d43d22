"""The banded step with limits equals the same problem written out in full, and the roughness has the gradient it claims."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from recon.banded import BandedSystem

T, K = 9, 4


@pytest.fixture(scope="module")
def system():
    generator = np.random.default_rng(0)
    roots = generator.normal(size=(T, K, K))
    # The first two unknowns are rough together; the others each for themselves.
    metric = np.diag([2.0, 2.0, 5.0, 1.0])
    metric[0, 1] = metric[1, 0] = 0.8
    bends = np.repeat(generator.uniform(0.1, 1, (T, 1)), K, 1)
    bends[:, 2:] *= generator.uniform(0.1, 1, (T, 2))
    bends[0] = bends[-1] = bends[4] = 0
    slopes = 0.05 * np.ones(T)
    slopes[-1] = slopes[4] = 0
    return BandedSystem(roots @ roots.transpose(0, 2, 1), metric, bends, slopes)


def _dense(system: BandedSystem) -> np.ndarray:
    """The Hessian column by column, through the gradient of the roughness."""
    hessian = np.zeros((T * K, T * K))
    for frame in range(T):
        hessian[frame * K : frame * K + K, frame * K : frame * K + K] = system.blocks[frame]
    for column in range(T * K):
        unit = np.zeros((T, K))
        unit.flat[column] = 1
        hessian[:, column] += system.roughness_gradient(unit).ravel()
    return hessian


def test_the_gradient_is_the_roughness_differentiated(system):
    values = np.random.default_rng(1).normal(size=(T, K))
    direction = np.random.default_rng(2).normal(size=(T, K))
    slope = (system.roughness(values + 1e-5 * direction) - system.roughness(values - 1e-5 * direction)) / 2e-5
    assert (system.roughness_gradient(values) * direction).sum() == pytest.approx(slope, rel=1e-6)


def test_without_limits_the_step_is_newtons(system):
    gradient = np.random.default_rng(3).normal(size=(T, K))
    far = np.full((T, K), 1e6)
    step = system.box_step(gradient, np.zeros((T, K)), -far, far)
    np.testing.assert_allclose(_dense(system) @ step.ravel(), -gradient.ravel(), atol=1e-5)


def test_with_limits_the_step_is_the_constrained_minimum(system):
    """An earlier tracker clipped Newton steps at the limits, and its error rose."""
    generator = np.random.default_rng(4)
    gradient, values = 3 * generator.normal(size=(T, K)), generator.uniform(0, 1, (T, K))
    low, high = np.zeros((T, K)), np.ones((T, K))
    high[2] = values[2] = 0
    low[2] = -1e-9  # the reference needs an interior
    step = system.box_step(gradient, values, low, high)
    root = np.linalg.cholesky(_dense(system) + 1e-9 * np.eye(T * K)).T
    expected = lsq_linear(root, -np.linalg.solve(root.T, gradient.ravel()), ((low - values).ravel(), (high - values).ravel()), tol=1e-12).x
    np.testing.assert_allclose(step.ravel(), expected, atol=1e-5)
    held = (np.abs(values + step) < 1e-6) | (np.abs(values + step - 1) < 1e-6)
    assert held.sum() > 8
