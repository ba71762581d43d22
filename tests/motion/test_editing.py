"""Editing a performance: what is promised to stay stays, what is asked for is met."""

from dataclasses import replace

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.motion.articulation import frame_times
from emohead.motion.diffusion_engine import DiffusionEngine
from emohead.motion.diffusion_model import DiffusionModel
from emohead.motion.editing import KEY_SURROUNDINGS, MARGIN, Edit, Keyframe, edited, vectors_of
from emohead.motion.motion_training import default_network
from emohead.motion.rules import RuleConfig
from emohead.motion.sampling import SamplingConfig
from emohead.motion.vector import N_CHANNELS, MotionScale, to_motion
from emohead.types import HeadMotion, PhoneSegment, Waveform

pytest.importorskip("diffusers")
FPS = 25.0
AUDIO = Waveform(0.1 * torch.randn(64000, generator=torch.Generator().manual_seed(4)), 16000)
SPEECH = [PhoneSegment("aa", 0.2 + 0.3 * i, 0.4 + 0.3 * i) for i in range(11)]
FIELDS = ("rig", "head_rotation", "torso_rotation", "translation", "gaze")


@pytest.fixture(scope="module")
def engine() -> DiffusionEngine:
    torch.manual_seed(0)
    denoiser = replace(default_network(), width=32, n_blocks=4, n_heads=2).build()
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1) if parameter.dim() > 1 else None
    scale = MotionScale(torch.full((N_CHANNELS,), 0.2), torch.full((N_CHANNELS,), 0.1))
    return DiffusionEngine(DiffusionModel(denoiser.eval(), scale), SamplingConfig(steps=2))


@pytest.fixture(scope="module")
def original() -> HeadMotion:
    return RuleConfig().build()(AUDIO, SPEECH, fps=FPS, seed=1)


def test_outside_a_span_and_its_margin_not_a_bit_changes(engine: DiffusionEngine, original: HeadMotion):
    result = edited(engine, original, Edit(span=(1.5, 2.5)), AUDIO, SPEECH, seed=3)
    times = (torch.arange(original.n_frames) + 0.5) / FPS
    kept = (times < 1.5 - MARGIN) | (times > 2.5 + MARGIN)
    for name in FIELDS:
        assert torch.equal(getattr(result, name)[kept], getattr(original, name)[kept]), name
    assert float((result.rig - original.rig)[~kept].abs().max()) > 0.01


def test_no_jump_where_old_and_new_meet(engine: DiffusionEngine, original: HeadMotion):
    result = edited(engine, original, Edit(span=(1.5, 2.5), locked=("mouth", "gaze")), AUDIO, SPEECH, seed=3)
    change = result.head_rotation.diff(dim=0).abs().amax(1)
    joints = [round((1.5 - MARGIN) * FPS) - 1, round((2.5 + MARGIN) * FPS) - 1]
    assert all(float(change[joint]) < 0.02 for joint in joints)


def test_locked_channels_stay(engine: DiffusionEngine, original: HeadMotion):
    result = edited(engine, original, Edit(locked=("head", "mouth", "browInnerUp")), AUDIO, SPEECH, seed=3)
    mouth = [index for name, index in RIG_INDEX.items() if name.startswith(("mouth", "jaw", "tongue", "browInnerUp"))]
    assert torch.allclose(result.rig[:, mouth], original.rig[:, mouth], atol=1e-6)
    assert torch.equal(result.head_rotation, original.head_rotation)
    assert float((result.gaze - original.gaze).abs().max()) > 1e-3


def test_keyframes_are_met(engine: DiffusionEngine, original: HeadMotion):
    keys = [Keyframe(1.0, {"mouthSmileLeft": 0.8, "headYaw": 0.3}), Keyframe(2.2, {"browInnerUp": 0.9, "gazeYaw": -0.2})]
    result = edited(engine, original, Edit(keyframes=keys), AUDIO, SPEECH)
    at, then = round(1.0 * FPS - 0.5), round(2.2 * FPS - 0.5)
    assert float(result.rig[at, RIG_INDEX["mouthSmileLeft"]]) == pytest.approx(0.8, abs=0.02)
    assert float(result.head_rotation[at, 1]) == pytest.approx(0.3, abs=0.02)
    assert float(result.rig[then, RIG_INDEX["browInnerUp"]]) == pytest.approx(0.9, abs=0.02)
    assert float(result.gaze[then, :, 0].mean()) == pytest.approx(-0.2, abs=0.02)


def test_keyframes_leave_the_rest_alone(engine: DiffusionEngine, original: HeadMotion):
    edit = Edit(keyframes=[Keyframe(1.0, {"browInnerUp": 0.9})])
    result = edited(engine, original, edit, AUDIO, SPEECH, seed=5)
    far = (frame_times(original.n_frames, FPS) - 1.0).abs() > KEY_SURROUNDINGS + MARGIN
    assert torch.equal(result.rig[far], original.rig[far]) and not torch.equal(result.rig, original.rig)
    whole = edited(engine, original, replace(edit, span=(0.0, original.n_frames / FPS)), AUDIO, SPEECH, seed=5)
    assert not torch.equal(whole.rig[far], original.rig[far])


def test_vectors_of_a_motion_show_it_again(original: HeadMotion):
    back = to_motion(vectors_of(original), FPS)
    lids = [RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"]]
    others = [index for index in range(52) if index not in lids and not list(RIG_INDEX)[index].startswith(("eyeLook", "brow", "cheek"))]
    assert torch.allclose(back.rig[:, others], original.rig[:, others], atol=1e-5)
    assert float((back.rig[:, lids] - original.rig[:, lids]).abs().mean()) < 0.02


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit(locked=("nose",)), "cannot lock 'nose'"),
        (Edit(span=(3.0, 2.0)), "not within the clip"),
        (Edit(span=(1.0, 9.0)), "not within the clip"),
        (Edit(keyframes=[Keyframe(7.0, {"jawOpen": 0.1})]), "keyframe at 7 s is not within"),
        (Edit(keyframes=[Keyframe(1.0, {"jawOpen": 1.4})]), "give a value 0..1"),
        (Edit(keyframes=[Keyframe(1.0, {"smile": 1.0})]), "unknown channel 'smile'"),
    ],
)
def test_edits_that_cannot_be_done_are_refused(engine: DiffusionEngine, original: HeadMotion, edit: Edit, said: str):
    with pytest.raises(InputError, match=said):
        edited(engine, original, edit, AUDIO, SPEECH)
