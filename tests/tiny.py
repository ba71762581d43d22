"""Tiny real components for tests: an avatar of few Gaussians on the generic head, and a second of something like a voice."""

from functools import lru_cache
from pathlib import Path

import torch

from emohead.avatar import Corrections, EmoRecord, GaussianAvatar, topology_digest, write_emo
from emohead.avatar.binding import triangle_frames
from emohead.avatar.corrections import N_FEATURES
from emohead.head.generic import load_generic
from emohead.types import Camera, Waveform
from emohead.video_writer import write_video

CONSENT = {"who": "nobody (made of numbers)", "scope": "tests", "date": "2026-11-21"}


@lru_cache(maxsize=2)
def tiny_generic_avatar(n: int = 1500, seed: int = 0) -> GaussianAvatar:
    """Skin-coloured Gaussians all over the generic head's front, red lips, seen from half a metre."""
    head = load_generic()
    random = torch.Generator().manual_seed(seed)
    identity = head.identity()
    centre = head.neutral[head.triangles].mean(1)
    frames = triangle_frames(head.neutral[None], head.triangles)
    seen = (centre[:, 2] > 0.0).nonzero()[:, 0]
    triangle = seen[torch.randint(0, len(seen), (n,), generator=random)]
    barycentric = torch.rand(n, 3, generator=random)
    lips = torch.tensor(["lip" in name for name in head.part_names])[head.vertex_part][head.triangles[triangle, 0]]
    colour = torch.where(lips[:, None], torch.tensor([0.7, 0.25, 0.25]), torch.tensor([0.85, 0.65, 0.55]))
    world_to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    world_to_camera[1, 3], world_to_camera[2, 3] = -0.02, 0.6
    nothing = torch.zeros(1, n, 3)
    return GaussianAvatar(
        name="tiny",
        head="generic",
        identity=identity,
        camera=Camera(world_to_camera[None], torch.tensor([[[1100.0, 0, 256], [0, 1100.0, 256], [0, 0, 1]]]), 512, 512),
        background=torch.tensor([0.2, 0.3, 0.4]),
        triangle=triangle,
        barycentric=barycentric / barycentric.sum(1, keepdim=True),
        rest_size=frames.size[0, triangle],
        offsets=torch.zeros(n, 3),
        quats=torch.tensor([1.0, 0, 0, 0]).repeat(n, 1),
        log_scales=torch.full((n, 3), 0.003).log(),
        opacity_logits=torch.full((n,), 3.0),
        sh=((colour - 0.5) / 0.28209479)[:, None],
        corrections=Corrections(
            torch.zeros(N_FEATURES), torch.zeros(N_FEATURES, 1), -torch.ones(1), torch.ones(1), nothing, nothing, torch.zeros(1, n)
        ),
    )


def write_tiny_emo(path: Path) -> Path:
    """The tiny avatar as an .emo file."""
    write_emo(path, tiny_generic_avatar(), EmoRecord("CC0-1.0", CONSENT, topology_digest(load_generic().triangles)))
    return path


def voice(seconds: float = 0.6, *, rate: int = 16_000, seed: int = 0) -> Waveform:
    """A buzz with two formants that opens and closes four times a second."""
    time = torch.arange(round(seconds * rate)) / rate
    buzz = sum(torch.sin(2 * torch.pi * 120 * harmonic * time) / harmonic for harmonic in range(1, 20))
    noise = 0.02 * torch.randn(len(time), generator=torch.Generator().manual_seed(seed))
    return Waveform((0.15 * buzz * (0.5 - 0.5 * torch.cos(2 * torch.pi * 4 * time)) + noise).clamp(-1, 1), rate)


def write_voice(path: Path, *, seconds: float = 0.6) -> Path:
    """The voice as a 16-bit WAV file."""
    import wave

    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((voice(seconds).samples * 32767).to(torch.int16).numpy().tobytes())
    return path


def write_clip(path: Path, *, n_frames: int = 15) -> Path:
    """A small grey video with the voice as its sound."""
    with write_video(path, fps=25.0, width=64, height=64, sound=voice(n_frames / 25)) as writer:
        for index in range(n_frames):
            writer.write(torch.full((64, 64, 3), 8 * index % 256, dtype=torch.uint8))
    return path
