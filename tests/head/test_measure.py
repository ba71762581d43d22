"""The measures: what each one answers to, and that the rigid pose does not matter."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.head.generic import GenericHead, load_generic
from emohead.head.measure import brow_height, corner_height, lid_gap, lip_gap, mouth_width, to_head_frame
from emohead.types import HeadMotion


@pytest.fixture(scope="module")
def head() -> GenericHead:
    return load_generic()


def posed(head: GenericHead, *, turned: bool = False, **values: float) -> torch.Tensor:
    motion = HeadMotion.neutral(1, 25.0)
    for name, value in values.items():
        motion.rig[0, RIG_INDEX[name]] = value
    if turned:
        motion = replace(
            motion,
            head_rotation=torch.tensor([[0.3, -0.4, 0.2]]),
            torso_rotation=torch.tensor([[0.1, 0.3, 0.0]]),
            translation=torch.tensor([[0.2, -0.1, 0.4]]),
        )
    with torch.no_grad():
        return head(head.identity(), motion).vertices


def test_at_rest(head: GenericHead):
    rest = posed(head)
    assert torch.allclose(to_head_frame(head, rest), rest, atol=1e-5)
    assert float(lip_gap(head, rest)) < 1e-4
    assert torch.allclose(lid_gap(head, rest), torch.tensor([[0.009, 0.009]]), atol=0.002)
    assert 0.04 < float(mouth_width(head, rest)) < 0.06


@pytest.mark.parametrize("measure", [lip_gap, lid_gap, brow_height, mouth_width, corner_height])
def test_the_rigid_pose_does_not_matter(head: GenericHead, measure: Callable[[GenericHead, torch.Tensor], torch.Tensor]):
    values = {"jawOpen": 0.4, "eyeBlinkLeft": 0.3, "browInnerUp": 0.5, "mouthSmileRight": 0.6}
    assert torch.allclose(measure(head, posed(head, turned=True, **values)), measure(head, posed(head, **values)), atol=2e-4)


def test_lip_gap_grows_with_the_jaw(head: GenericHead):
    gaps = torch.cat([lip_gap(head, posed(head, jawOpen=amount)) for amount in (0.0, 0.1, 0.3, 0.6, 1.0)])
    assert bool((gaps.diff() > 0.001).all())


def test_lid_gap_shrinks_evenly_with_a_blink_of_its_own_eye(head: GenericHead):
    gaps = torch.cat([lid_gap(head, posed(head, eyeBlinkLeft=amount)) for amount in (0.0, 0.25, 0.5, 0.75, 1.0)])
    assert bool((gaps[:, 0].diff() < -0.001).all())
    assert float(gaps[-1, 0]) < 1e-4
    assert float((gaps[:, 1] - gaps[0, 1]).abs().max()) < 1e-5


def test_brows_answer_by_side_and_end(head: GenericHead):
    rest = brow_height(head, posed(head))[0]
    inner = brow_height(head, posed(head, browInnerUp=1.0))[0] - rest
    left = brow_height(head, posed(head, browOuterUpLeft=1.0))[0] - rest
    assert float(inner[:, 0].min()) > 0.003
    assert bool((inner[:, 0] > inner[:, 1]).all())
    assert float(left[0, 1]) > 0.003
    assert float(left[1].abs().max()) < 5e-4


def test_corners_and_width_answer_to_smile_and_pucker(head: GenericHead):
    rest, width = corner_height(head, posed(head))[0], float(mouth_width(head, posed(head)))
    smile = corner_height(head, posed(head, mouthSmileLeft=1.0))[0] - rest
    frown = corner_height(head, posed(head, mouthFrownLeft=1.0))[0] - rest
    assert float(smile[0]) > 0.003
    assert abs(float(smile[1])) < 5e-4
    assert float(frown[0]) < -0.001
    assert float(mouth_width(head, posed(head, mouthSmileLeft=1.0, mouthSmileRight=1.0))) > width + 0.003
    assert float(mouth_width(head, posed(head, mouthPucker=1.0))) < width - 0.003
