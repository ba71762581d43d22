"""How long a video takes, warm: ten seconds of speech to an mp4, by stage.

    python benchmarks/pipeline.py [--json FILE]

"Warm" means that the avatar and the networks are loaded and compiled, as in the demo's second render; `cold_s` is the first one.
"""

import json
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from emohead import Pipeline
from emohead.assets import find
from emohead.media import read_audio
from emohead.pipeline import Request, plan
from emohead.types import Waveform


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    avatar: str = "demo"
    """Avatar, by name or path."""
    seconds: float = 10.0
    """Length of the speech (the sample, repeated)."""
    size: int = 512
    """Picture side in pixels."""
    fps: float = 25.0
    """Frames per second."""
    repeats: int = 3
    """Warm runs; the fastest counts, since other programs can only slow one down."""
    threads: int | None = None
    """Threads of the rasterizer; None takes what is there."""
    json: Path | None = None
    """Write the figures to this file as well."""


def speech(seconds: float) -> Waveform:
    """The sample, repeated and cut to length."""
    sample = read_audio(find("sample_speech.wav"))
    n_samples = round(seconds * sample.sample_rate)
    return Waveform(sample.samples.repeat(n_samples // len(sample.samples) + 1)[:n_samples], sample.sample_rate)


def measure(settings: Settings) -> dict[str, float | int | str]:
    """Run the pipeline and return flat figures with units in their names."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    pipeline = Pipeline.from_pretrained(settings.avatar, n_threads=settings.threads)
    load = time.perf_counter() - started
    voice = speech(settings.seconds)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(settings.repeats + 1):
            begin = time.perf_counter()
            performance = pipeline.perform(
                plan(voice, Request(emotion="calm, then delighted surprise", fps=settings.fps)), size=settings.size
            )
            moved = time.perf_counter()
            performance.save(Path(folder) / "video.mp4")
            runs.append((time.perf_counter() - begin, moved - begin))
    total, motion = min(runs[1:])
    return {
        "avatar": settings.avatar,
        "gaussians": pipeline.renderer.avatar.n_gaussians,
        "device": pipeline.device_name,
        "frames": performance.n_frames,
        "size_px": settings.size,
        "load_s": load,
        "cold_s": runs[0][0],
        "warm_motion_s": motion,
        "warm_draw_and_encode_s": total - motion,
        "warm_total_s": total,
        "warm_frames_per_second": performance.n_frames / total,
        "processors": os.cpu_count() or 0,
        "processor": platform.processor() or platform.machine(),
        "load_average_1min": os.getloadavg()[0],
    }


def main(settings: Settings) -> None:
    """Print the figures as a Markdown table."""
    figures = measure(settings)
    print("| figure | value |\n|---|--:|")
    for name, value in figures.items():
        print(f"| {name} | {f'{value:.2f}' if isinstance(value, float) else value} |")
    if settings.json is not None:
        settings.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Settings))
