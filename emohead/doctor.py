"""What works on this machine: every part is really tried, and each problem comes with its fix."""

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import emohead
from emohead.assets import cache_folder, search_path
from emohead.avatar import read_emo, resolve_avatar, topology_digest
from emohead.errors import EmoheadError
from emohead.types import Camera, Splats, Waveform

EXTRAS = {
    "text": ("pocketsphinx", "transcripts aligned with the voice"),
    "recon": ("mediapipe", "avatars from your own video"),
    "demo": ("gradio", "the browser demo"),
    "provenance": ("c2pa", "signed videos"),
    "cuda": ("gsplat", "drawing on a GPU"),
    "train": ("accelerate", "training"),
    "eval": ("torchmetrics", "more metrics"),
}
"""Optional extras: the module each one brings, and what it is for."""
MIN_FREE_BYTES = 200 << 20


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    """Flat key, with a unit where it has one."""
    works: bool
    """Whether it does what it should."""
    value: str
    """What was found."""
    fix: str = ""
    """What to do; empty when it works."""
    needed: bool = True
    """Whether something that the main job needs is missing without it."""


def run_checks() -> list[Check]:
    """Try everything; takes a few seconds."""
    checks = [*_machine(), *_rasterizers(), _codecs(), *_assets()]
    return [*checks, *(_extra(name, module, purpose) for name, (module, purpose) in EXTRAS.items())]


def _machine() -> list[Check]:
    supported = (3, 10) <= sys.version_info < (3, 14)
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none (everything runs on the processor)"
    free = shutil.disk_usage(tempfile.gettempdir()).free
    return [
        Check("emohead", True, emohead.__version__),
        Check("python", supported, platform.python_version(), "" if supported else "install Python 3.10 to 3.13"),
        Check("platform", True, f"{platform.system()} {platform.machine()}"),
        Check("processors", True, str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())),
        Check("torch", True, str(torch.__version__)),
        Check("gpu", True, gpu),
        Check("free_disk_gb", free > MIN_FREE_BYTES, f"{free / 2**30:.1f}", "" if free > MIN_FREE_BYTES else "free some disk space"),
    ]


def _rasterizers() -> list[Check]:
    from emohead.raster import build_rasterizer
    from emohead.raster.torch_reference import TorchReference

    reference = TorchReference()(_few_splats("cpu"), _small_camera("cpu")).rgb
    checks = []
    for name, device in (("cpu", "cpu"), ("gsplat", "cuda")):
        needed = device == "cpu"
        try:
            started = time.monotonic()
            rgb = build_rasterizer(device)(_few_splats(device), _small_camera(device)).rgb.cpu()
            milliseconds = (time.monotonic() - started) * 1e3
        except EmoheadError as error:
            checks.append(Check(f"rasterizer_{name}", False, "not available", str(error), needed))
            continue
        agrees = float((rgb - reference).abs().max()) < 1e-3 and float(rgb.max()) > 0.1
        value = f"drew 3 splats in {milliseconds:.0f} ms" if agrees else "draws a wrong picture"
        checks.append(Check(f"rasterizer_{name}", agrees, value, "" if agrees else "reinstall emohead, numba and torch", needed))
    return checks


def _few_splats(device: str) -> Splats:
    means = torch.tensor([[0.0, 0.0, 1.0], [0.1, 0.05, 1.2], [-0.1, 0.0, 0.9]], device=device)
    return Splats(
        means=means,
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]], device=device).repeat(3, 1),
        scales=torch.full((3, 3), 0.05, device=device),
        opacities=torch.full((3,), 0.8, device=device),
        sh=torch.tensor([[[1.0, 0.2, -0.5]]], device=device).repeat(3, 1, 1),
    )


def _small_camera(device: str) -> Camera:
    intrinsics = torch.tensor([[[40.0, 0.0, 16.0], [0.0, 40.0, 16.0], [0.0, 0.0, 1.0]]], device=device)
    return Camera(torch.eye(4, device=device)[None], intrinsics, 32, 32)


def _codecs() -> Check:
    from emohead.media import read_audio, read_video
    from emohead.video_writer import write_video

    fix = "reinstall PyAV from its wheel: pip install --force-reinstall --only-binary :all: av"
    try:
        with tempfile.TemporaryDirectory(prefix="emohead-doctor-") as folder:
            path = Path(folder) / "five.mp4"
            with write_video(path, fps=25.0, width=64, height=64, sound=Waveform(0.1 * torch.randn(3200), 16_000)) as writer:
                for _ in range(5):
                    writer.write(torch.full((64, 64, 3), 128, dtype=torch.uint8))
            works = len(list(read_video(path))) == 5 and read_audio(path).duration > 0.15
            unsigned = writer.unsigned_because
    except EmoheadError as error:
        return Check("codecs", False, "cannot write an mp4", f"{fix} ({error})")
    signed = unsigned or "signed"
    return Check(
        "codecs", works, f"H.264 and AAC written and read back, {signed}" if works else "reads back something else", "" if works else fix
    )


def _assets() -> list[Check]:
    from emohead.commands.options import SAMPLE_SPEECH
    from emohead.head import load_head
    from emohead.media import read_audio
    from emohead.motion.phone_net import load_phone_net

    def head() -> str:
        return f"{load_head('generic').neutral.shape[0]} vertices"

    def avatar() -> str:
        avatar, record = read_emo(resolve_avatar("demo"))
        fits = topology_digest(load_head(avatar.head).triangles) == record.topology
        return f"{avatar.n_gaussians} Gaussians" + ("" if fits else ", made for another head model")

    def voice() -> str:
        from emohead.assets import find

        return f"{read_audio(find(SAMPLE_SPEECH)).duration:.1f} s"

    def recogniser() -> str:
        return f"{sum(parameter.numel() for parameter in load_phone_net().parameters()) / 1e6:.1f} million parameters"

    folders = Check("asset_folders", True, os.pathsep.join(str(folder) for folder in search_path()))
    parts = {"asset_head": head, "asset_demo_avatar": avatar, "asset_phone_net": recogniser, "asset_sample_speech": voice}
    return [folders, *(_loads(name, load) for name, load in parts.items())]


def _loads(name: str, load: Callable[[], str]) -> Check:
    try:
        return Check(name, True, load())
    except EmoheadError as error:
        return Check(name, False, "cannot be loaded", f"reinstall emohead, or look into EMOHEAD_ASSETS and {cache_folder()} ({error})")


def _extra(name: str, module: str, purpose: str) -> Check:
    if importlib.util.find_spec(module) is None:
        return Check(f"extra_{name}", False, f"missing ({purpose})", f"pip install 'emohead[{name}]'", needed=False)
    try:
        found = version({"c2pa": "c2pa-python"}.get(module, module))
    except PackageNotFoundError:
        found = "installed"
    return Check(f"extra_{name}", True, f"{module} {found} ({purpose})", needed=False)
