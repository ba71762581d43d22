"""A voice agent's loop: sound in pieces of 20 ms, motion and pictures out while it still speaks; prints how late each first frame is.

python examples/06_stream.py --emotion "surprised, then amused" --out stream.npz
"""

import time
from pathlib import Path

import torch
import tyro

from controllers.control import control
from emohead.assets import find
from emohead.export.motion_npz import write_motion_npz
from emohead.media import read_audio
from emohead.motion.diffusion_engine import DiffusionEngine
from emohead.motion.sampling import SamplingConfig
from emohead.motion.streaming import MotionStream, StreamConfig
from emohead.types import HeadMotion, Waveform


def main(
    audio: Path | None = None,
    emotion: str = "",
    piece: float = 0.02,
    steps: int = 4,
    seed: int = 0,
    out: Path = Path("stream.npz"),
) -> None:
    """Stream a recording as a microphone would and keep the motion; the sentence is performed in the first three seconds, then kept."""
    torch.set_num_threads(1)
    voice = read_audio(audio or find("sample_speech.wav"), sample_rate=16000)
    config = StreamConfig()
    stream = MotionStream(DiffusionEngine.load(sampling=SamplingConfig(steps=steps)), config=config, seed=seed)
    if emotion:
        stream.ask(control(75, 25.0, sentence=emotion).track)  # May be asked for at any time; the next chunk begins with it.
    chunks: list[HeadMotion] = []
    seconds: list[float] = []
    for samples in voice.samples.split(round(piece * 16000)):
        start = time.perf_counter()
        made = stream.push(Waveform(samples, 16000))
        if made:
            seconds.append((time.perf_counter() - start) / len(made))
        chunks += made
    chunks += stream.finish()
    parts = {
        name: torch.cat([getattr(chunk, name) for chunk in chunks])
        for name in ("rig", "head_rotation", "torso_rotation", "translation", "gaze")
    }
    write_motion_npz(out, HeadMotion(config.fps, **parts))
    compute = torch.tensor(seconds[2:]).median().item()
    late = config.chunk + config.look_ahead + compute
    print(f"{out}: {parts['rig'].shape[0]} frames; {1000 * compute:.0f} ms a chunk, first frame {1000 * late:.0f} ms after its sound")


if __name__ == "__main__":
    tyro.cli(main)
