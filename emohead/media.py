"""Audio and video in (any common container, codec, rate and channel count) and video out, through PyAV."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from emohead.errors import InputError
from emohead.media_file import (
    MAX_AUDIO_SECONDS,
    MAX_VIDEO_FRAMES,
    MAX_VIDEO_SECONDS,
    MIN_DECODED_SHARE,
    check_seconds,
    declared_seconds,
    decode,
    find_audio,
    find_video,
    open_media,
    states_its_length,
    video_streams,
)
from emohead.types import Waveform
from emohead.video_writer import VideoWriter as VideoWriter

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""Of files that are one picture."""
MAX_PICTURE_PIXELS = 8192 * 8192
_HDR = (16, 18)
"""Transfer characteristics of ITU-T H.273: PQ and HLG."""
_TOO_LARGE = "too large; scale the picture to at most 8192x8192"


@dataclass(frozen=True)
class VideoFrame:
    """One decoded picture."""

    rgb: UInt8[Tensor, "H W 3"]
    """Upright sRGB pixels."""
    time: float
    """Presentation time in seconds; the first picture is at 0."""
    duration: float
    """Seconds it is shown."""
    flaw: str | None = None
    """What harms it as it is stored, and what to do: interlaced, or HDR colours, which are taken as they are."""


@dataclass(frozen=True)
class MediaInfo:
    """What the header of a media file says; None where there is no such stream."""

    container: str
    """FFmpeg's name of the container."""
    duration: float
    """Declared seconds; 0 when unknown."""
    audio_codec: str | None
    """Codec name."""
    audio_duration: float | None
    """Declared seconds of the sound track."""
    sample_rate: int | None
    """Hz."""
    channels: int | None
    """Number of audio channels."""
    video_codec: str | None
    """Codec name."""
    video_duration: float | None
    """Declared seconds of the pictures."""
    width: int | None
    """Pixels, before rotation."""
    height: int | None
    """Pixels, before rotation."""
    fps: float | None
    """Average frames per second."""
    n_frames: int | None
    """Declared number of pictures; 0 when unknown."""
    metadata: dict[str, str]
    """Container tags (title, comment ...)."""


def probe(path: str | Path) -> MediaInfo:
    """Read the header of a media file; nothing is decoded.

    Raises:
        InputError: missing, empty, not a media file, or of a kind that is not read.
    """
    with open_media(path) as container:
        audio = next(iter(container.streams.audio), None)
        video = next(iter(video_streams(container)), None)
        if audio is None and video is None:
            raise InputError(f"{path}: neither sound nor moving pictures in it; give an audio or video file")
        return MediaInfo(
            container=container.format.name,
            duration=declared_seconds(container, None) or declared_seconds(container, audio or video),
            audio_codec=audio.codec_context.name if audio else None,
            audio_duration=declared_seconds(container, audio) if audio else None,
            sample_rate=audio.codec_context.sample_rate if audio else None,
            channels=audio.codec_context.layout.nb_channels if audio else None,
            video_codec=video.codec_context.name if video else None,
            video_duration=declared_seconds(container, video) if video else None,
            width=video.codec_context.width if video else None,
            height=video.codec_context.height if video else None,
            fps=float(video.average_rate) if video and video.average_rate else None,
            n_frames=video.frames if video else None,
            metadata=dict(container.metadata),
        )


def read_audio(path: str | Path, *, sample_rate: int = 16_000) -> Waveform:
    """The first sound track of a media file, mixed to mono, resampled and clipped to -1..1.

    Args:
        path: an audio file, or a video with sound.
        sample_rate: Hz of the result.

    Raises:
        InputError: missing, empty, truncated or non-media file, no sound track, NaN or Inf samples, longer than two hours.
    """
    blocks, seconds = [], 0.0
    with open_media(path) as container:
        stream = find_audio(path, container)
        declared, trusted = declared_seconds(container, stream), states_its_length(container)
        check_seconds(path, declared if trusted else 0.0, MAX_AUDIO_SECONDS)
        for block in _mono_blocks(container, stream, sample_rate):
            blocks.append(block)
            seconds += len(block) / sample_rate
            check_seconds(path, seconds, MAX_AUDIO_SECONDS)
    if seconds == 0.0:
        raise InputError(f"{path}: there is no sound in its sound track; record or copy it again")
    if trusted and seconds < MIN_DECODED_SHARE * declared:
        raise InputError(f"{path}: cut short, only {seconds:.1f} s of {declared:.1f} s can be read; copy or export the file again")
    samples = torch.from_numpy(np.concatenate(blocks))
    if not torch.isfinite(samples).all():
        raise InputError(f"{path}: some samples are NaN or infinite; export the audio again")
    return Waveform(samples.clamp_(-1.0, 1.0), sample_rate)


def read_video(path: str | Path, *, fps: float | None = None) -> Iterator[VideoFrame]:
    """The pictures of a video, upright, in order of their presentation times.

    Args:
        path: a video file.
        fps: None gives the stored pictures with their own times; a number gives a constant rate, at each time the latest picture.

    Raises:
        InputError: missing, truncated or non-media file, no pictures, too large or too long.
    """
    stored = _stored_frames(path)
    yield from stored if fps is None else _at_constant_rate(stored, fps)


def sample_video(path: str | Path, *, every: float) -> Iterator[VideoFrame]:
    """Pictures of a video at least `every` seconds apart, beginning with the first; the others cost little, for they are not converted.

    Raises:
        InputError: as `read_video`.
    """
    yield from _stored_frames(path, every=every)


def read_picture(path: str | Path) -> UInt8[Tensor, "H W 3"]:
    """One picture, upright, as sRGB; transparency is laid over mid grey.

    Raises:
        InputError: missing, not a picture, damaged, or larger than `MAX_PICTURE_PIXELS`.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: no such picture file; check the path")
    try:
        with Image.open(file, formats=PICTURE_FORMATS) as picture:
            # The size is known from the header: nothing has been decoded yet.
            if picture.width * picture.height > MAX_PICTURE_PIXELS:
                raise InputError(f"{path}: {picture.width}x{picture.height} pixels are {_TOO_LARGE}")
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I") or upright.mode == "F":
                upright = _in_eight_bits(upright)
            if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                upright = Image.alpha_composite(Image.new("RGBA", upright.size, (128, 128, 128, 255)), upright.convert("RGBA"))
            return torch.from_numpy(np.asarray(upright.convert("RGB")).copy())
    except Image.DecompressionBombError:
        raise InputError(f"{path}: its pixels are {_TOO_LARGE}") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{path}: not a readable picture ({type(error).__name__}); give a .png, .jpg or .webp") from None


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """A deep grey picture with its white at 255: that of 16 bits, or 1 for small floats."""
    values = np.asarray(picture, np.float32)
    top = float(np.nanmax(values, initial=0.0))
    white = 1.0 if picture.mode == "F" and top <= 1.0 else 255.0 if top <= 255.0 and picture.mode == "F" else 65535.0
    return Image.fromarray((np.nan_to_num(values / white).clip(0.0, 1.0) * 255.0).round().astype(np.uint8))


def _mono_blocks(container: Any, stream: Any, sample_rate: int) -> Iterator[np.ndarray]:
    # Channels are averaged by hand, since FFmpeg's own mix to mono raises the level of what all channels share.
    resampler, source = None, None
    for frame in decode(container, stream):
        if source != (frame.format.name, frame.layout.name, frame.sample_rate):
            yield from _resampled(resampler, None)
            source = (frame.format.name, frame.layout.name, frame.sample_rate)
            resampler = av.AudioResampler(format="fltp", layout=frame.layout, rate=sample_rate)
        frame.pts = None
        yield from _resampled(resampler, frame)
    yield from _resampled(resampler, None)


def _resampled(resampler: av.AudioResampler | None, frame: Any) -> Iterator[np.ndarray]:
    if resampler is not None:
        for block in resampler.resample(frame):
            yield block.to_ndarray().astype(np.float32).mean(axis=0)


def _stored_frames(path: str | Path, *, every: float = 0.0) -> Iterator[VideoFrame]:
    wanted = 0.0
    with open_media(path) as container:
        stream = find_video(path, container)
        declared, trusted = declared_seconds(container, stream), states_its_length(container)
        check_seconds(path, declared if trusted else 0.0, MAX_VIDEO_SECONDS)
        # One picture lasts this long unless it says otherwise.
        interval = float(1 / stream.average_rate) if stream.average_rate else 0.04
        start, end, count = None, 0.0, 0
        for frame in decode(container, stream):
            time = end if frame.time is None else frame.time
            start = time if start is None else start
            duration = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else interval
            end, count = time - start + duration, count + 1
            check_seconds(path, end, MAX_VIDEO_SECONDS)
            if count > MAX_VIDEO_FRAMES:
                raise InputError(f"{path}: more than {MAX_VIDEO_FRAMES} pictures; cut it into parts or lower its frame rate")
            if time - start >= wanted - 1e-6:
                wanted = max(wanted + every, time - start)
                yield VideoFrame(_upright(frame), time - start, duration, _flaw(frame))
    if count == 0:
        raise InputError(f"{path}: no picture in it can be read; copy or export the file again")
    if trusted and end < MIN_DECODED_SHARE * declared:
        raise InputError(f"{path}: cut short, only {end:.1f} s of {declared:.1f} s can be read; copy or export the file again")


def _upright(frame: Any) -> Tensor:
    # The display matrix says by how many degrees counter-clockwise a player turns the stored picture.
    if any(component.is_alpha for component in frame.format.components):
        pixels = _over_grey(frame.to_ndarray(format="rgba"))
    else:
        pixels = frame.to_ndarray(format="rgb24")
    return torch.from_numpy(np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90))))


def _over_grey(rgba: np.ndarray) -> np.ndarray:
    """Transparency laid over mid grey, as in pictures."""
    share = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * share + 128 * (255 - share) + 127) // 255).astype(np.uint8)


def _flaw(frame: Any) -> str | None:
    if frame.interlaced_frame:
        return "the video is interlaced, which blurs what moves; convert it first (ffmpeg -i IN -vf bwdif OUT)"
    if frame.color_trc in _HDR:
        return "the video is HDR, whose colours come out dull; film or export it as SDR"
    return None


def _at_constant_rate(frames: Iterator[VideoFrame], fps: float) -> Iterator[VideoFrame]:
    shown, index = None, 0
    for frame in frames:
        while shown is not None and index / fps < frame.time - 1e-6:
            yield VideoFrame(shown.rgb, index / fps, 1 / fps, shown.flaw)
            index += 1
        shown = frame
    while shown is not None and index / fps < shown.time + shown.duration - 1e-6:
        yield VideoFrame(shown.rgb, index / fps, 1 / fps, shown.flaw)
        index += 1
