"""The AU decoder: pose and size leave its inputs, sides stay sides, and known action units of a synthetic clip come back."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from emohead import assets
from emohead.channels import AU_INDEX, N_RIG, RIG_INDEX, other_side
from emohead.errors import InputError
from emohead.head.generic import load_generic
from emohead.head.skinning import axis_angle_to_rotations
from emohead.types import HeadMotion
from recon.au_decoder import decode_aus, differences, flatten, load_au_decoder, mirrored, read_au_decoder, smoothed
from recon.landmark_head import landmark_points
from recon.landmarks import detect_landmarks
from recon.types import FaceLandmarks
from tests.shared import shared_data

STILL = torch.arange(4)


def filmed(motion: HeadMotion, *, size: float = 800.0) -> FaceLandmarks:
    """The generic head's landmarks by scaled orthography, `size` pixels a metre, as if the landmarker gave the rig itself as scores."""
    head = load_generic()
    points = landmark_points(head)(head.identity(), motion)
    return FaceLandmarks(points[..., :2] * torch.tensor([size, -size]) + 256.0, motion.rig)


def neutral_clip(n_frames: int) -> HeadMotion:
    return HeadMotion.neutral(n_frames, 25.0)


def test_pose_and_size_leave_no_difference():
    motion = neutral_clip(12)
    angles = torch.linspace(-0.5, 0.5, 8)
    motion.torso_rotation[4:] = torch.stack([0.4 * angles, angles, 0.3 * angles], 1)
    motion.translation[4:, 0] = 0.05
    seen = filmed(motion)
    seen.points[8:] *= 1.7
    change, others = differences(load_au_decoder().mean_face, seen, STILL)
    assert change.abs().max() < 0.01
    assert others[:, :N_RIG].abs().max() == 0


def test_flatten_finds_the_rotation():
    motion = neutral_clip(3)
    motion.torso_rotation[1] = torch.tensor([0.0, 0.4, 0.0])
    motion.torso_rotation[2] = torch.tensor([0.2, 0.0, 0.1])
    found = flatten(filmed(motion).points, load_au_decoder().mean_face).rotation
    relative = found @ found[0].T
    true = axis_angle_to_rotations(motion.torso_rotation)
    cosine = ((relative @ true.mT).diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    assert torch.rad2deg(cosine.clamp(-1, 1).acos()).max() < 2.0


def test_a_mirror_image_exchanges_the_sides():
    decoder = load_au_decoder()
    motion = neutral_clip(8)
    motion.rig[4:, RIG_INDEX["eyeBlinkLeft"]] = 0.8
    motion.rig[4:, RIG_INDEX["mouthSmileRight"]] = 0.8
    inputs = differences(decoder.mean_face, filmed(motion), STILL)
    there = decoder(*inputs)
    back = decoder(*mirrored(*inputs, decoder.mirror))
    swap = [decoder.channels.index(other_side(name)) for name in decoder.channels]
    torch.testing.assert_close(back[:, swap], there, atol=1e-5, rtol=0)
    assert (there[4:, decoder.channels.index("AU12R")] > 1.2 * there[4:, decoder.channels.index("AU12L")]).all()
    twice = mirrored(*mirrored(*inputs, decoder.mirror), decoder.mirror)
    torch.testing.assert_close(twice[0], inputs[0])
    torch.testing.assert_close(twice[1], inputs[1])


def test_an_opening_jaw_is_decoded_and_frames_without_a_face_stay_zero():
    motion = neutral_clip(60)
    opened = 0.5 * (1 - torch.cos(torch.linspace(0, 4 * math.pi, 40)))
    motion.rig[20:, RIG_INDEX["jawOpen"]] = 0.6 * opened
    seen = filmed(motion)
    seen.points[30:33], seen.scores[30:33] = torch.nan, torch.nan
    track = decode_aus(seen, fps=25.0)
    assert track.fps == 25.0 and track.n_frames == 60
    assert torch.isfinite(track.intensity).all() and track.intensity.min() >= 0 and track.intensity.max() <= 1
    assert (track.intensity[30:33] == 0).all() and (track.weight[30:33] == 0).all()
    kept = seen.found[20:]
    jaw = track.intensity[20:, AU_INDEX["AU26"]][kept]
    assert torch.corrcoef(torch.stack([jaw, opened[kept]]))[0, 1] > 0.9
    assert (track.weight[0] <= 1).all() and track.weight[0, AU_INDEX["AU26"]] > 0.8
    assert (track.pose_weight == 0).all()


def test_what_has_no_example_comes_from_the_scores_or_stays_zero():
    motion = neutral_clip(40)
    motion.rig[20:, RIG_INDEX["jawLeft"]] = 0.8
    track = decode_aus(filmed(motion), fps=25.0)
    assert track.intensity[25:, AU_INDEX["AU30L"]].min() > 0.4
    assert track.weight[0, AU_INDEX["AU30L"]] < 0.5
    assert (track.intensity[:, AU_INDEX["AU19"]] == 0).all() and (track.weight[:, AU_INDEX["AU19"]] == 0).all()


def test_a_score_that_no_synthetic_head_had_does_not_switch_everything_on():
    motion = neutral_clip(40)
    seen = filmed(motion)
    seen.scores[20:, [RIG_INDEX["noseSneerLeft"], RIG_INDEX["noseSneerRight"], RIG_INDEX["cheekPuff"]]] = 0.8
    decoded = [AU_INDEX[name] for name in load_au_decoder().channels]
    assert (decode_aus(seen, fps=25.0).intensity[25:, decoded] > 0.5).float().mean() < 0.1


def test_smoothing_delays_nothing_and_keeps_to_found_frames():
    values, found = torch.zeros(9, 1), torch.ones(9, dtype=torch.bool)
    values[4] = 1.0
    assert smoothed(values, found)[:, 0].tolist() == [0, 0, 0, 0.25, 0.5, 0.25, 0, 0, 0]
    found[5] = False
    out = smoothed(values, found)
    assert out[4, 0] == pytest.approx(2 / 3) and out[5, 0] == 0


def test_a_clip_without_a_face_is_refused():
    empty = FaceLandmarks(torch.full((3, 478, 2), torch.nan), torch.full((3, N_RIG), torch.nan))
    with pytest.raises(InputError, match="no face was found in any of 3 frames"):
        decode_aus(empty, fps=25.0)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "au_decoder.safetensors"
    path.write_bytes(assets.find("au_decoder.safetensors").read_bytes()[:2000])
    with pytest.raises(InputError, match="not an AU decoder"):
        read_au_decoder(path)


def test_the_decoder_is_small_and_covers_what_it_says():
    decoder = load_au_decoder()
    assert assets.find("au_decoder.safetensors").stat().st_size < 3_000_000
    assert len(decoder.channels) == len(decoder.confidence) == decoder.weights[-1].shape[1] == 31
    assert {other_side(name) for name in decoder.channels} == set(decoder.channels)
    assert torch.equal(decoder.mirror[decoder.mirror], torch.arange(478))


def test_known_action_units_of_a_synthetic_clip(networks):
    """The clip trained nothing. A fifth of its frames, which holds a part of every sweep."""
    from emohead.media import read_video

    folder = shared_data("captures/mei")
    names = json.loads((folder / "capture.json").read_text())["au_names"]
    with np.load(folder / "ground_truth.npz", allow_pickle=False) as data:
        truth = torch.from_numpy(data["au"])
    chosen = [number for number in range(190) if number < 10 or number % 2]
    frames = {number: frame.rgb for number, frame in enumerate(read_video(folder / "mei.mp4")) if number in set(chosen)}
    landmarks = detect_landmarks(frames[number] for number in chosen)
    track = decode_aus(replace(landmarks), fps=12.5, smooth=False)
    for unit, channels, least in (("AU26", ("AU26",), 0.9), ("AU45", ("AU43L", "AU43R"), 0.85), ("AU18", ("AU18",), 0.8)):
        found = track.intensity[:, [AU_INDEX[name] for name in channels]].mean(1)
        true = truth[chosen, names.index(unit)]
        assert torch.corrcoef(torch.stack([found, true]))[0, 1] > least, unit
