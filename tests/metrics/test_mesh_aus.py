"""Geometric measures of action units: each moves most under its own unit, in proportion, on its own side."""

import pytest
import torch

from controllers.control import control
from emohead.channels import AU_INDEX, AU_NAMES, N_AU, other_side
from emohead.head.generic import load_generic
from emohead.metrics.mesh_aus import MEASURED, au_displacements, full_displacements, rig_displacements
from emohead.metrics.vertices import face_vertices
from emohead.motion.rules import RuleConfig
from tests.motion.voices import silence


def test_all_but_the_tongue_is_measured():
    assert set(AU_NAMES) - set(MEASURED) == {"AU19"}


def test_every_unit_moves_its_measure_forward():
    full = full_displacements(load_generic())
    for name in MEASURED:
        assert full[AU_INDEX[name]] > 1.0, f"{name} moves its measure by {full[AU_INDEX[name]]:.2f} mm"


@pytest.mark.parametrize(
    "name", ["AU1L", "AU4L", "AU5R", "AU6L", "AU10L", "AU12R", "AU15L", "AU17", "AU20R", "AU24", "AU25", "AU28", "AU43L"]
)
def test_measures_grow_with_the_intensity(name: str):
    levels = torch.linspace(0.0, 1.0, 6)
    asked = torch.zeros(6, N_AU)
    asked[:, AU_INDEX[name]] = levels
    moved = rig_displacements(load_generic(), asked)[:, AU_INDEX[name]]
    assert (moved.diff() > 0).all() and abs(float(moved[0])) < 1e-3
    assert abs(float(moved[3] / moved[5]) - 0.6) < 0.25


def test_sides_are_mirror_images():
    moved = rig_displacements(load_generic(), torch.eye(N_AU))
    swap = [AU_INDEX[other_side(name)] for name in AU_NAMES]
    assert (moved - moved[swap][:, swap]).abs().max() < 0.35  # the landmarks of the two halves are not quite alike


def test_a_side_stays_on_its_side():
    moved, full = rig_displacements(load_generic(), torch.eye(N_AU)), full_displacements(load_generic())
    for name in MEASURED:
        if name.endswith("L") and name not in ("AU1L", "AU30L"):
            other = AU_INDEX[name[:-1] + "R"]
            assert abs(float(moved[AU_INDEX[name], other])) < 0.1 * float(full[other]), name


def test_the_pose_does_not_count():
    head = load_generic()
    turn = torch.tensor([[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]])
    moved = au_displacements(head, (head.neutral @ turn.T + torch.tensor([0.1, 0.2, 0.3]))[None])
    assert moved.abs().max() < 0.01


@pytest.mark.parametrize(("wish", "unit"), [("raises the inner brows", "AU1"), ("mouth corners down", "AU15"), ("parts the lips", "AU25")])
def test_words_reach_the_mesh(wish: str, unit: str):
    """benchmarks/words_to_mesh.py in small: the whole way of a sentence, over two seconds of silence."""
    audio, phones = silence(2.0)
    tracks = [control(50, 25.0, sentence=f"{word} {wish}").track for word in ("barely", "somewhat", "strongly")]
    shown, asked = [], torch.stack([track.intensity[-1] for track in tracks])
    for track in tracks:
        motion = RuleConfig().build()(audio, phones, prompt=track)
        shown.append(au_displacements(load_generic(), face_vertices(load_generic(), motion)).median(0).values)
    own = AU_INDEX[unit] if unit in AU_INDEX else AU_INDEX[unit + "L"]
    expected, found = rig_displacements(load_generic(), asked)[:, own], torch.stack(shown)[:, own]
    slope = (found[2] - found[0]) / (expected[2] - expected[0])
    assert found.diff().min() > 0 and 0.85 < slope < 1.15
