"""What every controller keeps to; a test class of a controller inherits this and supplies `make`."""

import torch

from controllers.base import AnyController
from emohead.channels import N_AU


class ControllerContract:
    """Length, ranges, weights, smoothness in the seed: the same for every controller."""

    jumps_at_start = False
    """Whether the controller is on from the first frame (sliders) instead of fading in."""

    def make(self) -> AnyController:
        """A controller that asks for something."""
        raise NotImplementedError

    def test_the_track_has_the_asked_length_and_rate(self):
        for n_frames, fps in ((0, 25.0), (1, 25.0), (37, 25.0), (90, 30.0)):
            track = self.make()(n_frames, fps)
            assert (track.n_frames, track.fps) == (n_frames, fps)
            assert track.intensity.shape == track.weight.shape == (n_frames, N_AU)
            assert track.gaze.shape == track.pose_weight.shape == (n_frames, 2)
            assert track.head_rotation.shape == (n_frames, 3)

    def test_values_are_in_range(self):
        track = self.make()(100, 25.0)
        for values in (track.intensity, track.weight, track.pose_weight):
            assert values.min() >= 0.0 and values.max() <= 1.0
        assert track.gaze.abs().max() <= 0.7 and track.head_rotation.abs().max() <= 0.8

    def test_nothing_has_intensity_that_was_not_asked_for(self):
        track = self.make()(100, 25.0)
        assert track.weight.max() > 0.9
        assert (track.weight == 0).any(dim=0).any(), "no controller asks for every channel"
        assert track.intensity[track.weight == 0].abs().max() < 1e-3

    def test_the_same_controller_makes_the_same_track(self):
        one, other = self.make()(80, 25.0), self.make()(80, 25.0)
        assert torch.equal(one.intensity, other.intensity) and torch.equal(one.weight, other.weight)
        assert torch.equal(one.gaze, other.gaze) and torch.equal(one.head_rotation, other.head_rotation)

    def test_it_does_not_jump(self):
        track = self.make()(200, 50.0)
        assert track.intensity.diff(dim=0).abs().max() < 0.25
        assert self.jumps_at_start or track.intensity[0].max() < 0.01
