"""Blinks, gaze, head and brows have the statistics of people, in step with the voice."""

import math

import pytest
import torch

from emohead.channels import AU_INDEX, N_AU
from emohead.motion import head_motion
from emohead.motion.blinks import blink_closure, blink_times, lid_closure
from emohead.motion.envelopes import add_pulse, glide, minimum_jerk, pulse, wander
from emohead.motion.expression import obey, own_expression
from emohead.motion.gaze_motion import DIRECTION_SHARES, draw_saccade, plan_gaze
from emohead.motion.mood import read_mood
from emohead.motion.prosody import Accent, Phrase, Prosody
from emohead.types import AUTrack


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _talk(seconds: int) -> Prosody:
    """Phrases of 3 s with pauses of half a second, an accent every 0.8 s."""
    n_frames = seconds * 100
    phrases = tuple(Phrase(start, start + 3.0) for start in torch.arange(0.3, seconds - 3.2, 3.5).tolist())
    activity = torch.zeros(n_frames)
    for phrase in phrases:
        activity[int(phrase.start * 100) : int(phrase.end * 100)] = 1.0
    accents = tuple(Accent(t, 0.5) for phrase in phrases for t in torch.arange(phrase.start + 0.4, phrase.end, 0.8).tolist())
    return Prosody(torch.zeros(n_frames), activity, phrases, accents)


def _mood(n_frames: int, **units: float):
    intensity = torch.zeros(n_frames, N_AU)
    for name, value in units.items():
        intensity[:, [index for unit, index in AU_INDEX.items() if unit.rstrip("LR") == name]] = value
    return read_mood(intensity)


def test_minimum_jerk_starts_and_ends_at_rest():
    way = minimum_jerk(torch.linspace(-0.5, 1.5, 2001, dtype=torch.float64))
    assert way[0] == 0 and way[-1] == 1 and (way.diff() >= 0).all()
    assert way.diff()[495:505].max() < 1e-4 and way.diff()[1495:1505].max() < 1e-4


def test_pulse_and_glide():
    times = (torch.arange(300, dtype=torch.float64) + 0.5) / 100
    whole = pulse(times, start=0.5, rise=0.2, hold=0.3, fall=0.4)
    track = torch.zeros(300)
    add_pulse(track, 100.0, amount=2.0, start=0.5, rise=0.2, hold=0.3, fall=0.4)
    assert torch.allclose(track, 2 * whole.float()) and whole.max() == pytest.approx(1.0)
    way = glide(
        times,
        torch.tensor([1.0, 2.0], dtype=torch.float64),
        torch.tensor([0.1, 0.1], dtype=torch.float64),
        torch.tensor([[0.0], [1.0], [-1.0]]).double(),
    )
    assert way[50] == 0 and way[150] == 1 and way[250] == -1
    assert torch.equal(
        glide(times, torch.zeros(0).double(), torch.zeros(0).double(), torch.tensor([[0.3]]).double())[:, 0],
        torch.full((300,), 0.3).double(),
    )


def test_wander_has_unit_variance_and_its_time_constant():
    noise = wander(200_000, 100.0, time_constant=1.0, generator=_generator())[1000:, 0]
    assert noise.std() == pytest.approx(1.0, abs=0.1)
    assert 0.6 < torch.corrcoef(torch.stack([noise[:-50], noise[50:]]))[0, 1] < 0.85


def test_blink_rate_and_intervals():
    onsets = [t for seed in range(20) for t in blink_times(120.0, torch.full((12_000,), 20.0), 100.0, generator=_generator(seed))]
    assert 17.0 < len(onsets) / 40 < 23.0
    clip = blink_times(3000.0, torch.full((100,), 20.0), 100.0, generator=_generator(3))
    gaps = torch.tensor(clip).diff()
    assert gaps.min() >= 0.34
    assert 0.55 < torch.log(gaps[gaps > 0.5]).std() < 0.85


def test_blinks_are_drawn_to_pauses():
    anchors = torch.arange(2.0, 600.0, 4.0).tolist()
    onsets = blink_times(600.0, torch.full((100,), 20.0), 100.0, anchors=anchors, generator=_generator())
    near = sum(min(abs(onset - anchor) for anchor in anchors) < 0.15 for onset in onsets) / len(onsets)
    assert near > 0.25  # 7.5 % would be chance.


def test_a_blink_closes_fast_opens_slowly_and_fully_shuts_at_25_fps():
    times = torch.arange(0.0, 0.6, 0.001, dtype=torch.float64)
    curve = lid_closure(times, [0.0])
    half_down, half_up = times[curve > 0.5][0], times[curve > 0.5][-1]
    assert curve.max() == 1.0 and half_down < 0.06 and half_up - 0.115 > half_down
    for onset in torch.linspace(0.2, 0.24, 9).tolist():
        closure = blink_closure(25, 25.0, [onset])
        assert closure.max() > 0.98 and closure[0] == 0 and closure[-1] == 0


def test_saccades_follow_eyes_alive():
    generator = _generator()
    draws = [draw_saccade(generator) for _ in range(4000)]
    shares = torch.bincount(torch.tensor([direction for _, direction in draws]), minlength=8) / 4000
    assert torch.allclose(shares, torch.tensor(DIRECTION_SHARES) / sum(DIRECTION_SHARES), atol=0.03)
    sizes = torch.tensor([size for size, _ in draws])
    # The mean of -6.9 ln(P / 15.7), P uniform in 0..15 and cut at 27.5 degrees.
    assert sizes.mean() == pytest.approx(6.9 * (1 - math.log(15 / 15.7)), rel=0.1) and sizes.max() <= 27.5


def test_speakers_look_away_and_come_back():
    talk = _talk(600)
    plan = plan_gaze(600.0, talk.phrases, amplitude=1.0, away_share=1.0, generator=_generator())
    gaze = torch.rad2deg(plan.at((torch.arange(60_000, dtype=torch.float64) + 0.5) / 100))
    away = (gaze.norm(dim=1) > 4.0).float().mean()
    assert 0.08 < away < 0.35
    listening = plan_gaze(600.0, (), amplitude=1.0, away_share=1.0, generator=_generator())
    assert sum(s.away for s in listening.saccades) < 0.7 * sum(s.away for s in plan.saccades)


def test_head_moves_like_a_head():
    talk, still = _talk(60), _mood(6000)
    stds, velocity = [], 0.0
    for seed in range(6):
        plan = plan_gaze(60.0, talk.phrases, amplitude=0.6, away_share=0.6, generator=_generator(seed))
        turned = torch.rad2deg(head_motion.rotation(talk, plan, still, gain=1.0, nod_probability=0.65, generator=_generator(seed)))
        stds.append(turned.std(0))
        velocity = max(velocity, float(turned.diff(dim=0).abs().max()) * 100)
        spectrum = torch.fft.rfft(turned[:, 0] - turned[:, 0].mean()).abs().square()
        # Resolution is 1/60 Hz: hardly anything is above 5 Hz.
        assert spectrum[300:].sum() < 0.002 * spectrum.sum()
    pitch, yaw, roll = torch.stack(stds).mean(0).tolist()
    assert 1.5 < pitch < 4.5 and 2.0 < yaw < 5.5 and 1.2 < roll < 3.5
    assert velocity < 90.0


def test_nods_come_with_accents():
    talk = _talk(60)
    plan = plan_gaze(60.0, (), amplitude=0.0, away_share=0.05, generator=_generator())
    nodding = head_motion.rotation(talk, plan, _mood(6000), gain=1.0, nod_probability=1.0, generator=_generator(1))[:, 0]
    around = torch.stack([nodding[int(a.time * 100) - 10 : int(a.time * 100) + 60] for a in talk.accents if 1 < a.time < 58]).mean(0)
    peak = int(around.argmax()) - 10
    assert 5 <= peak <= 40 and around.max() - around[10] > math.radians(0.8)


def test_brow_flashes_precede_accents():
    talk = _talk(60)
    own = own_expression(talk, flash_probability=1.0, stir=0.0, smile=0.0, generator=_generator())[:, AU_INDEX["AU1L"]]
    around = torch.stack([own[int(a.time * 100) - 30 : int(a.time * 100) + 40] for a in talk.accents]).mean(0)
    assert around[30] > 3 * around[5].clamp(min=0.01) and own.max() < 0.8
    rare = own_expression(talk, flash_probability=0.0, stir=0.0, smile=0.0, generator=_generator())[:, AU_INDEX["AU1L"]]
    assert rare.mean() < 0.4 * own.mean()


def test_asked_for_channels_win():
    own = torch.full((10, N_AU), 0.3)
    track = AUTrack.neutral(10, 25.0)
    track.intensity[:, AU_INDEX["AU4L"]], track.weight[:, AU_INDEX["AU4L"]] = 0.8, 1.0
    mixed = obey(own, track)
    assert mixed[0, AU_INDEX["AU4L"]] == pytest.approx(0.8)
    # Its antagonists yield, its strangers do not.
    assert mixed[0, AU_INDEX["AU1L"]] == 0.0 and mixed[0, AU_INDEX["AU12L"]] == pytest.approx(0.3)
    assert torch.equal(obey(own, None), own)


@pytest.mark.parametrize(
    ("mood", "units"),
    [
        ("joy", {"AU6": 0.8, "AU12": 0.9, "AU25": 0.4}),
        ("sadness", {"AU1": 0.8, "AU4": 0.5, "AU15": 0.7, "AU17": 0.4}),
        ("surprise", {"AU1": 0.9, "AU2": 0.9, "AU5": 0.5, "AU26": 0.7}),
        ("fear", {"AU1": 0.8, "AU2": 0.5, "AU4": 0.5, "AU5": 0.8, "AU20": 0.7}),
        ("anger", {"AU4": 0.9, "AU5": 0.4, "AU7": 0.7, "AU23": 0.6}),
        ("disgust", {"AU9": 0.8, "AU10": 0.6, "AU4": 0.4, "AU17": 0.4}),
        ("drowsiness", {"AU43": 0.6}),
    ],
)
def test_moods_are_read_off_the_units(mood: str, units: dict[str, float]):
    moods = vars(_mood(1, **units))
    values = {name: float(value) for name, value in moods.items()}
    assert max(values, key=lambda name: values[name]) == mood and values[mood] > 0.55
    assert all(value == 0.0 for value in map(float, vars(_mood(1)).values()))
