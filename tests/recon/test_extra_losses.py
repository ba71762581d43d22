"""Further losses: silent where nothing is wrong, louder where more is, and a resumed critic is the same critic."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.head.generic import load_generic
from emohead.metrics.perceptual import why_not
from emohead.types import HeadMotion
from recon.au_decoder import differences
from recon.calibration import N_INPUTS, N_OUTPUTS, Calibration
from recon.extra_losses import (
    AdversarialTerm,
    AUConsistencyTerm,
    ExtraLosses,
    Moment,
    PerceptualTerm,
    face_box,
    loss_terms,
    perceptual_note,
    resume_terms,
    states,
)
from recon.types import FaceLandmarks

N_FRAMES = 24
FACE = (slice(30, 110), slice(40, 100))


@pytest.fixture(scope="module")
def tracked() -> HeadMotion:
    """A still face, then one that speaks, smiles and blinks."""
    motion = HeadMotion.neutral(N_FRAMES, 25.0)
    moved = torch.linspace(0, 0.6, N_FRAMES - 8)
    for name in ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "browInnerUp", "eyeBlinkLeft"):
        motion.rig[8:, RIG_INDEX[name]] = moved * torch.rand(N_FRAMES - 8, generator=torch.Generator().manual_seed(len(name)))
    motion.head_rotation[8:, 1] = moved
    return motion


@pytest.fixture(scope="module")
def steady(tracked) -> AUConsistencyTerm:
    head = load_generic()
    return AUConsistencyTerm(1.0, head, head.identity(), tracked)


def seen(motion: HeadMotion, *, step: int = 0, share: float = 1.0, seed: int = 0) -> Moment:
    """A step with a smooth picture of the drawn face and a sharp one of the real face."""
    target = torch.rand(144, 144, 3, generator=torch.Generator().manual_seed(seed))
    drawn = torch.nn.functional.avg_pool2d(target.permute(2, 0, 1), 5, 1, 2).permute(1, 2, 0).clone().requires_grad_(True)
    return Moment(step, share, 0, drawn, target, motion, FACE)


def change(term: AUConsistencyTerm, tracked: HeadMotion, calibration: Calibration, *, every: int = 2) -> torch.Tensor:
    motion, blank = calibration(tracked), torch.zeros(8, 8, 3)
    frames = range(0, tracked.n_frames, every)
    return torch.stack([term(Moment(0, 0.0, frame, blank, blank, motion.frames(frame, frame + 1), None)) for frame in frames]).mean()


def test_no_calibration_changes_no_action_unit_and_a_wrong_one_does(steady, tracked):
    values = []
    for size in (0.0, 0.1, 0.3, 1.0):
        wrong = size * torch.randn(Calibration.none().weights.shape, generator=torch.Generator().manual_seed(0))
        weights = wrong.requires_grad_(True)
        loss = change(steady, tracked, Calibration(weights))
        loss.backward()
        assert weights.grad is not None and torch.isfinite(weights.grad).all()
        assert bool(weights.grad.any()) == (size > 0)
        values.append(float(loss.detach()))
    assert values[0] == 0.0 and values[1] > 1e-3
    assert values == sorted(values)


def test_descending_it_undoes_a_wrong_calibration(steady, tracked):
    """A tracker whose jaw pulls a corner of the mouth along."""
    row = torch.zeros(N_OUTPUTS)
    row[RIG_INDEX["mouthSmileLeft"]] = 8.0
    row.requires_grad_(True)

    def error() -> torch.Tensor:
        return change(steady, tracked, Calibration(torch.zeros(N_INPUTS, N_OUTPUTS).index_put((jaw,), row[None])), every=5)

    jaw, before, optimizer = torch.tensor([RIG_INDEX["jawOpen"]]), None, torch.optim.Adam([row], lr=0.5)
    for _ in range(25):
        optimizer.zero_grad()
        loss = error()
        before = before or float(loss.detach())
        loss.backward()
        optimizer.step()
    assert before is not None and error() < 0.35 * before


def test_turning_the_head_is_no_expression_and_steps_without_calibration_cost_nothing(steady, tracked):
    turned = HeadMotion(25.0, tracked.rig, tracked.head_rotation + 0.3, tracked.torso_rotation, tracked.translation + 0.1, tracked.gaze)
    trained = torch.zeros(1, requires_grad=True)
    free = HeadMotion(25.0, turned.rig + trained, turned.head_rotation, turned.torso_rotation, turned.translation, turned.gaze)
    assert steady(replace(seen(free.frames(9, 10)), picture=9)) == 0
    moment = seen(turned.frames(9, 10))
    assert not steady(moment).requires_grad and steady(moment) == 0
    assert steady.state() == {}


def test_the_mesh_is_read_much_as_a_filmed_clip_is(steady, tracked):
    read, still = steady.read, HeadMotion.neutral(N_FRAMES, 25.0)
    points = read.points(read.identity, replace(still, rig=tracked.rig))[..., :2] * torch.tensor([800.0, -800.0]) + 256.0
    filmed = read.decoder(*differences(read.decoder.mean_face, FaceLandmarks(points, tracked.rig), torch.arange(8)))
    assert steady.expected.max() > 0.3
    torch.testing.assert_close(steady.expected, filmed, atol=0.02, rtol=0)


def test_the_critic_learns_to_tell_smooth_from_sharp_and_wants_sharp(tracked):
    term, motion = AdversarialTerm(1.0, side=48), tracked.frames(0, 1)
    for step in range(40):
        term(seen(motion, step=step, seed=step))
        term.update()
    moment = seen(motion, seed=99)
    smooth = term(moment)
    smooth.backward()
    assert moment.drawn.grad is not None and moment.drawn.grad.any()
    assert all(weight.grad is None for weight in term.critic.parameters())
    sharp = term(Moment(0, 1.0, 0, moment.target, moment.target, motion, FACE))
    assert smooth > sharp + 0.5


def test_the_critic_waits_for_its_share_of_the_steps_and_for_a_face(tracked):
    term, motion = AdversarialTerm(1.0, start=0.5), tracked.frames(0, 1)
    before = term.state()
    early = seen(motion, share=0.4)
    assert term(early) == 0
    assert term(Moment(0, 1.0, 0, early.drawn, early.target, motion, None)) == 0
    term.update()
    assert term.state().keys() == before.keys() and all(torch.equal(term.state()[name], before[name]) for name in before)


@pytest.mark.parametrize("r1", [0.0, 1.0])
def test_a_resumed_critic_is_the_same_to_the_bit(tracked, tmp_path, r1):
    def train(term: AdversarialTerm, steps: range) -> torch.Tensor:
        gradients = []
        for step in steps:
            moment = seen(tracked.frames(0, 1), step=step, seed=step)
            term(moment).backward()
            term.update()
            gradients.append(moment.drawn.grad)
        return torch.stack([gradient for gradient in gradients if gradient is not None])

    noise = torch.random.get_rng_state()
    whole, first, second = (AdversarialTerm(0.1, side=64, r1=r1, seed=3) for _ in range(3))
    assert torch.equal(noise, torch.random.get_rng_state())
    train(whole, range(5))
    train(first, range(5))
    save_file(states([first]), tmp_path / "fit.safetensors")
    saved = {**load_file(tmp_path / "fit.safetensors"), "best_error": torch.zeros(1)}
    resume_terms([second], saved)
    assert set(saved) == {"best_error"}
    assert torch.equal(train(whole, range(5, 10)), train(second, range(5, 10)))
    assert all(torch.equal(tensor, second.state()[name]) for name, tensor in whole.state().items())


def test_without_weights_lpips_says_how_to_get_them_or_is_left_out(tracked, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    head = load_generic()
    with pytest.raises(InputError, match=r"LPIPS \(alex\) lacks .*; install torchmetrics and torchvision") as caught:
        loss_terms(ExtraLosses(perceptual=0.05), head, head.identity(), tracked)
    assert "\n" not in str(caught.value)
    wish = ExtraLosses(perceptual=0.05, perceptual_if_available=True)
    assert loss_terms(wish, head, head.identity(), tracked) == []
    assert "fitted without LPIPS" in (perceptual_note(wish) or "")
    assert perceptual_note(ExtraLosses()) is None


def test_lpips_of_the_face_has_a_gradient_in_the_face(tracked):
    if why_not("alex"):
        pytest.skip(f"LPIPS (alex) needs {why_not('alex')}")
    term, moment = PerceptualTerm(0.5), seen(tracked.frames(0, 1))
    loss = term(moment)
    loss.backward()
    assert loss > 0 and moment.drawn.grad is not None
    assert moment.drawn.grad[FACE].any() and not moment.drawn.grad[:20].any()
    assert term(Moment(0, 1.0, 0, moment.target, moment.target, moment.motion, FACE)) < 1e-6


def test_only_what_has_a_weight_is_made(tracked):
    head = load_generic()
    assert loss_terms(ExtraLosses(), head, head.identity(), tracked) == []
    both = loss_terms(ExtraLosses(au_consistency=0.1, adversarial=0.1), head, head.identity(), tracked)
    assert [term.name for term in both] == ["au_consistency", "adversarial"]
    with pytest.raises(InputError, match="adversarial is -1"):
        loss_terms(ExtraLosses(adversarial=-1.0), head, head.identity(), tracked)


def test_the_face_is_around_its_parts():
    eyes, mouth = (slice(40, 60), slice(40, 100)), (slice(90, 120), slice(60, 80))
    assert face_box((eyes, mouth), 128, 128) == (slice(20, 128), slice(25, 115))
    assert face_box((), 128, 128) is None
