"""Another person's motion on an avatar. There is no picture to compare with: what can be asked is whether the face does the same."""

from dataclasses import dataclass

import torch

from emohead.metrics.lip import correlation
from emohead.types import HeadMotion
from recon.contact_sheet import Picture, to_bytes
from recon.landmarks import detect_landmarks
from recon.motion_scores import correlations
from recon.scores import Figures
from recon.splits import Progress, evenly
from recon.subject import Subject
from recon.tracking import track_footage, track_motion
from recon.types import FaceLandmarks, Footage

MOST_FRAMES = 100
"""At most this many evenly spaced frames are drawn."""


@dataclass(frozen=True)
class CrossScores:
    """How well an avatar follows a stranger."""

    figures: Figures
    """Flat keys with units."""
    pairs: tuple[tuple[Picture, Picture], ...]
    """(driver, avatar) of the drawn frames."""


def score_cross(subject: Subject, driver: Footage, *, progress: Progress | None = None) -> CrossScores:
    """Drive an avatar by another clip and compare the expressions that landmarks see, over the frames in which both show a face.

    Args:
        subject: the avatar; what its fit learned of the tracker's bias for its own person is not applied.
        driver: the clip; who is in it, and from where, is found out first.
        progress: told the share done.

    Raises:
        InputError: no face in the clip, or none in the drawn pictures.
    """
    tracked = track_footage(driver, subject.renderer.head, progress=progress)
    found, frames = driver.landmarks.found[driver.frames.index], driver.frames.index
    chosen = evenly(torch.nonzero(found)[:, 0].tolist(), MOST_FRAMES)
    index = frames[torch.tensor(chosen)]
    drawn = [to_bytes(subject.draw(tracked.motion.frames(frame, frame + 1))) for frame in index.tolist()]
    seen = detect_landmarks(drawn)
    filmed = FaceLandmarks(driver.landmarks.points[index], driver.landmarks.scores[index])
    figures: Figures = {"cross_frames": len(chosen), "cross_frames_without_face": int((~seen.found).sum())}
    figures |= correlations(seen, filmed, "cross_")
    figures |= _head_turn(subject, seen, tracked.pick(index).motion, driver.frames.fps)
    images = [driver.frames.images[picture] for picture in chosen]
    return CrossScores(figures, tuple(zip(images, drawn, strict=True)))


def _head_turn(subject: Subject, seen: FaceLandmarks, asked: HeadMotion, fps: float) -> Figures:
    """Pearson's r of the head's pitch and yaw that were asked for with those that the tracker reads from the drawn pictures."""
    avatar = subject.renderer.avatar
    read = track_motion(seen, subject.landmarks, fps=fps, camera=avatar.camera, identity=avatar.identity).motion
    turns = [(motion.head_rotation + motion.torso_rotation)[seen.found] for motion in (read, asked)]
    names = ("pitch", "yaw")
    return {f"cross_head_{name}_r": round(correlation(turns[0][:, i], turns[1][:, i]), 4) for i, name in enumerate(names)}
