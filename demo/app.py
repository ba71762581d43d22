"""The browser demo: one page where an avatar, a voice and a sentence become a video. Nothing leaves the machine."""

import hashlib
import ipaddress
import os
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

# Gradio reads these when it is imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gradio as gr
from gradio.themes import Soft

from controllers.minilm import is_installed
from controllers.states import states
from emohead.assets import find
from emohead.avatar import read_emo, resolve_avatar
from emohead.errors import CancelledError, EmoheadError, InputError
from emohead.media import read_audio
from emohead.pipeline import Performance, Pipeline

MAX_AUDIO_SECONDS = 120.0
"""Longer recordings are for the command line, which has no one waiting in a queue behind it."""
MAX_UPLOAD = "50mb"
SENTENCES = (
    "calm, then a delighted surprise",
    "a shy smile with the left eyebrow raised",
    "starts worried, then relieved",
    "deeply moved, on the verge of tears",
    "very angry",
)
READINGS = {"small": "the network that ships", "minilm": "MiniLM, slower and a little better", "lexicon": "the word list alone"}
"""What may read the sentence, in words."""
# System fonts only: Gradio's own themes would fetch theirs from a font server.
FONTS, MONOSPACE = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")
CSS = """
.gradio-container { max-width: 1120px !important; margin: 0 auto !important; }
#video video { max-height: 540px; background: #101418; }
#portrait img { border-radius: 12px; }
footer { display: none !important; }
"""


class Jobs:
    """Which session's render is running, so that Cancel and a closed page stop it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._events: dict[str, threading.Event] = {}

    def start(self, session: str) -> threading.Event:
        """Register a new job of `session` and return the event that cancels it."""
        event = threading.Event()
        with self._lock:
            self._events[session] = event
        return event

    def cancel(self, session: str) -> None:
        """Stop the running job of `session`, if any."""
        with self._lock:
            event = self._events.pop(session, None)
        if event is not None:
            event.set()


@lru_cache(maxsize=2)
def load_pipeline(avatar: str, device: str) -> Pipeline:
    """The pipeline of an avatar, kept warm for the next render."""
    return Pipeline.from_pretrained(avatar, device=device)


def render(
    avatar_file: str | None,
    audio: str | None,
    sentence: str,
    label: str,
    intensity: float,
    seed: float,
    reading: str = "small",
    *,
    device: str,
    folder: Path,
    report: Callable[[float, str], object],
    cancelled: threading.Event,
) -> tuple[str, str]:
    """Render one video and say in words what was done.

    Returns:
        The path of the mp4 and the text for the status box.

    Raises:
        EmoheadError: with the one line that the page shows.
    """
    if not audio:
        raise InputError("no audio: press Use the sample, drop a file or record something")
    waveform = read_audio(audio)
    if waveform.duration > MAX_AUDIO_SECONDS:
        raise InputError(
            f"the audio is {waveform.duration:.0f} s long; the page takes up to {MAX_AUDIO_SECONDS:.0f} s, use `emohead render` for more"
        )

    def progress(fraction: float, message: str) -> None:
        if cancelled.is_set():
            raise CancelledError("cancelled")
        report(fraction, message)

    progress(0.0, "loading")
    pipeline = load_pipeline(avatar_file or "demo", device)
    performance = pipeline(
        audio,
        emotion=sentence.strip() or None,
        label=None if label == "none" else label,
        intensity=float(intensity),
        seed=int(seed or 0),
        reading=reading,
        progress=progress,
    )
    handle, path = tempfile.mkstemp(suffix=".mp4", prefix="emohead-", dir=folder)
    os.close(handle)
    notes = performance.save(path)
    return path, describe(performance, notes)


def describe(performance: Performance, notes: tuple[str, ...]) -> str:
    """A few lines about a finished performance and what could not be done."""
    seconds = performance.n_frames / performance.fps
    done = f"{seconds:.1f} s at {performance.fps:g} frames per second. The video says in its metadata that it is generated."
    return "\n".join([done, *performance.warnings, *notes])


def portrait(avatar_file: str | None, folder: Path) -> str | None:
    """A picture of the avatar, from its own file and written into `folder`; None when it has none.

    Raises:
        EmoheadError: the avatar file is damaged or foreign.
    """
    _, record = read_emo(resolve_avatar(avatar_file or "demo"))
    if not record.thumbnail:
        return None
    path = folder / f"{hashlib.sha256(record.thumbnail).hexdigest()[:16]}.webp"
    path.write_bytes(record.thumbnail)
    return str(path)


def build(*, device: str = "auto", folder: Path) -> gr.Blocks:
    """The page. Videos are written into `folder`."""
    jobs = Jobs()

    def on_render(avatar_file, audio, sentence, label, intensity, seed, reading, request: gr.Request, progress=gr.Progress()):  # noqa: B008
        session = str(request.session_hash)
        cancelled = jobs.start(session)
        try:
            return render(
                avatar_file, audio, sentence, label, intensity, seed, reading,
                device=device, folder=folder, cancelled=cancelled, report=lambda fraction, text: progress(fraction, desc=text),
            )  # fmt: skip
        except CancelledError:
            return gr.skip(), "Cancelled."
        except EmoheadError as error:
            raise gr.Error(str(error), duration=None, print_exception=False) from None

    def on_avatar(avatar_file):
        try:
            return portrait(avatar_file, folder)
        except EmoheadError as error:
            raise gr.Error(str(error), duration=None, print_exception=False) from None

    def on_cancel(request: gr.Request) -> None:
        jobs.cancel(str(request.session_hash))

    with gr.Blocks(title="EmoHead", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown("# EmoHead\nA voice and a sentence in, a talking head out. Everything runs on this machine.")
        with gr.Row():
            with gr.Column(scale=5):
                audio = gr.Audio(label="Speech", sources=["upload", "microphone"], type="filepath", elem_id="speech", buttons=["download"])
                sample = gr.Button("Use the sample", size="sm", elem_id="sample")
                sentence = gr.Textbox(label="How should it feel?", placeholder=SENTENCES[0], max_length=500, lines=1, elem_id="sentence")
                with gr.Row():
                    start = gr.Button("Render", variant="primary", elem_id="render")
                    stop = gr.Button("Cancel", elem_id="cancel")
                gr.Examples([[text] for text in SENTENCES], inputs=[sentence], label="Try")
                with gr.Row():
                    label = gr.Dropdown(["none", *states()], value="none", label="Throughout", elem_id="label", min_width=120)
                    intensity = gr.Slider(0.0, 1.3, value=1.0, step=0.05, label="Intensity", elem_id="intensity", min_width=140)
                    seed = gr.Number(value=0, precision=0, minimum=0, label="Seed", elem_id="seed", min_width=80)
                    offered = [(text, name) for name, text in READINGS.items() if name != "minilm" or is_installed()]
                    reading = gr.Dropdown(offered, value="small", label="Words read by", elem_id="reading", min_width=140)
                with gr.Row():
                    picture = gr.Image(
                        value=portrait(None, folder), label="Avatar", elem_id="portrait", height=170, interactive=False, buttons=[]
                    )
                    avatar = gr.File(label="Another avatar (.emo)", file_types=[".emo"], height=170)
            with gr.Column(scale=6):
                video = gr.Video(label="Video", elem_id="video", autoplay=True, interactive=False, buttons=["download"])
                status = gr.Textbox(label="What was done", lines=3, elem_id="status", interactive=False)
        inputs = [avatar, audio, sentence, label, intensity, seed, reading]
        start.click(on_render, inputs, [video, status], concurrency_limit=1, api_name="render")
        stop.click(on_cancel, queue=False, api_visibility="private")
        avatar.change(on_avatar, [avatar], [picture], api_visibility="private")
        sample.click(lambda: str(find("sample_speech.wav")), None, [audio], api_visibility="private")
        page.unload(on_cancel)
    return page.queue(max_size=8, default_concurrency_limit=1)


def launch(*, host: str = "127.0.0.1", port: int = 7860, device: str = "auto", auth: tuple[str, str] | None = None) -> None:
    """Serve the page until interrupted.

    Raises:
        InputError: `host` is not a loopback address and no user name and password are given.
    """
    if not _is_loopback(host) and auth is None:
        raise InputError(f"--host {host} can be reached by others; give --auth NAME:PASSWORD too")
    with tempfile.TemporaryDirectory(prefix="emohead-demo-") as folder:
        build(device=device, folder=Path(folder)).launch(
            server_name=host, server_port=port, share=False, auth=auth, inbrowser=False, show_error=False, quiet=True,
            max_file_size=MAX_UPLOAD, allowed_paths=[], enable_monitoring=False, ssr_mode=False, mcp_server=False, footer_links=[],
            state_session_capacity=100, theme=Soft(font=FONTS, font_mono=MONOSPACE), css=CSS,
        )  # fmt: skip


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
