"""What is asked of one side is shown on one side, and what is asked of the upper face is shown as asked."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from emohead.channels import AU_INDEX, N_AU, RIG_INDEX
from emohead.data.motion_corpus import N_PROMPT, prompt_columns
from emohead.motion.asked import Asked
from emohead.motion.vector import INDEX, N_CHANNELS, MotionScale, columns_of
from emohead.types import AUTrack

TALKING = torch.ones(1, 20)
SCALE = MotionScale(torch.full((N_CHANNELS,), 0.1), torch.full((N_CHANNELS,), 0.25))


def asked(**units: float) -> torch.Tensor:
    track = AUTrack.neutral(20, 25.0)
    for name, value in units.items():
        track.intensity[:, AU_INDEX[name]] = value
        track.weight[:, AU_INDEX[name]] = 1.0
    return prompt_columns(track)[None]


def shown(motion: torch.Tensor, name: str) -> list[float]:
    return [round(float(motion[0, 20, INDEX[f"{name}{side}"]]), 3) for side in ("Left", "Right")]


def half_smile() -> torch.Tensor:
    motion = torch.zeros(1, 40, N_CHANNELS)
    motion[..., INDEX["mouthSmileLeft"]], motion[..., INDEX["mouthSmileRight"]] = 0.5, 0.4
    motion[..., INDEX["jawOpen"]] = 0.3
    return motion


def test_while_somebody_speaks_the_difference_is_set_and_the_mean_is_kept():
    sides = Asked.of(asked(AU12L=0.8), 40, TALKING)
    assert sides is not None
    motion = SCALE.grow(sides.set_in(SCALE.shrink(half_smile()), SCALE))
    left, right = shown(motion, "mouthSmile")
    assert left - right == pytest.approx(float(sides.difference[0, 20].max()), abs=0.01) and left + right == pytest.approx(0.9, abs=0.01)
    assert float((motion - half_smile())[..., INDEX["jawOpen"]].abs().max()) < 1e-5


def test_left_and_right_are_mirror_images():
    one, other = (Asked.of(asked(**{name: 0.8}), 40) for name in ("AU43L", "AU43R"))
    assert one is not None and other is not None
    assert torch.equal(one.difference, -other.difference) and torch.equal(one.share, other.share)


def test_a_mouth_that_speaks_is_left_to_the_network_and_one_that_does_not_does_what_was_asked():
    units = {"AU12L": 0.8, "AU12R": 0.8, "AU17": 0.5}
    speaking, silent = Asked.of(asked(**units), 40, TALKING), Asked.of(asked(**units), 40, 0.0 * TALKING)
    assert speaking is not None and silent is not None
    motion = SCALE.grow(speaking.set_in(SCALE.shrink(half_smile()), SCALE))
    assert torch.allclose(motion[..., columns_of("mouth")], half_smile()[..., columns_of("mouth")], atol=1e-5)
    motion = SCALE.grow(silent.set_in(SCALE.shrink(half_smile()), SCALE))
    assert shown(motion, "mouthSmile") == pytest.approx([0.8, 0.8], abs=0.02)
    assert Asked.of(torch.zeros(1, 20, N_PROMPT), 40) is None


def test_what_nobody_asked_of_the_face_is_told_apart():
    wish = Asked.of(asked(AU4L=0.5), 40)
    assert wish is not None
    free = {name for name in INDEX if float(wish.others[0, 20, INDEX[name]]) == 1.0}
    assert {"browInnerUp", "eyeWideLeft", "noseSneerRight", "jawOpen", "mouthSmileLeft"} <= free
    assert not free & {"browDownLeft", "browDownRight", "headYaw", "blink"}, "a wish for one side concerns both"


def test_brows_do_what_was_asked_and_the_others_what_they_like():
    motion = torch.zeros(1, 40, N_CHANNELS)
    motion[..., INDEX["browInnerUp"]], motion[..., INDEX["browDownLeft"]], motion[..., INDEX["cheekSquintLeft"]] = 0.7, 0.3, 0.1

    def made(**units: float) -> torch.Tensor:
        one = Asked.of(asked(**units), 40)
        assert one is not None
        return SCALE.grow(one.set_in(SCALE.shrink(motion), SCALE))[0, 20]

    raised, rest, half = made(AU1L=0.4, AU1R=0.4), made(AU1L=0.0, AU1R=0.0), made(AU9L=0.5, AU9R=0.5)
    assert float(raised[INDEX["browInnerUp"]]) == pytest.approx(0.4, abs=1e-4)
    assert float(rest[INDEX["browInnerUp"]]) == pytest.approx(0.0, abs=1e-4)
    assert float(half[INDEX["noseSneerLeft"]]) == pytest.approx(0.5, abs=1e-4)
    for name in ("browInnerUp", "browDownLeft", "cheekSquintLeft"):
        assert float(half[INDEX[name]]) >= float(motion[0, 20, INDEX[name]]) - 1e-4


def test_a_wish_that_fades_lets_go():
    prompt = asked(AU12L=0.8)
    prompt[:, 10:, : 2 * N_AU] = 0.0
    sides = Asked.of(prompt, 40)
    assert sides is not None and float(sides.share[0, 5].max()) == 1.0 and float(sides.share[0, 30].max()) == 0.0


@pytest.fixture(scope="module")
def say_nothing():
    """Two silent seconds drawn from the diffusion that ships."""
    pytest.importorskip("diffusers")
    from emohead.motion.diffusion_engine import DiffusionEngine
    from emohead.motion.phone_net import load_phone_net
    from emohead.types import Waveform

    silence = Waveform(torch.zeros(32000), 16000)
    engine = DiffusionEngine.load()
    engine = replace(engine, sampling=replace(engine.sampling, steps=4))
    return partial(engine, silence, load_phone_net().posteriors(silence))


def test_a_drawn_face_keeps_to_one_side(say_nothing):
    track = AUTrack.neutral(50, 25.0)
    track.intensity[:, AU_INDEX["AU12L"]] = track.weight[:, AU_INDEX["AU12L"]] = 1.0
    rig = say_nothing(prompt=track).rig[20:40].median(0).values
    assert float(rig[RIG_INDEX["mouthSmileLeft"]]) > 0.7 and float(rig[RIG_INDEX["mouthSmileRight"]]) < 0.25


def posed(*, gaze: tuple[float, float] | None = None, head: tuple[float, float, float] | None = None) -> AUTrack:
    track = AUTrack.neutral(50, 25.0)
    if gaze is not None:
        track.gaze[:], track.pose_weight[:, 0] = torch.tensor(gaze), 1.0
    if head is not None:
        track.head_rotation[:], track.pose_weight[:, 1] = torch.tensor(head), 1.0
    return track


def test_eyes_look_where_they_are_asked_to_and_the_head_moves_about_its_pose(say_nothing):
    free = say_nothing()
    looking = say_nothing(prompt=posed(gaze=(-0.3, 0.1)))
    assert looking.gaze.mean((0, 1)).tolist() == pytest.approx([-0.3, 0.1], abs=0.02)
    assert torch.allclose(looking.head_rotation, free.head_rotation, atol=1e-5)
    turned = say_nothing(prompt=posed(head=(0.1, -0.2, 0.15)))
    assert (turned.head_rotation - free.head_rotation).mean(0).tolist() == pytest.approx([0.1, -0.2, 0.15], abs=1e-4)
    assert torch.allclose(turned.head_rotation - turned.head_rotation.mean(0), free.head_rotation - free.head_rotation.mean(0), atol=1e-4)


def test_a_pose_joins_what_is_given_without_a_jump(say_nothing):
    """Half of the clip is given, looking straight ahead; the other half is drawn with the head turned by 0.2."""
    given, mask = torch.zeros(100, N_CHANNELS), torch.zeros(100, N_CHANNELS)
    mask[:50] = 1.0
    motion = say_nothing(prompt=posed(head=(0.0, 0.2, 0.0)), given=(given, mask))
    yaw = motion.head_rotation[:, 1]
    assert float(yaw[:24].abs().max()) < 1e-3 and float(yaw[-15:].mean()) == pytest.approx(0.2, abs=0.06)
    assert float(yaw.diff().abs().max()) < 0.08
