"""The diffusion: its network, its noise, its sampling and its file, with an untrained network of the real kind."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emohead.channels import AU_INDEX, RIG_INDEX
from emohead.data.motion_corpus import prompt_columns
from emohead.errors import InputError, ResourceError
from emohead.motion.denoiser import Conditions
from emohead.motion.diffusion_engine import DiffusionEngine
from emohead.motion.diffusion_model import DiffusionModel, load_diffusion, save_diffusion
from emohead.motion.features.sounds import encoder_to_train_with
from emohead.motion.motion_training import default_network
from emohead.motion.noise import N_LEVELS, noise_of_frames, noised, schedule
from emohead.motion.phones import PHONES
from emohead.motion.sampling import SamplingConfig, draw, draw_window
from emohead.motion.vector import GROUPS, INDEX, N_CHANNELS, MotionScale, columns_of
from emohead.types import AUTrack, PhonePosteriors, PhoneSegment, Waveform

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def model() -> DiffusionModel:
    torch.manual_seed(0)
    denoiser = replace(default_network(), width=32, n_blocks=4, n_heads=2).build()
    for parameter in denoiser.parameters():  # what starts at zero would hide mistakes
        torch.nn.init.normal_(parameter, std=0.2) if parameter.dim() > 1 else None
    return DiffusionModel(denoiser.eval(), MotionScale(torch.full((N_CHANNELS,), 0.1), torch.full((N_CHANNELS,), 0.2)))


def some_conditions(model: DiffusionModel, n_frames: int) -> Conditions:
    config, generator = model.denoiser.config, torch.Generator().manual_seed(1)
    nothing = torch.zeros(1, n_frames, N_CHANNELS)
    return Conditions(
        torch.randn(1, 2 * n_frames, config.n_features, generator=generator),
        torch.rand(1, n_frames // 2, config.n_prompt, generator=generator),
        torch.zeros(1, n_frames // 2, config.n_emotions),
        torch.zeros(1, config.n_style),
        torch.zeros(1, 1),
        nothing,
        nothing.clone(),
    )


QUICK = SamplingConfig(steps=2)


def test_one_seed_one_take_another_seed_another(model: DiffusionModel):
    conditions = some_conditions(model, 60)
    first, again, other = (draw(model, conditions, config=QUICK, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert float((first - other).abs().max()) > 1e-3


def test_no_diversity_is_one_performance(model: DiffusionModel):
    conditions, still = some_conditions(model, 60), replace(QUICK, diversity=0.0)
    assert torch.equal(draw(model, conditions, config=still, seed=0), draw(model, conditions, config=still, seed=5))


def test_what_is_given_comes_out_as_it_is(model: DiffusionModel):
    conditions = some_conditions(model, 60)
    wanted = torch.rand(60, N_CHANNELS, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(1, 60, N_CHANNELS)
    mask[:, 10:20] = 1.0
    mask[..., columns_of("head")] = 1.0
    conditions = replace(conditions, given=model.scale.shrink(wanted)[None] * mask, mask=mask)
    drawn = draw(model, conditions, config=QUICK)
    assert torch.allclose(drawn[10:20], wanted[10:20], atol=1e-6)
    assert torch.allclose(drawn[:, columns_of("head")], wanted[:, columns_of("head")], atol=1e-6)
    assert float((drawn[30:40] - wanted[30:40])[:, columns_of("mouth")].abs().max()) > 1e-3


def test_noise_belongs_to_the_frame():
    whole = noise_of_frames(0, 300, seed=3)
    assert torch.equal(noise_of_frames(130, 210, seed=3), whole[130:210])
    assert not torch.equal(noise_of_frames(0, 300, seed=4), whole)


def test_noise_of_what_moves_slowly_is_slow():
    noise = noise_of_frames(0, 20_000, seed=3)
    assert torch.allclose(noise.std(0), torch.ones(N_CHANNELS), atol=0.15)
    after = (noise[:-50] * noise[50:]).mean(0) / noise.square().mean(0)  # a second later
    for name, wanted in (("headRoll", 0.6), ("gazeYaw", 0.6), ("browInnerUp", 0.0), ("jawOpen", 0.0), ("blink", 0.0)):
        assert abs(float(after[INDEX[name]]) - wanted) < 0.2, name
    shown = noised(torch.ones(2, 100, N_CHANNELS), torch.tensor([0, N_LEVELS - 1]))
    assert torch.allclose(shown[0], torch.ones(()), atol=0.2) and abs(float(shown[1].std()) - 1.0) < 0.1


@torch.no_grad()
def test_while_somebody_speaks_little_is_asked_of_the_opening_of_the_lips(model: DiffusionModel):
    nobody = some_conditions(model, 40)
    nobody = replace(nobody, prompt=torch.zeros_like(nobody.prompt), emotion=torch.rand_like(nobody.emotion))
    noise, once = torch.zeros(1, 40, N_CHANNELS), SamplingConfig(steps=1)
    unasked = draw_window(model, replace(nobody, emotion=torch.zeros_like(nobody.emotion)), noise, once)
    halves = replace(nobody, talking=(torch.arange(20) < 10).float()[None])
    wish = draw_window(model, nobody, noise, once) - unasked
    followed = draw_window(model, halves, noise, once) - unasked
    jaw, corner = INDEX["jawOpen"], INDEX["mouthSmileLeft"]
    assert float(wish[..., jaw].abs().max()) > 0.1
    assert torch.allclose(followed[0, :20, jaw], 0.6 * wish[0, :20, jaw], atol=1e-4)
    assert torch.allclose(followed[0, 20:, jaw], wish[0, 20:, jaw], atol=1e-4)
    assert torch.allclose(followed[..., corner], wish[..., corner], atol=1e-4)


@torch.no_grad()
def test_what_nobody_asked_of_the_upper_face_does_what_it_would_do_unasked(model: DiffusionModel):
    conditions, noise = some_conditions(model, 40), noise_of_frames(0, 40, seed=1)[None]
    track = AUTrack.neutral(20, 25.0)
    track.intensity[:, AU_INDEX["AU4L"]] = track.weight[:, AU_INDEX["AU4L"]] = 1.0
    unasked = replace(conditions, prompt=torch.zeros_like(conditions.prompt), emotion=torch.zeros_like(conditions.emotion))
    asked = replace(unasked, prompt=prompt_columns(track)[None])
    one, other = (model.scale.grow(draw_window(model, each, noise, QUICK)[0]).clamp(0.0, 1.0) for each in (asked, unasked))
    assert torch.allclose(one[:, INDEX["browInnerUp"]], other[:, INDEX["browInnerUp"]], atol=1e-5)
    assert float((one - other)[:, INDEX["browDownLeft"]].abs().max()) > 0.1


def test_a_pause_between_words_still_belongs_to_the_voice(model: DiffusionModel):
    engine = DiffusionEngine(model, QUICK)
    probabilities = torch.zeros(400, len(PHONES))
    probabilities[:, PHONES.index("aa")] = 1.0
    for first, last in ((100, 160), (260, 400)):  # 0.6 s, and the rest from 2.6 s on
        probabilities[first:last] = torch.nn.functional.one_hot(torch.tensor(PHONES.index("pau")), len(PHONES)).float()
    heard = PhonePosteriors(100.0, probabilities, torch.zeros(400))
    talking = engine.conditions(torch.zeros(400, model.denoiser.config.n_features), heard, 200).talking
    assert talking is not None and talking.shape == (1, 100)
    assert float(talking[0, :70].min()) > 0.95 and float(talking[0, 85:].max()) < 0.05


def test_the_last_level_is_pure_noise():
    noise_schedule = schedule()
    assert float(noise_schedule.alphas_cumprod[-1]) < 1e-6
    assert float(noise_schedule.alphas_cumprod[0]) > 0.999


def test_long_clips_are_drawn_in_windows_that_continue(model: DiffusionModel):
    config = replace(QUICK, window=1.2, overlap=0.4)
    drawn = draw(model, some_conditions(model, 150), config=config)
    assert drawn.shape == (150, N_CHANNELS) and bool(torch.isfinite(drawn).all())
    # The first window does not depend on what comes later.
    assert torch.equal(drawn[:60], draw(model, some_conditions(model, 150), config=config)[:60])


def test_guidance_of_one_changes_nothing_and_of_two_does(model: DiffusionModel):
    conditions = some_conditions(model, 40)
    plain = draw(model, conditions, config=QUICK)
    stronger = draw(model, conditions, config=replace(QUICK, prompt=dict.fromkeys(GROUPS, 1.0) | {"upper": 2.0}))
    changed = (plain - stronger).abs().amax(0)
    assert float(changed[columns_of("upper")].max()) > 1e-4
    louder = draw(model, conditions, config=replace(QUICK, sound=dict.fromkeys(GROUPS, 2.0)))
    assert float((plain - louder).abs().max()) > 1e-4


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (SamplingConfig(steps=0), "steps must be 1..1000"),
        (SamplingConfig(diversity=2.0), "diversity must be 0..1.5"),
        (SamplingConfig(prompt={"mouth": 1.0}), "weight 0..10 for each of mouth"),
    ],
)
def test_settings_that_mean_nothing_are_refused(model: DiffusionModel, config: SamplingConfig, said: str):
    with pytest.raises(InputError, match=said):
        draw(model, some_conditions(model, 20), config=config)


def test_the_file_gives_the_same_network(model: DiffusionModel, tmp_path: Path):
    save_diffusion(model, tmp_path / "a.safetensors")
    back = load_diffusion(tmp_path / "a.safetensors")
    for name, tensor in model.denoiser.state_dict().items():
        assert torch.equal(back.denoiser.state_dict()[name], tensor.half().float()), name
    assert back.encoder is None
    (tmp_path / "b.safetensors").write_bytes(b"no such thing")
    with pytest.raises(InputError, match="not a motion diffusion"):
        load_diffusion(tmp_path / "b.safetensors")


def test_a_checkpoint_of_other_features_is_refused(model: DiffusionModel, tmp_path: Path):
    _, record = encoder_to_train_with("phones")
    save_diffusion(replace(model, encoder=record), tmp_path / "a.safetensors")
    assert DiffusionEngine.load(tmp_path / "a.safetensors").encoder is None
    save_diffusion(replace(model, encoder=record | {"weights": "0" * 16}), tmp_path / "b.safetensors")
    with pytest.raises(InputError, match=r"b.safetensors: trained on phones features .* another checksum of the weights"):
        DiffusionEngine.load(tmp_path / "b.safetensors")
    save_diffusion(replace(model, encoder={"name": "hubert", "settings": {"source": str(tmp_path / "none")}}), tmp_path / "c.safetensors")
    with pytest.raises((InputError, ResourceError), match=r"none|transformers"):
        DiffusionEngine.load(tmp_path / "c.safetensors")


def test_the_engine_speaks_at_any_rate_and_shuts_the_lips(model: DiffusionModel):
    audio = Waveform(0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(4)), 16000)
    segments = [PhoneSegment("aa", 0.1, 0.4), PhoneSegment("m", 0.4, 0.55), PhoneSegment("aa", 0.55, 0.9)]
    engine = DiffusionEngine(model, QUICK)
    for fps in (25.0, 60.0):
        motion = engine(audio, segments, fps=fps)
        assert motion.n_frames == round(fps)
        assert float(motion.rig.min()) >= 0.0 and float(motion.rig.max()) <= 1.0
        shut = round(0.46 * fps)
        jaw, close = motion.rig[shut, RIG_INDEX["jawOpen"]], motion.rig[shut, RIG_INDEX["mouthClose"]]
        assert float(jaw) <= 0.21 and float(close) == pytest.approx(float(jaw), abs=0.02)
    with pytest.raises(InputError, match="make it that long"):
        engine(audio, segments, prompt=AUTrack.neutral(3, 25.0))
