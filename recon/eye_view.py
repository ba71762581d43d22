"""How the camera sees the eyeballs of a tracked head: crops in which a pixel is a direction on the eyeball."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.head.skinning import yaw_pitch_to_rotations
from recon.tracking import Points
from recon.types import TrackedSequence

IRIS_CENTRES = (473, 468)
"""MediaPipe's iris centres, left and right; the four that follow each are its rim."""
_TURN = 0.3
"""Radians by which the eyes are turned to find the balls they turn in."""


@dataclass(frozen=True)
class EyeViews:
    """Where both eyeballs are in every frame, and the axes of their crops: x right, y down the face, z away from the camera."""

    centre: Float[Tensor, "T 2 3"]
    """Eyeball centres (left, right) in camera space, metres."""
    crop_to_camera: Float[Tensor, "T 2 3 3"]
    """Rotations."""
    head_to_crop: Float[Tensor, "T 2 3 3"]
    """Rotations; the head's axes are x to the subject's left, y up, z out of the face."""
    radius: float
    """From an eyeball's centre to its iris, metres: the mean of both."""
    intrinsics: Float[Tensor, "3 3"]
    """Of the camera."""

    def pick(self, index: Int[Tensor, " n"]) -> "EyeViews":
        """Some frames only."""
        return replace(self, centre=self.centre[index], crop_to_camera=self.crop_to_camera[index], head_to_crop=self.head_to_crop[index])

    def to_pixels(self, places: Float[Tensor, "*n 2"]) -> Float[Tensor, "T 2 *n 2"]:
        """Pixels of places in the crops, which are given in eyeball radii from the centre."""
        flat = torch.nn.functional.pad(places.flatten(0, -2), (0, 1)) * self.radius
        in_camera = torch.einsum("tekc,nc->tenk", self.crop_to_camera, flat) + self.centre[:, :, None]
        pixels = in_camera[..., :2] / in_camera[..., 2:] * self.intrinsics.diagonal()[:2] + self.intrinsics[:2, 2]
        return pixels.unflatten(2, places.shape[:-1])

    def to_crops(self, pixels: Float[Tensor, "T 2 n 2"]) -> Float[Tensor, "T 2 n 2"]:
        """Where pixels of the picture are in the crop of their eye, in eyeball radii from its centre."""
        rays = torch.cat([(pixels - self.intrinsics[:2, 2]) / self.intrinsics.diagonal()[:2], torch.ones_like(pixels[..., :1])], -1)
        in_crop = torch.einsum("tekc,tenk->tenc", self.crop_to_camera, rays)
        distance = self.centre.norm(dim=-1)[..., None, None]
        return in_crop[..., :2] / in_crop[..., 2:] * distance / self.radius

    def directions(self, gaze: Float[Tensor, "n 2"]) -> Float[Tensor, "T 2 n 3"]:
        """Where an eye that looks (yaw, pitch) against the head points, in the axes of the crop."""
        return torch.einsum("teij,nj->teni", self.head_to_crop, yaw_pitch_to_rotations(gaze)[..., 2])

    def gaze(self, places: Float[Tensor, "T 2 2"]) -> Float[Tensor, "T 2 2"]:
        """The (yaw, pitch) against the head of eyes whose irises are at `places` in the crops."""
        depth = (1 - places.square().sum(-1, keepdim=True)).clamp_min(0.05).sqrt()
        left, up, forward = torch.einsum("teij,tei->tej", self.head_to_crop, torch.cat([places, -depth], -1)).unbind(-1)
        return torch.stack([torch.atan2(left, forward), -torch.atan2(up, (left.square() + forward.square()).sqrt())], -1)


@torch.no_grad()
def eye_views(tracked: TrackedSequence, points: Points) -> EyeViews:
    """The eyeballs of a tracked clip, found by turning them: it needs no more of a head model than its landmarks.

    Args:
        tracked: identity, camera, and pose of every frame.
        points: the head model reduced to its landmarks.
    """
    ahead, left, right = (_irises(tracked, points, yaw) for yaw in (0.0, _TURN, -_TURN))
    across = left - right
    radius = across.norm(dim=-1, keepdim=True) / (2 * torch.tensor(_TURN).sin())
    middle = (left + right) / 2
    forward = _unit(ahead - middle)
    centre = middle - radius * torch.tensor(_TURN).cos() * forward
    # All eyes of a frame share the head's axes; their mean is steadier than each.
    forward, sideways = _unit(forward.mean(1, keepdim=True)), _unit(across.mean(1, keepdim=True))
    up = _unit(torch.linalg.cross(forward, sideways))
    head_to_camera = torch.stack([torch.linalg.cross(up, forward), up, forward], -1)  # [T, 1, 3, 3]
    away = _unit(centre)
    down = _unit(-up - away * (-up * away).sum(-1, keepdim=True))
    crop_to_camera = torch.stack([torch.linalg.cross(down, away), down, away], -1)
    return EyeViews(centre, crop_to_camera, crop_to_camera.mT @ head_to_camera, float(radius.mean()), tracked.camera.intrinsics[0])


def pick_points(points: Float[Tensor, "T 478 2"], left: Sequence[int], right: Sequence[int]) -> Float[Tensor, "T 2 n 2"]:
    """Landmarks of the left and of the right eye."""
    return torch.stack([points[:, list(left)], points[:, list(right)]], 1)


def _irises(tracked: TrackedSequence, points: Points, yaw: float) -> Float[Tensor, "T 2 3"]:
    gaze = torch.zeros_like(tracked.motion.gaze)
    gaze[..., 0] = yaw
    world = points(tracked.identity, replace(tracked.motion, gaze=gaze))[:, list(IRIS_CENTRES)]
    world_to_camera = tracked.camera.world_to_camera[0]
    return world @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)
