"""The reduced head of the tracker says the same as the whole head."""

import torch

from emohead.channels import RIG_INDEX
from emohead.head.generic import load_generic
from emohead.types import HeadIdentity, HeadMotion
from recon.landmark_head import landmark_points


def test_reduced_landmarks_equal_the_whole_heads():
    head, generator = load_generic(), torch.Generator().manual_seed(0)
    motion = HeadMotion.neutral(3, 25.0)
    for name in ("jawOpen", "mouthSmileLeft", "browInnerUp", "mouthPucker", "eyeSquintRight"):
        motion.rig[:, RIG_INDEX[name]] = torch.rand(3, generator=generator)
    motion.head_rotation.normal_(0, 0.2, generator=generator)
    motion.gaze.normal_(0, 0.1, generator=generator)
    identity = HeadIdentity(torch.randn(head.n_shape, generator=generator) * 0.5, torch.zeros_like(head.neutral))
    whole = head.landmarks(head(identity, motion).vertices, "mediapipe478")
    difference = (landmark_points(head)(identity, motion) - whole).norm(dim=-1)
    assert difference.max() < 5e-4 and difference.mean() < 2e-5  # metres; lids are not pushed out of the eyeballs


def test_identity_and_motion_get_gradients():
    head = load_generic()
    shape = torch.zeros(head.n_shape, requires_grad=True)
    points = landmark_points(head)(HeadIdentity(shape, torch.zeros_like(head.neutral)), HeadMotion.neutral(1, 25.0))
    points.square().sum().backward()
    assert shape.grad is not None and shape.grad.abs().min() > 0
