"""Whether a drawn face moves like the filmed one: the landmarker is run on the drawn pictures, and the tracker on what it finds."""

from dataclasses import replace

import torch

from emohead.metrics.lip import correlation
from emohead.metrics.reenactment import (
    expression_distance,
    face_measures,
    jitter_ratio,
    keypoint_distance,
    mouth_distance,
    pose_distance_deg,
)
from recon.contact_sheet import Picture, to_bytes
from recon.landmarks import N_POINTS, OVAL, detect_landmarks
from recon.scores import Figures
from recon.splits import evenly
from recon.subject import Subject, project
from recon.tracking import track_motion
from recon.types import FaceLandmarks, Footage, TrackedSequence

RUN = 60
"""Consecutive frames that tell how much a drawn face trembles."""
_CHUNK = 200
_REFERENCE = 60
"""Training frames that the tracker is calibrated on."""
MEASURES = ("mouth_opening", "smile_width", "brow_height")


def score_motion(subject: Subject, footage: Footage, tracked: TrackedSequence, frames: list[int], drawn: list[Picture]) -> Figures:
    """LMD, AKD, AED, APD, correlations of face measures, and the ratio of jitter, on the frames of a clip.

    Args:
        subject: the avatar.
        footage: the clip.
        tracked: its motion, every frame.
        frames: frames of the clip that were drawn, ascending.
        drawn: the avatar in these frames.
    """
    index = torch.tensor(frames)
    filmed = _pick(footage.landmarks, index)
    found = detect_landmarks(drawn)
    figures: Figures = {
        "drawn_frames_without_face": int((~found.found).sum()),
        "lmd_px": round(mouth_distance(found.points, filmed.points), 4),
        "lmd_eye_distance": round(mouth_distance(found.points, filmed.points, by_eye_distance=True), 5),
        "akd_px": round(keypoint_distance(found.points, filmed.points), 4),
    }
    figures |= correlations(found, filmed, "")
    figures |= _tracked_distances(subject, footage, index, found)
    return figures | _jitter(subject, footage, tracked, frames, found)


def track_scores(subject: Subject, footage: Footage, tracked: TrackedSequence) -> Figures:
    """The tracker alone: how far its head's landmarks are from the filmed ones, and how much they tremble against them.

    The face's outline is left out of the distance: it slides over the skin when a head turns.
    """
    avatar = subject.renderer.avatar
    parts = [tracked.motion.frames(start, start + _CHUNK) for start in range(0, tracked.motion.n_frames, _CHUNK)]
    points = torch.cat([project(subject.landmarks(avatar.identity, part), avatar.camera) for part in parts])
    inner = [index for index in range(N_POINTS) if index not in OVAL]
    filmed = footage.landmarks.points
    figures: Figures = {"reprojection_px": round(keypoint_distance(points[:, inner], filmed[:, inner]), 4), "track_jitter_ratio": None}
    if len(points) > 2 and bool(torch.isfinite(filmed.diff(n=2, dim=0)).any()):
        figures["track_jitter_ratio"] = round(jitter_ratio(points, filmed), 4)
    return figures


def correlations(drawn: FaceLandmarks, filmed: FaceLandmarks, prefix: str) -> Figures:
    """Pearson's r of mouth opening, smile width and brow height between two clips, over the frames in which both have a face."""
    both = drawn.found & filmed.found
    pair = [face_measures(landmarks.points[both]) for landmarks in (drawn, filmed)]
    return {f"{prefix}{name}_r": round(correlation(pair[0][:, i], pair[1][:, i]), 4) for i, name in enumerate(MEASURES)}


def _tracked_distances(subject: Subject, footage: Footage, index: torch.Tensor, found: FaceLandmarks) -> Figures:
    """Both clips are tracked beside the same training frames, so that what counts as rest is the same."""
    training = torch.nonzero(~footage.held_out & footage.landmarks.found)[:, 0].tolist()
    if not bool(footage.held_out.any()):
        training = []
    reference = torch.tensor(evenly(training, _REFERENCE), dtype=torch.long)
    calibrating = torch.arange(len(reference) + len(index)) < max(1, len(reference))
    if not training:
        calibrating[:] = True
    both = found.found & _pick(footage.landmarks, index).found
    avatar = subject.renderer.avatar
    motions = []
    for landmarks in (found, _pick(footage.landmarks, index)):
        parts = (_pick(footage.landmarks, reference), landmarks)
        whole = FaceLandmarks(torch.cat([part.points for part in parts]), torch.cat([part.scores for part in parts]))
        tracked = track_motion(
            whole, subject.landmarks, fps=footage.frames.fps, camera=avatar.camera, identity=avatar.identity, training=calibrating
        )
        motions.append(tracked.pick(torch.nonzero(both)[:, 0] + len(reference)).motion)
    return {"aed": round(expression_distance(*motions), 5), "apd_deg": round(pose_distance_deg(*motions), 4)}


def _jitter(subject: Subject, footage: Footage, tracked: TrackedSequence, frames: list[int], found: FaceLandmarks) -> Figures:
    """Second differences need consecutive frames; where the scored ones lie apart, the first `RUN` to be scored are drawn as well."""
    index = torch.tensor(frames)
    if len(frames) < 3 or bool((index.diff() > 1).any()):
        scored = footage.held_out if bool(footage.held_out.any()) else torch.ones_like(footage.held_out)
        index = torch.nonzero(scored)[:RUN, 0]
        pictures = (to_bytes(subject.draw(subject.corrected(tracked.motion.frames(frame, frame + 1)))) for frame in index.tolist())
        found = detect_landmarks(pictures)
    filmed = _pick(footage.landmarks, index)
    usable = (found.found & filmed.found).int()
    if len(index) < 3 or not bool((usable[2:] * usable[1:-1] * usable[:-2]).any()):
        return {"jitter_ratio": None, "jitter_frames": len(index)}
    return {"jitter_ratio": round(jitter_ratio(found.points, filmed.points), 4), "jitter_frames": len(index)}


def _pick(landmarks: FaceLandmarks, index: torch.Tensor) -> FaceLandmarks:
    return replace(landmarks, points=landmarks.points[index], scores=landmarks.scores[index])
