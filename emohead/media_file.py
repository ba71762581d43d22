"""Opening media files of strangers: a white list of containers and codecs, limits, and one-line errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError, InvalidDataError, PatchWelcomeError

from emohead.errors import InputError

FORMATS = "mov,mp4,m4a,matroska,webm,avi,mpegts,mpeg,mpegvideo,wav,w64,mp3,flac,ogg,aac,aiff,caf,au,amr,asf,flv"
"""Demuxers that may open a file. Playlists (concat, hls, dash) are not among them: they name other files and addresses."""
VIDEO_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "libaom-av1", "libvpx", "libvpx-vp9", "mpeg1video", "mpeg2video", "mpeg4",
     "mjpeg", "prores", "ffv1", "rawvideo", "h263", "flv"}
)  # fmt: skip
AUDIO_CODECS = frozenset(
    {"aac", "mp3", "mp3float", "flac", "opus", "libopus", "vorbis", "libvorbis", "alac", "ac3", "eac3", "mp2", "mp2float", "amrnb",
     "amrwb", "libopencore_amrnb", "libopencore_amrwb", "wmav2", "adpcm_ima_wav", "adpcm_ms"}
)  # fmt: skip
MAX_AUDIO_SECONDS = 7200.0
_PICTURE_CODECS = {"mjpeg", "png"}
MAX_VIDEO_SECONDS = 600.0
MAX_VIDEO_FRAMES = 20_000
MAX_VIDEO_PIXELS = 8192 * 8192
MIN_DECODED_SHARE = 0.9
"""A file that decodes to less than this share of its declared length was cut short."""
# These containers state their length in the header; for the others FFmpeg only estimates it from the bit rate.
_LENGTH_IN_HEADER = frozenset({"wav", "flac", "mov", "matroska", "avi", "aiff", "caf"})
# A WAV whose writer could not seek back says 0 or "as long as can be", just below 2^31 or 2^32 bytes.
_UNKNOWN_WAV_BYTES = 0x7FFF0000


@contextmanager
def open_media(path: str | Path) -> Iterator[Any]:
    """Open a local media file as a PyAV container; FFmpeg's errors while it is open become InputError.

    Raises:
        InputError: missing, empty, not a regular file, not a media file, or a container that is not read here.
    """
    file = Path(path)
    if not file.exists():
        raise InputError(f"{path}: no such file; check the path")
    if not file.is_file():
        raise InputError(f"{path}: not a regular file; give a media file")
    if file.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; record or copy it again")
    _check_wav_is_whole(file)
    try:
        # The file: prefix keeps a colon in a name from being read as a protocol.
        container = av.open(f"file:{file}", options={"format_whitelist": FORMATS, "protocol_whitelist": "file"})
    except PermissionError as error:
        raise InputError(f"{path}: not allowed to read it; change its permissions") from error
    except (FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable audio or video file; give wav, flac, mp3, ogg, m4a, mp4, mkv, webm or the like"
        ) from error
    try:
        yield container
    except FFmpegError as error:
        raise InputError(f"{path}: damaged media file ({error.strerror}); copy or export it again") from error
    finally:
        container.close()


def find_audio(path: str | Path, container: Any) -> Any:
    """The sound track that is read.

    Raises:
        InputError: there is none, or its codec is not read here.
    """
    if not container.streams.audio:
        raise InputError(f"{path}: no sound track in it; give an audio file or a video with sound")
    stream = container.streams.audio[0]
    _check_codec(path, stream, AUDIO_CODECS)
    return stream


def find_video(path: str | Path, container: Any) -> Any:
    """The moving pictures that are read; cover art does not count.

    Raises:
        InputError: there are none, their codec is not read here, or they are too large.
    """
    streams = video_streams(container)
    if not streams:
        raise InputError(f"{path}: no moving pictures in it; give a video file")
    _check_codec(path, streams[0], VIDEO_CODECS)
    width, height = streams[0].codec_context.width, streams[0].codec_context.height
    if width * height > MAX_VIDEO_PIXELS:
        raise InputError(f"{path}: pictures of {width}x{height} pixels are too large; scale the video to at most 8192x8192")
    return streams[0]


def video_streams(container: Any) -> list[Any]:
    """The video streams of a container that are not attached pictures; streams of whole pictures, which may be covers, come last."""
    streams = [stream for stream in container.streams.video if not stream.disposition & stream.disposition.__class__.attached_pic]
    return sorted(streams, key=lambda stream: stream.codec_context.name in _PICTURE_CODECS)


def declared_seconds(container: Any, stream: Any) -> float:
    """Length by the header, or FFmpeg's estimate of it; 0 when unknown."""
    if stream is not None and stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


def states_its_length(container: Any) -> bool:
    """Whether the declared length comes from the header: then less than that was cut off."""
    return container.format.name.split(",")[0] in _LENGTH_IN_HEADER


def check_seconds(path: str | Path, seconds: float, limit: float) -> None:
    """Raise InputError for media longer than `limit` seconds."""
    if seconds > limit:
        raise InputError(f"{path}: {seconds / 60:.0f} minutes are too long (limit {limit / 60:.0f}); cut it into parts")


def decode(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames of a stream; packets that cannot be decoded are skipped, as players do."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except (InvalidDataError, PatchWelcomeError):
            continue


def _check_wav_is_whole(file: Path) -> None:
    # FFmpeg shortens the declared length of a WAV to what is there, so the header is read here.
    with file.open("rb") as opened:
        if opened.read(4) != b"RIFF" or opened.read(8)[4:] != b"WAVE":
            return
        while len(chunk := opened.read(8)) == 8:
            declared = int.from_bytes(chunk[4:], "little")
            if chunk[:4] != b"data":
                opened.seek(declared + declared % 2, 1)
                continue
            there = file.stat().st_size - opened.tell()
            if there < MIN_DECODED_SHARE * declared and declared < _UNKNOWN_WAV_BYTES:
                raise InputError(f"{file}: cut short, {there} of {declared} bytes of sound are there; copy or export the file again")
            return


def _check_codec(path: str | Path, stream: Any, allowed: frozenset[str]) -> None:
    # The container option codec_whitelist does not stop a decoder, and rarely used decoders are where holes are found.
    name = stream.codec_context.name
    if name not in allowed and not name.startswith("pcm_"):
        raise InputError(f"{path}: codec {name} is not read here; convert it to H.264 video or to wav, flac, mp3, aac or opus audio")
