"""An avatar measured on a clip of itself: all scores must be near their best, and what does not belong together is refused."""

import json
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

from emohead.channels import RIG_INDEX
from emohead.commands.evaluate import EvaluateRecon, seen_in_training
from emohead.errors import InputError
from emohead.types import HeadMotion
from recon.contact_sheet import to_bytes
from recon.cross_reenactment import score_cross
from recon.evaluation import EvaluationConfig, Test, evaluate, follow
from recon.evaluation_sheets import write_cross_sheet, write_evaluation_sheets
from recon.evaluation_table import table
from recon.landmarks import detect_landmarks
from recon.refinement import refine_motion
from recon.subject import Subject, project
from recon.types import FaceLandmarks, Footage, FrameSet, TrackedSequence
from tests.shared import shared_data

Test.__test__ = False  # type: ignore[attr-defined]
N_FRAMES, N_HELD_OUT, FPS = 22, 6, 25.0


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject.load("demo", device="cpu")


@pytest.fixture(scope="module")
def motion() -> HeadMotion:
    """At rest, then a smile, an opening mouth, a blink and a turn."""
    motion = HeadMotion.neutral(N_FRAMES, FPS)
    phase = torch.linspace(0, 2.8 * math.pi, N_FRAMES - 4).sin()
    motion.rig[4:, RIG_INDEX["jawOpen"]] = 0.5 * phase.clamp_min(0)
    for side in ("Left", "Right"):
        motion.rig[4:, RIG_INDEX["mouthSmile" + side]] = 0.6 * phase.clamp_max(0).abs()
    motion.head_rotation[4:, 1] = 0.15 * phase
    return motion


@pytest.fixture(scope="module")
def footage(subject: Subject, motion: HeadMotion) -> Footage:
    """The demo avatar filmed before its own background, its landmarks those of its mesh."""
    images = torch.stack([to_bytes(subject.draw(motion.frames(frame, frame + 1))) for frame in range(N_FRAMES)])
    points = project(subject.landmarks(subject.renderer.avatar.identity, motion), subject.renderer.avatar.camera)
    held_out = torch.arange(N_FRAMES) >= N_FRAMES - N_HELD_OUT
    mattes = torch.full(images.shape[:3], 255, dtype=torch.uint8)
    frames = FrameSet(FPS, images, mattes, torch.arange(N_FRAMES), held_out)
    return Footage(frames, FaceLandmarks(points, motion.rig.clone()), held_out, subject.renderer.avatar.camera, ("a note",))


def _known(subject: Subject, motion: HeadMotion) -> TrackedSequence:
    avatar = subject.renderer.avatar
    return TrackedSequence(FPS, avatar.camera, avatar.identity, motion, torch.ones(motion.n_frames))


def test_an_avatar_is_as_good_as_its_own_pictures(networks, subject, motion, footage, tmp_path):
    """With the true motion only rounding to bytes is left; what the landmarker reads from both is the same."""
    result = evaluate(subject, footage, _known(subject, motion), config=EvaluationConfig(train_frames=3))
    figures = result.figures
    assert figures["held_out_frames"] == N_HELD_OUT and figures["train_frames"] == 3
    assert figures["held_out_full_psnr_db"] > 50 and figures["held_out_face_ssim"] > 0.998
    assert abs(figures["gap_full_psnr_db"]) < 5 and figures["oracle_face_psnr_db"] < figures["held_out_face_psnr_db"] - 10
    assert figures["drawn_frames_without_face"] == 0 and figures["lmd_px"] < 2 and figures["akd_px"] < 3
    assert figures["mouth_opening_r"] > 0.9
    assert "a note" in result.notes and any("CSIM" in note for note in result.notes)
    json.dumps(figures)
    printed = table(figures)
    assert "held-out frames" in printed and "oracle" in printed and "novel" not in printed
    for file in write_evaluation_sheets(result, footage.landmarks, tmp_path):
        assert min(Image.open(file).size) > 100


def test_a_motion_that_is_off_costs_and_is_found_again_on_the_pixels(subject, motion, footage):
    test = Test.of(subject, footage, _known(subject, motion))
    picture = test.scored[1]
    off = replace(test.motion_of(picture), translation=test.motion_of(picture).translation + torch.tensor([[0.002, -0.001, 0.0]]))
    off.rig[0, RIG_INDEX["jawOpen"]] += 0.1
    before = test.sample(picture, off, []).score
    truth = test.truth(picture).float() / 255.0
    after = test.sample(picture, refine_motion(subject, off, truth, test.face(picture), steps=12), []).score
    assert before.full_psnr_db < 45 and after.full_psnr_db > before.full_psnr_db + 2
    assert after.face_psnr_db > before.face_psnr_db + 2


def test_landmarks_lead_to_the_motion(subject, motion, footage):
    tracked = follow(subject, footage, eyes=False)
    assert tracked.identity is subject.renderer.avatar.identity
    assert (tracked.motion.head_rotation - motion.head_rotation).abs().max() < 0.05
    assert (tracked.motion.rig - motion.rig)[:, RIG_INDEX["jawOpen"]].abs().max() < 0.25


def test_frames_without_a_face_are_left_out_and_counted(subject, motion, footage):
    points = footage.landmarks.points.clone()
    points[-2] = torch.nan
    test = Test.of(subject, replace(footage, landmarks=FaceLandmarks(points, footage.landmarks.scores)), _known(subject, motion))
    assert len(test.scored) == N_HELD_OUT - 1 and test.without_face == 1
    points[-N_HELD_OUT:] = torch.nan
    blind = replace(footage, landmarks=FaceLandmarks(points, footage.landmarks.scores))
    with pytest.raises(InputError, match="no held-out frame of this clip shows a face"):
        evaluate(subject, blind, _known(subject, motion))


def test_a_clip_of_another_size_or_person_is_refused(subject, footage):
    smaller = replace(footage.frames, images=footage.frames.images[:, :256, :256].contiguous(), mattes=footage.frames.mattes[:, :256, :256])
    with pytest.raises(InputError, match="512x512 pixels and this clip gives 256x256"):
        follow(subject, replace(footage, frames=smaller))
    points = footage.landmarks.points.clone()
    middle = points.mean((0, 1))
    stretched = FaceLandmarks((points - middle) * torch.tensor([0.5, 1.6]) + middle, footage.landmarks.scores)
    with pytest.raises(InputError, match="not the avatar's"):
        follow(subject, replace(footage, landmarks=stretched), eyes=False)


def test_another_clip_drives_the_avatar(networks, subject, footage, tmp_path):
    found = replace(footage, landmarks=detect_landmarks(footage.frames.images))
    scores = score_cross(subject, found)
    assert scores.figures["cross_frames"] == N_FRAMES and scores.figures["cross_frames_without_face"] == 0
    assert scores.figures["cross_mouth_opening_r"] > 0.8 and scores.figures["cross_head_yaw_r"] > 0.9
    assert write_cross_sheet(scores, tmp_path).is_file()


def test_the_command_refuses_bad_targets_before_it_works(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="is a file"):
        EvaluateRecon(avatar="demo", video=file, sheets=file).run()
    with pytest.raises(InputError, match="does not exist"):
        EvaluateRecon(avatar="demo", video=file, json=tmp_path / "no" / "x.json").run()
    with pytest.raises(InputError):
        EvaluateRecon(avatar="demo", video=file).run()


def test_a_split_longer_than_the_clip_is_refused_before_the_clip_is_read():
    clip = shared_data("videos/single_face.mp4")
    with pytest.raises(InputError, match="--split flashavatar500 holds out 500"):
        EvaluateRecon(avatar="demo", video=clip, split="flashavatar500").run()


def test_frames_that_trained_are_not_called_held_out(footage, tmp_path):
    avatar = tmp_path / "me.emo"
    assert seen_in_training(str(avatar), footage) == ()
    beside = tmp_path / "me.emo.json"
    for hold_out, warned in ((N_HELD_OUT / N_FRAMES, False), (0.5, False), (0.1, True), (0, True), ("?", False)):
        beside.write_text(json.dumps({"hold_out": hold_out}))
        assert bool(seen_in_training(str(avatar), footage)) == warned
    beside.write_text("{")
    assert seen_in_training(str(avatar), footage) == ()
