"""Registration and attachment against answers that are known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emohead.head import registration
from emohead.head.registration import Similarity, Surface
from tests.head import flame_fixture


@pytest.fixture(scope="module")
def head() -> Surface:
    """The skin of the procedural head."""
    vertices, triangles = flame_fixture.head_mesh()
    n_skin = flame_fixture.N_SKIN
    skin = triangles[(triangles < n_skin).all(1)]
    down = flame_fixture.skinning_weights(vertices)[:n_skin, 2:3] * [0.0, -0.02, 0.0]
    return Surface(vertices[:n_skin], skin, down, np.ones(n_skin, bool))


def _moved_by(head: Surface, similarity: Similarity) -> Surface:
    turned = similarity.scale * head.jaw_motion @ similarity.rotation.T
    return Surface(similarity(head.vertices), head.triangles, turned, head.active)


def _similarity(degrees: tuple[float, float, float]) -> Similarity:
    return Similarity(0.9, Rotation.from_euler("xyz", degrees, degrees=True).as_matrix(), np.array([0.004, -0.006, 0.01]))


def test_similarity_is_recovered_from_pairs():
    rng = np.random.default_rng(0)
    points, truth = rng.normal(size=(50, 3)), _similarity((20, -30, 10))
    found = registration.fit_similarity(points, truth(points), rng.uniform(0.1, 1, 50))
    np.testing.assert_allclose(found(points), truth(points), atol=1e-12)
    mirrored = registration.fit_similarity(points, points * [-1, 1, 1], np.ones(50))
    assert np.linalg.det(mirrored.rotation) > 0, "a reflection is never returned"


def test_registration_finds_a_pitched_scaled_and_bent_head(head):
    truth = _similarity((10, 0, 0))
    bent = head.vertices + 0.002 * np.sin(30 * head.vertices[:, [1, 2, 0]])
    target = _moved_by(Surface(bent, head.triangles, head.jaw_motion, head.active), truth)
    start = Similarity(0.9, np.eye(3), np.zeros(3))
    _, registered = registration.register(head, target, start=start)
    attachment = registration.attach(target, registered)
    face = head.vertices[:, 2] > -0.02
    assert np.quantile(attachment.distance[face], 0.95) < 5e-4
    # A head slides over itself where it is smooth; where it has features it must find them.
    features = face & (np.abs(head.vertices[:, 0]) < 0.02) & (np.abs(head.vertices[:, 1] + 0.05) < 0.03)
    error = np.linalg.norm(registered.vertices - target.vertices, axis=1)
    assert np.median(error[features]) < 2e-3


def test_landmarks_bring_a_far_head_home(head):
    truth = Similarity(0.9, Rotation.from_euler("xyz", (0, 50, 0), degrees=True).as_matrix(), np.array([0.1, 0.0, 0.0]))
    target = _moved_by(head, truth)
    chosen = np.flatnonzero(head.vertices[:, 2] > 0)[::20]
    start = Similarity(0.9, np.eye(3), np.zeros(3))
    found, _ = registration.register(head, target, start=start, landmarks=(chosen, target.vertices[chosen]))
    np.testing.assert_allclose(found(head.vertices), target.vertices, atol=2e-3)


def test_closest_barycentric_equals_dense_search():
    rng = np.random.default_rng(1)
    points, corners = rng.normal(size=(200, 3)), rng.normal(size=(200, 3, 3))
    found = registration.closest_barycentric(points, corners)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-9)
    assert found.min() >= -1e-9
    distance = np.linalg.norm(np.einsum("nkc,nk->nc", corners, found) - points, axis=1)
    samples = rng.dirichlet(np.full(3, 0.5), 4000)
    sampled = np.linalg.norm(np.einsum("nkc,sk->nsc", corners, samples) - points[:, None], axis=2).min(1)
    assert (distance <= sampled + 1e-9).all() and (sampled - distance).max() < 0.05


def test_attachment_interpolates_linear_fields_exactly(head):
    attachment = registration.attach(head, head)
    field = head.vertices @ np.array([[1.0, 0.2, 0.0], [0.0, 1.0, 0.3], [0.5, 0.0, 1.0]])
    np.testing.assert_allclose(attachment.interpolate(field), field, atol=1e-9)
    assert attachment.distance.max() < 1e-9


def test_laplacian_of_a_constant_is_zero(head):
    laplacian = registration.mesh_laplacian(len(head.vertices), head.triangles)
    np.testing.assert_allclose(laplacian @ np.ones(len(head.vertices)), 0, atol=1e-12)
