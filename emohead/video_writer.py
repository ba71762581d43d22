"""Generated video out: H.264 and AAC in an mp4 that says it is generated and appears only when it is whole."""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8
from torch import Tensor

from emohead.errors import CancelledError, InputError
from emohead.media_file import decode, find_audio, open_media
from emohead.output import output_error, whole_file
from emohead.provenance import GENERATED_TAGS, sign_video
from emohead.types import Waveform

SOUND_RATE = 48_000
"""Hz of the sound track."""
_AAC_FRAME = 1024
_QUEUE_FRAMES = 8
_BT709 = 1


@contextmanager
def write_video(
    path: str | Path, *, fps: float, width: int, height: int, sound: str | Path | Waveform | None = None, crf: int = 18
) -> Iterator["VideoWriter"]:
    """Write a generated video: leave the block normally and the file has its name, leave it by an error and nothing has changed.

    Args:
        path: the mp4.
        fps: pictures per second, 1..240.
        width: pixels, even.
        height: pixels, even.
        sound: a recording whose sound track is coded anew (its channels and band kept), samples, or None for a silent video.
        crf: H.264 quality, 0 (lossless) .. 51; 18 is visually near lossless.

    Raises:
        InputError: odd or absurd sizes, an fps outside its range, a sound that cannot be read, no pictures.
        ResourceError: the disk is full.
    """
    if width % 2 or height % 2 or not (16 <= width <= 8192 and 16 <= height <= 8192):
        raise InputError(f"video size {width}x{height} cannot be coded; give even numbers from 16 to 8192")
    if not 1 <= fps <= 240:
        raise InputError(f"{fps} frames per second cannot be coded; give 1 to 240")
    with whole_file(path) as partial, ThreadPoolExecutor(1, "video-writer") as executor:
        writer = VideoWriter(Path(path), Fraction(fps).limit_denominator(1001), width, height)
        writer.encoding = executor.submit(writer.encode, partial, sound, crf)
        try:
            yield writer
            writer.finish()
        finally:
            writer.stop()
        writer.unsigned_because = sign_video(partial, title=Path(path).name)


class VideoWriter:
    """Takes pictures and encodes them in a background thread while the next ones are rendered. Made by `write_video`."""

    encoding: "Future[None]"
    """The work of the background thread."""
    unsigned_because: str = ""
    """Empty when the finished file carries a C2PA signature, else why it does not; it always carries the tags."""
    n_frames: int = 0
    """Pictures given so far."""

    def __init__(self, path: Path, fps: Fraction, width: int, height: int):
        self.path, self.fps, self.width, self.height = path, fps, width, height
        self._pictures: queue.Queue[np.ndarray | None] = queue.Queue(_QUEUE_FRAMES)
        self._stopped = threading.Event()

    def write(self, rgb: UInt8[Tensor, "H W 3"]) -> None:
        """Add one picture; waits while the encoder is more than a few pictures behind.

        Raises:
            InputError: another size than announced.
            ResourceError: the disk is full.
        """
        if rgb.shape != (self.height, self.width, 3):
            raise InputError(f"picture must be [{self.height}, {self.width}, 3], got {list(rgb.shape)}; render at the video's size")
        self._put(rgb.cpu().numpy())
        self.n_frames += 1

    def finish(self) -> None:
        """Wait until everything is encoded."""
        if not self.n_frames:
            raise InputError(f"{self.path}: there are no pictures to write; give at least one")
        self._put(None)
        self._check(wait=True)

    def stop(self) -> None:
        """Make the background thread end soon, whatever is left to do."""
        self._stopped.set()

    def _put(self, picture: np.ndarray | None) -> None:
        while True:
            self._check()
            try:
                return self._pictures.put(picture, timeout=0.1)
            except queue.Full:
                continue

    def _check(self, *, wait: bool = False) -> None:
        if wait or self.encoding.done():
            try:
                self.encoding.result()
            except FFmpegError as error:
                raise output_error(self.path, OSError(error.errno, error.strerror)) from error

    def _next_pictures(self) -> Iterator[np.ndarray]:
        while not self._stopped.is_set():
            try:
                picture = self._pictures.get(timeout=0.1)
            except queue.Empty:
                continue
            if picture is None:
                return
            yield picture
        raise CancelledError(f"{self.path}: writing was stopped")

    def encode(self, partial: Path, sound: str | Path | Waveform | None, crf: int) -> None:
        """Encode pictures as they come, interleaved with the sound; runs in the background thread."""
        with av.open(f"file:{partial}", "w", format="mp4", options={"movflags": "+faststart"}) as container:
            container.metadata.update(GENERATED_TAGS)
            pictures = _add_pictures(container, self.fps, self.width, self.height, crf)
            blocks = iter(()) if sound is None else _sound_blocks(sound)
            first = next(blocks, None)
            track = None if first is None else container.add_stream("aac", rate=SOUND_RATE, layout=first.layout.name, bit_rate=160_000)
            heard, pending = 0, first
            for index, picture in enumerate(self._next_pictures()):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
                frame.pts, frame.time_base = index, 1 / self.fps
                container.mux(pictures.encode(frame))
                while track is not None and pending is not None and heard * self.fps < (index + 1) * SOUND_RATE:
                    heard += _encode_sound(container, track, pending, heard)
                    pending = next(blocks, None)
            container.mux(pictures.encode(None))
            while track is not None and pending is not None:
                heard += _encode_sound(container, track, pending, heard)
                pending = next(blocks, None)
            if track is not None:
                container.mux(track.encode(None))


def _add_pictures(container: Any, fps: Fraction, width: int, height: int, crf: int) -> Any:
    # One encoder thread: the other cores render.
    stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "veryfast", "threads": "1"})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = ColorRange.MPEG.value
    return stream


def _encode_sound(container: Any, track: Any, block: Any, heard: int) -> int:
    block.pts, block.time_base = heard, Fraction(1, SOUND_RATE)
    container.mux(track.encode(block))
    return block.samples


def _sound_blocks(sound: str | Path | Waveform) -> Iterator[Any]:
    """Mono or stereo frames at 48 kHz, one AAC frame long."""
    if isinstance(sound, Waveform):
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE, frame_size=_AAC_FRAME)
        for block in sound.samples.cpu().split(sound.sample_rate):
            frame = av.AudioFrame.from_ndarray(block.float().numpy()[None], format="fltp", layout="mono")
            frame.sample_rate = sound.sample_rate
            yield from resampler.resample(frame)
        yield from resampler.resample(None)
        return
    with open_media(sound) as container:
        track = find_audio(sound, container)
        layout = "mono" if track.codec_context.layout.nb_channels == 1 else "stereo"
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=SOUND_RATE, frame_size=_AAC_FRAME)
        for frame in decode(container, track):
            frame.pts = None
            yield from resampler.resample(frame)
        yield from resampler.resample(None)
