"""Streams of motion: the same whatever the pieces of sound, no later than promised, joined without a jump."""

from dataclasses import replace

import pytest
import torch

from emohead.errors import InputError
from emohead.motion.diffusion_engine import DiffusionEngine
from emohead.motion.diffusion_model import DiffusionModel
from emohead.motion.motion_training import default_network
from emohead.motion.phone_net import PhoneNetConfig
from emohead.motion.sampling import SamplingConfig
from emohead.motion.streaming import MotionStream, StreamConfig
from emohead.motion.vector import N_CHANNELS, MotionScale
from emohead.types import AUTrack, HeadMotion, Waveform

pytest.importorskip("diffusers")
RATE = 16000
NET = replace(PhoneNetConfig(), width=16, n_blocks=2).build().eval()


@pytest.fixture(scope="module")
def engine() -> DiffusionEngine:
    torch.manual_seed(0)
    denoiser = replace(default_network(), width=32, n_blocks=4, n_heads=2).build()
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1) if parameter.dim() > 1 else None
    scale = MotionScale(torch.full((N_CHANNELS,), 0.1), torch.full((N_CHANNELS,), 0.1))
    return DiffusionEngine(DiffusionModel(denoiser.eval(), scale), SamplingConfig(steps=2))


def sound(seconds: float) -> torch.Tensor:
    times = torch.arange(round(seconds * RATE)) / RATE
    return 0.2 * torch.sin(2 * torch.pi * 140 * times) * (1 + torch.sin(2 * torch.pi * 3 * times))


def streamed(engine: DiffusionEngine, samples: torch.Tensor, sizes: list[int], config: StreamConfig | None = None) -> list[HeadMotion]:
    stream, chunks, start = MotionStream(engine, config=config, net=NET), [], 0
    while start < len(samples):
        size = sizes[len(chunks) % len(sizes)]
        chunks += stream.push(Waveform(samples[start : start + size], RATE))
        start += size
    return [*chunks, *stream.finish()]


def joined(chunks: list[HeadMotion], name: str) -> torch.Tensor:
    return torch.cat([getattr(chunk, name) for chunk in chunks])


def test_a_head_turns_where_it_is_asked_to_without_a_jerk(engine: DiffusionEngine):
    turned = AUTrack.neutral(1, 25.0)
    turned.head_rotation[:], turned.gaze[:], turned.pose_weight[:] = torch.tensor([0.0, 0.3, 0.0]), torch.tensor([-0.2, 0.0]), 1.0
    chunks: dict[bool, list[HeadMotion]] = {}
    for asked in (False, True):
        stream = MotionStream(engine, net=NET)
        chunks[asked] = stream.push(Waveform(sound(1.0), RATE))
        stream.ask(turned if asked else None)
        chunks[asked] += stream.push(Waveform(sound(2.0), RATE))
    moved = joined(chunks[True], "head_rotation") - joined(chunks[False], "head_rotation")
    yaw = moved[:, 1]
    assert float(yaw[:20].abs().max()) == 0.0 and float(yaw[-10:].mean()) == pytest.approx(0.3, abs=0.002)
    assert 0.0 < float(yaw.diff().max()) < 0.3 * 0.25 and float(moved[:, [0, 2]].abs().max()) < 1e-5
    assert float(joined(chunks[True], "gaze")[-10:, :, 0].mean()) == pytest.approx(-0.2, abs=0.01)


def test_a_wish_is_performed_and_kept(engine: DiffusionEngine):
    """A head that is asked to turn by 0.3 within a second, from the first second on."""
    turning = AUTrack.neutral(25, 25.0)
    turning.head_rotation[:, 1], turning.pose_weight[:, 1] = torch.linspace(0.0, 0.3, 25), 1.0
    yaw: list[torch.Tensor] = []
    for asked in (None, turning):
        stream = MotionStream(engine, net=NET)
        chunks = stream.push(Waveform(sound(1.08), RATE))
        stream.ask(asked)
        yaw.append(joined([*chunks, *stream.push(Waveform(sound(3.0), RATE))], "head_rotation")[:, 1])
    moved = yaw[1] - yaw[0]
    assert float(moved[:24].abs().max()) == 0.0 and float(moved[-20:].mean()) == pytest.approx(0.3, abs=0.002)
    assert 0.05 < float(moved[37]) < 0.2


def test_the_pieces_of_sound_do_not_matter(engine: DiffusionEngine):
    samples = sound(2.3)
    whole = streamed(engine, samples, [len(samples)])
    for sizes in ([160], [4000, 100, 2500]):
        pieces = streamed(engine, samples, sizes)
        for name in ("rig", "gaze", "head_rotation", "torso_rotation", "translation"):
            assert torch.allclose(joined(pieces, name), joined(whole, name), atol=1e-5), name


@pytest.mark.parametrize(("seconds", "fps", "frames"), [(2.3, 25.0, 58), (2.3, 50.0, 115), (0.05, 25.0, 2), (4.0, 25.0, 100)])
def test_as_many_frames_as_there_is_sound(engine: DiffusionEngine, seconds: float, fps: float, frames: int):
    assert joined(streamed(engine, sound(seconds), [800], StreamConfig(fps=fps)), "rig").shape == (frames, 52)


def test_a_chunk_comes_as_soon_as_its_look_ahead_is_there(engine: DiffusionEngine):
    stream = MotionStream(engine, config=StreamConfig(chunk=0.08, look_ahead=0.12), net=NET)
    samples = sound(1.0)
    assert stream.push(Waveform(samples[: round(0.199 * RATE)], RATE)) == []
    chunks = stream.push(Waveform(samples[round(0.199 * RATE) : round(0.201 * RATE)], RATE))
    assert [chunk.n_frames for chunk in chunks] == [2]


def test_what_comes_later_changes_nothing(engine: DiffusionEngine):
    config, samples = StreamConfig(), sound(2.0)
    other = samples.clone()
    other[round(1.0 * RATE) :] = 0.0
    one, two = (joined(streamed(engine, track, [1600], config), "rig") for track in (samples, other))
    safe = round((1.0 - config.look_ahead - config.chunk) * 25)
    assert torch.equal(one[:safe], two[:safe])


def test_a_prompt_holds_from_the_next_chunk(engine: DiffusionEngine):
    prompt = AUTrack.neutral(1, 25.0)
    prompt.intensity[:] = 1.0
    prompt.weight[:] = 1.0
    tracks = []
    for asked in (None, prompt):
        stream = MotionStream(engine, net=NET)
        before = stream.push(Waveform(sound(1.0), RATE))
        stream.ask(asked)
        tracks.append((joined(before, "rig"), joined(stream.push(Waveform(sound(1.0), RATE)), "rig")))
    assert torch.equal(tracks[0][0], tracks[1][0])
    assert not torch.equal(tracks[0][1], tracks[1][1])


def test_an_hour_needs_no_more_memory_than_a_minute(engine: DiffusionEngine):
    stream = MotionStream(engine, net=NET, config=StreamConfig(chunk=0.4))
    for _ in range(12):
        stream.push(Waveform(sound(1.0), RATE))
    assert stream._samples.shape[0] < 6 * RATE and stream._before.shape[0] == 50


def test_bad_sound_and_settings_are_refused(engine: DiffusionEngine):
    stream = MotionStream(engine, net=NET)
    with pytest.raises(InputError, match="NaN"):
        stream.push(Waveform(torch.tensor([0.0, float("nan")]), RATE))
    stream.finish()
    with pytest.raises(InputError, match="finished"):
        stream.push(Waveform(sound(0.1), RATE))
    with pytest.raises(InputError, match=r"multiple of 0\.04"):
        StreamConfig(chunk=0.05)
    with pytest.raises(InputError, match="25 or 50"):
        StreamConfig(fps=30.0)


def test_a_head_moves_as_smoothly_in_chunks_as_at_once():
    whole = DiffusionEngine.load()
    whole = replace(whole, sampling=replace(whole.sampling, steps=4))
    samples = torch.zeros(3 * RATE)
    stream = MotionStream(whole, config=StreamConfig(fps=50.0))
    chunks = joined([*stream.push(Waveform(samples, RATE)), *stream.finish()], "head_rotation")
    silence = Waveform(samples, RATE)
    at_once = whole(silence, stream._net.posteriors(silence), fps=50.0).head_rotation
    trembling = [float(head.diff(n=2, dim=0).square().mean().sqrt()) for head in (chunks, at_once)]
    assert trembling[0] < 2.0 * trembling[1] and float(chunks.std(0).mean()) > 1e-3
