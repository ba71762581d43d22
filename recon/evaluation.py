"""How good an avatar is: driven by a clip's landmarks and compared with the clip's pictures, picture by picture and motion by motion.

Self-reenactment: the clip is tracked with the avatar's identity and camera; of a held-out frame only its landmarks are used. Pictures are
compared over the avatar's flat background. Scores are means over at most `most_frames` evenly spaced frames.
"""

import time
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError
from emohead.metrics.perceptual import NETWORKS, Perceptual, lpips, why_not
from emohead.types import HeadMotion
from recon.contact_sheet import Picture, to_bytes
from recon.landmarks import crop_box
from recon.motion_scores import score_motion, track_scores
from recon.refinement import refine_motion
from recon.scores import Box, Figure, Figures, PictureScore, mean_scores, score_picture
from recon.splits import Progress, evenly
from recon.subject import Subject, project
from recon.targets import clean_plate, over_flat_background
from recon.tracking import FOR_AVATARS, track_motion
from recon.types import Footage, FrameSet, TrackedSequence

MISFIT = 0.08
"""Median error of the tracked landmarks, as a share of the face's size, beyond which a clip does not show the avatar's person."""


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured."""

    driver: Literal["landmarks", "photometric"] = "landmarks"
    """`photometric` also measures with each test frame's motion refined on its own pixels."""
    eyes: bool = True
    """Gaze as the training pictures' eyes explain the landmarks, not from the landmarks alone."""
    most_frames: int = 150
    """At most this many held-out frames are scored."""
    train_frames: int = 40
    """At most this many training frames are scored."""
    refined_frames: int = 20
    """At most this many held-out frames are also driven photometrically."""
    refine_steps: int = 15
    """Steps of the photometric driver per frame."""


@dataclass(frozen=True)
class Sample:
    """One scored frame, for people to look at."""

    score: PictureScore
    """Its scores."""
    drawn: Picture
    """The avatar."""
    truth: Picture
    """The clip over the avatar's background."""
    face: Box
    """Where the face is."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured."""

    figures: Figures
    """Flat keys with units."""
    samples: tuple[Sample, ...]
    """The scored held-out frames (all frames where none are held out)."""
    notes: tuple[str, ...]
    """What a reader of the figures should know, one line each."""


def follow(subject: Subject, footage: Footage, *, eyes: bool = True) -> TrackedSequence:
    """The clip's motion as the avatar's head model explains its landmarks, the tracker's bias for this person not yet taken off.

    Args:
        subject: whose identity and camera are kept.
        footage: the clip.
        eyes: learn gaze from the training pictures.

    Raises:
        InputError: the pictures have another size than the avatar's, or show somebody else.
    """
    avatar = subject.renderer.avatar
    height, width = footage.frames.images.shape[1:3]
    if (width, height) != (avatar.camera.width, avatar.camera.height):
        raise InputError(
            f"the avatar was made from pictures of {avatar.camera.width}x{avatar.camera.height} pixels and this clip gives "
            f"{width}x{height}; give the clip it was made from"
        )
    points, training = subject.landmarks, ~footage.held_out
    tracked = track_motion(
        footage.landmarks,
        points,
        fps=footage.frames.fps,
        camera=avatar.camera,
        identity=avatar.identity,
        training=training,
        config=FOR_AVATARS,
    )
    _check_fit(subject, footage, tracked)
    if not eyes:
        return tracked
    from recon.eyes import refine_eyes

    seen = torch.tensor(footage.frames.training)
    pictures = (footage.frames.images[index] for index in footage.frames.training)
    return refine_eyes(pictures, footage.landmarks, tracked, points, index=footage.frames.index[seen])


def evaluate(
    subject: Subject,
    footage: Footage,
    tracked: TrackedSequence,
    *,
    config: EvaluationConfig | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score an avatar on a clip.

    Args:
        subject: the avatar.
        footage: the clip.
        tracked: `follow(subject, footage)`, or what the avatar was made with.
        config: what is measured.
        progress: told the share done.

    Raises:
        InputError: no frame with a face is to be scored.
    """
    config = config or EvaluationConfig()
    test = Test.of(subject, footage, tracked)
    chosen = evenly(test.scored, config.most_frames)
    if not chosen:
        raise InputError("no held-out frame of this clip shows a face; use another --split")
    measures = [lpips(network) for network in NETWORKS]
    prefix = "held_out" if bool(footage.held_out.any()) else "clip"
    begin = time.perf_counter()
    samples = []
    for count, row in enumerate(chosen):
        _tell(progress, 0.6 * count / len(chosen), "drawing held-out frames")
        samples.append(test.sample(row, test.motion_of(row), measures))
    scores = [sample.score for sample in samples]
    figures: Figures = {"gaussians": subject.renderer.avatar.n_gaussians, "footage_frames": len(footage.held_out)}
    figures |= mean_scores(scores, prefix, networks=NETWORKS)
    figures["scored_frames_without_face"] = test.without_face
    if prefix == "held_out":
        figures |= _against_training(test, chosen, figures, config)
    _tell(progress, 0.7, "comparing motion")
    figures |= track_scores(subject, footage, tracked)
    figures |= score_motion(subject, footage, tracked, [int(footage.frames.index[row]) for row in chosen], [s.drawn for s in samples])
    if config.driver == "photometric":
        figures |= _photometric(test, samples, chosen, config, progress)
    figures |= _speed(test, chosen)
    figures["evaluation_s"] = round(time.perf_counter() - begin, 1)
    return Evaluation(figures, tuple(samples), _notes(test, len(chosen)))


@dataclass(frozen=True)
class Test:
    """A clip's pictures over the avatar's background, and the motion that goes with each of them."""

    subject: Subject
    footage: Footage
    tracked: TrackedSequence
    """Of every frame of the clip."""
    plate: Float[Tensor, "H W 3"]
    """The clip's empty background."""
    scored: list[int]
    """Pictures (not frames) to score: held out, or all where none are; with a face."""
    without_face: int
    """Pictures left out because no face was found in them."""

    @classmethod
    def of(cls, subject: Subject, footage: Footage, tracked: TrackedSequence) -> "Test":
        """Choose the pictures to score."""
        frames = footage.frames
        chosen = frames.held_out if bool(footage.held_out.any()) else torch.ones_like(frames.held_out)
        found = footage.landmarks.found[frames.index]
        scored = torch.nonzero(chosen & found)[:, 0].tolist()
        return cls(subject, footage, tracked, clean_plate(frames), scored, int((chosen & ~found).sum()))

    def truth(self, picture: int) -> Picture:
        """One picture of the clip over the avatar's background."""
        return self._over_background(picture, 1)

    def sparse(self, picture: int) -> Float[Tensor, " p"]:
        """Every fourth row and column of the same, as one row: enough to tell which pictures are alike."""
        return self._over_background(picture, 4).float().flatten()

    def _over_background(self, picture: int, stride: int) -> Picture:
        frames, chosen, thin = self.footage.frames, slice(picture, picture + 1), slice(None, None, stride)
        one = FrameSet(
            frames.fps,
            frames.images[chosen, thin, thin],
            frames.mattes[chosen, thin, thin],
            frames.index[chosen],
            frames.held_out[chosen],
        )
        return over_flat_background(one, self.plate[thin, thin], self.subject.renderer.avatar.background.cpu())[0]

    def motion_of(self, picture: int) -> HeadMotion:
        """What the landmarks of that frame say the head does."""
        frame = int(self.footage.frames.index[picture])
        return self.subject.corrected(self.tracked.motion.frames(frame, frame + 1))

    def face(self, picture: int) -> Box:
        """Where the face is."""
        height, width = self.footage.frames.images.shape[1:3]
        return crop_box(self.footage.landmarks.points[self.footage.frames.index[picture]], width, height)

    def sample(self, picture: int, motion: HeadMotion, measures: list[Perceptual | None]) -> Sample:
        """Draw one picture and compare it."""
        truth, face, drawn = self.truth(picture), self.face(picture), self.subject.draw(motion)
        frame = int(self.footage.frames.index[picture])
        score = score_picture(drawn, truth.float() / 255.0, face, frame=frame, perceptual=measures)
        return Sample(score, to_bytes(drawn), truth, face)


def _against_training(test: Test, chosen: list[int], figures: Figures, config: EvaluationConfig) -> Figures:
    """Training frames drawn the same way, what they are better by, and the training frame nearest to each held-out one, copied."""
    frames = test.footage.frames
    found = test.footage.landmarks.found[frames.index]
    usable = [picture for picture in frames.training if bool(found[picture])]
    trained = [test.sample(picture, test.motion_of(picture), []).score for picture in evenly(usable, config.train_frames)]
    result = mean_scores(trained, "train")
    for key in ("full_psnr_db", "face_psnr_db"):
        result[f"gap_{key}"] = _difference(result[f"train_{key}"], figures[f"held_out_{key}"])
    small = {picture: test.sparse(picture) for picture in [*frames.training, *chosen]}
    training = torch.stack([small[picture] for picture in frames.training])
    oracle = []
    for picture in chosen:
        truth = test.truth(picture)
        nearest = int(torch.cdist(small[picture][None], training).argmin())
        copied = test.truth(frames.training[nearest])
        oracle.append(score_picture(copied.float() / 255.0, truth.float() / 255.0, test.face(picture)))
    return result | mean_scores(oracle, "oracle")


def _photometric(test: Test, samples: list[Sample], chosen: list[int], config: EvaluationConfig, progress: Progress | None) -> Figures:
    """Some of the frames again, their motion refined on their own pixels, and what that brings on these frames."""
    some = evenly(list(range(len(chosen))), config.refined_frames)
    refined = []
    for count, which in enumerate(some):
        _tell(progress, 0.75 + 0.25 * count / len(some), "refining motion on test frames")
        picture, truth = chosen[which], samples[which].truth.float() / 255.0
        motion = refine_motion(test.subject, test.motion_of(picture), truth, test.face(picture), steps=config.refine_steps)
        refined.append(test.sample(picture, motion, []).score)
    figures = mean_scores(refined, "photometric")
    before = mean_scores([samples[which].score for which in some], "before")
    for key in ("full_psnr_db", "face_psnr_db"):
        figures[f"photometric_gain_{key}"] = _difference(figures[f"photometric_{key}"], before[f"before_{key}"])
    return figures


def _speed(test: Test, chosen: list[int]) -> Figures:
    begin, count = time.perf_counter(), 0
    while count < 20:
        test.subject.draw(test.motion_of(chosen[count % len(chosen)]))
        count += 1
    return {"draw_fps": round(count / (time.perf_counter() - begin), 1)}


def _notes(test: Test, n_scored: int) -> tuple[str, ...]:
    notes = list(test.footage.notes)
    if n_scored < len(test.scored):
        notes.append(f"{n_scored} evenly spaced frames of {len(test.scored)} were scored")
    for network in NETWORKS:
        missing = why_not(network)
        if missing:
            notes.append(f"LPIPS ({network}) not available: {missing}")
    notes.append("CSIM not available: its face recogniser's weights are not free to use")
    return tuple(notes)


def _check_fit(subject: Subject, footage: Footage, tracked: TrackedSequence) -> None:
    avatar, found = subject.renderer.avatar, footage.landmarks.found
    index = torch.tensor(evenly(torch.nonzero(found)[:, 0].tolist(), 60))
    some = tracked.pick(index).motion
    seen = project(subject.landmarks(avatar.identity, some), avatar.camera)
    truth = footage.landmarks.points[index]
    size = (truth.amax(1) - truth.amin(1)).prod(1).sqrt()
    error = float(((seen - truth).norm(dim=-1).median(1).values / size).median())
    if error > MISFIT:
        raise InputError(
            f"the face of this clip is not the avatar's: its landmarks are off by {100 * error:.0f} % of the face; "
            "give the clip the avatar was made from, and others as --cross"
        )


def _difference(first: Figure, second: Figure) -> float | None:
    return round(first - second, 4) if isinstance(first, float) and isinstance(second, float) else None


def _tell(progress: Progress | None, share: float, text: str) -> None:
    if progress:
        progress(share, text)
