"""Audio and video in and out: rates, channels, lengths, colours, rotation, and marks that notice a change."""

import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from emohead.errors import InputError
from emohead.media import probe, read_audio, read_video
from emohead.output import whole_file
from emohead.provenance import verify_video
from emohead.types import Waveform
from emohead.video_writer import write_video


@pytest.fixture(autouse=True)
def own_config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signing key of these tests is made in a scratch folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def tone(seconds: float, rate: int, *, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write_sound(path: Path, samples: np.ndarray, rate: int, codec: str, layout: str, *, sample_format: str | None = None) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if sample_format:
            stream.format = sample_format
        channels = stream.codec_context.layout.nb_channels
        frame = av.AudioFrame.from_ndarray(np.tile(samples.astype(np.float32), (channels, 1)), format="fltp", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, layout, rate, frame_size=stream.frame_size or None)
        for block in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "rate", "codec", "layout"),
    [
        ("a.wav", 8000, "pcm_s16le", "mono"),
        ("a.wav", 11025, "pcm_u8", "stereo"),
        ("a.wav", 16000, "pcm_s24le", "5.1"),
        ("a.wav", 44100, "pcm_f32le", "stereo"),
        ("a.wav", 192000, "pcm_s16le", "mono"),
        ("a.wav", 8000, "pcm_mulaw", "mono"),
        ("a.flac", 48000, "flac", "stereo"),
        ("a.ogg", 48000, "libopus", "mono"),
        ("a.mp3", 44100, "libmp3lame", "stereo"),
        ("a.m4a", 48000, "aac", "mono"),
        ("a.mkv", 48000, "aac", "stereo"),
    ],
)
def test_every_rate_channel_count_and_container_gives_the_same_sound(tmp_path: Path, name: str, rate: int, codec: str, layout: str):
    write_sound(tmp_path / name, tone(1.0, rate), rate, codec, layout)
    audio = read_audio(tmp_path / name)
    assert audio.sample_rate == 16000 and audio.samples.dtype == torch.float32
    # Coders that work in blocks (AAC, MP3) may pad the end by some of their 20 ms blocks.
    assert abs(audio.duration - 1.0) < 0.07
    middle = audio.samples[4000:12000]
    assert abs(float(middle.square().mean().sqrt()) - 0.5 / 2**0.5) < 0.02
    spectrum = torch.fft.rfft(middle * torch.hann_window(8000)).abs()
    assert abs(int(spectrum.argmax()) * 2 - 440) <= 2


def test_fifty_milliseconds_clipping_and_offset_are_fine(tmp_path: Path):
    write_sound(tmp_path / "short.wav", 3 * tone(0.05, 16000) + 0.4, 16000, "pcm_f32le", "mono")
    audio = read_audio(tmp_path / "short.wav")
    assert audio.samples.shape == (800,) and float(audio.samples.max()) == 1.0 and float(audio.samples.min()) == -1.0


@pytest.mark.parametrize("declared", [0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFF000])
def test_a_streamed_wav_whose_header_has_no_true_length(tmp_path: Path, declared: int):
    path = tmp_path / "streamed.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((tone(1.0, 16000) * 32767).astype("<i2").tobytes())
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", declared)
    path.write_bytes(data)
    assert abs(read_audio(path).duration - 1.0) < 1e-3


def write_test_video(
    path: Path, *, n: int = 10, fps: float = 25.0, size: tuple[int, int] = (48, 64), sound: Waveform | Path | None = None
) -> None:
    with write_video(path, fps=fps, width=size[1], height=size[0], sound=sound) as writer:
        for index in range(n):
            writer.write(torch.full((*size, 3), 20 * index % 256, dtype=torch.uint8))


@pytest.mark.parametrize("seconds", [0.05, 1.0, 2.013])
@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 60.0])
def test_sound_and_pictures_have_equal_length_within_one_frame(tmp_path: Path, seconds: float, fps: float):
    sound = Waveform(torch.from_numpy(tone(seconds, 16000)).float(), 16000)
    write_test_video(tmp_path / "v.mp4", n=max(1, round(seconds * fps)), fps=fps, sound=sound)
    info = probe(tmp_path / "v.mp4")
    assert info.fps is not None and abs(info.fps - fps) < 0.01 and info.n_frames == max(1, round(seconds * fps))
    assert info.video_duration is not None and info.audio_duration is not None
    assert abs(info.video_duration - info.audio_duration) < 1 / fps
    assert abs(info.audio_duration - seconds) < 0.005


def test_sound_stays_where_it_was(tmp_path: Path):
    """Neither the coder's priming samples nor resampling may shift the voice against the lips."""
    click = torch.zeros(32000)
    click[16000:16400] = torch.from_numpy(tone(0.025, 16000)).float()
    write_test_video(tmp_path / "v.mp4", n=50, sound=Waveform(click, 16000))
    heard = read_audio(tmp_path / "v.mp4").samples[: len(click)]
    shift = torch.fft.irfft(torch.fft.rfft(heard, n=65536) * torch.fft.rfft(click, n=65536).conj()).argmax()
    assert min(int(shift), 65536 - int(shift)) <= 16  # one millisecond


def test_original_recording_keeps_its_channels(tmp_path: Path):
    write_sound(tmp_path / "stereo.flac", tone(0.5, 44100), 44100, "flac", "stereo")
    write_test_video(tmp_path / "v.mp4", n=12, sound=tmp_path / "stereo.flac")
    info = probe(tmp_path / "v.mp4")
    assert (info.channels, info.sample_rate, info.audio_codec, info.video_codec) == (2, 48000, "aac", "h264")


def test_colours_survive(tmp_path: Path):
    colour = torch.tensor([200, 120, 60], dtype=torch.uint8)
    with write_video(tmp_path / "v.mp4", fps=25.0, width=64, height=64) as writer:
        for _ in range(5):
            writer.write(colour.expand(64, 64, 3).contiguous())
    frames = list(read_video(tmp_path / "v.mp4"))
    assert len(frames) == 5 and abs(frames[4].time - 0.16) < 1e-6
    assert (frames[2].rgb[10:50, 10:50].float().mean((0, 1)) - colour.float()).abs().max() < 3


@pytest.mark.parametrize(("matrix", "corner"), [((0, 1, -1, 0), (0, 1)), ((0, -1, 1, 0), (1, 0)), ((-1, 0, 0, -1), (1, 1))])
def test_rotated_phone_videos_come_upright(tmp_path: Path, matrix: tuple[int, ...], corner: tuple[int, int]):
    """A white patch stored top left must appear where the display matrix (clockwise 90, 270 and 180 degrees) puts it."""
    with write_video(tmp_path / "v.mp4", fps=25.0, width=64, height=32) as writer:
        picture = torch.zeros(32, 64, 3, dtype=torch.uint8)
        picture[:16, :16] = 255
        for _ in range(3):
            writer.write(picture)
    data = bytearray((tmp_path / "v.mp4").read_bytes())
    header = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    data[header : header + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "r.mp4").write_bytes(data)
    picture = next(read_video(tmp_path / "r.mp4")).rgb
    assert tuple(picture.shape) == ((32, 64, 3) if matrix[0] else (64, 32, 3))
    row, column = corner
    patch = picture[-8:] if row else picture[:8]
    assert float((patch[:, -8:] if column else patch[:, :8]).float().mean()) > 200


def test_variable_frame_rate_is_resampled_by_time(tmp_path: Path):
    times = [0, 33, 66, 166, 266, 300, 400]  # ms
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 30 * index, np.uint8), format="rgb24")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = list(read_video(tmp_path / "v.mkv", fps=20.0))
    shown = [round(float(frame.rgb.float().mean()) / 30) for frame in frames]
    assert [round(frame.time, 3) for frame in frames] == [round(index / 20, 3) for index in range(len(frames))]
    assert shown[:9] == [max(i for i, time in enumerate(times) if time <= 50 * k) for k in range(9)]


def test_transparent_pictures_are_laid_over_grey(tmp_path: Path):
    pixels = np.zeros((32, 48, 4), np.uint8)
    pixels[:, :24] = (200, 40, 40, 255)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "bgra"
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format="bgra")))
        container.mux(stream.encode(None))
    frame = next(iter(read_video(tmp_path / "a.mkv", fps=25.0))).rgb
    assert frame[10, 10].tolist() == [200, 40, 40] and frame[10, 40].tolist() == [128, 128, 128]


@pytest.mark.parametrize(
    ("options", "says"), [({"x264-params": "interlaced=1"}, "interlaced"), ({"x264-params": "transfer=16"}, "HDR"), ({}, None)]
)
def test_interlaced_and_hdr_pictures_say_so(tmp_path: Path, options: dict[str, str], says: str | None):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = 64, 64, "yuv420p", options
        if says == "HDR":
            stream.codec_context.color_trc = 16
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8))))
        container.mux(stream.encode(None))
    flaws = {frame.flaw for frame in read_video(tmp_path / "a.mp4", fps=25.0)}
    assert len(flaws) == 1 and (says is None) == (None in flaws) and all(says in flaw for flaw in flaws if says and flaw)


def test_moving_pictures_are_read_before_a_stream_that_may_be_a_cover(tmp_path: Path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        cover, film = container.add_stream("mjpeg", rate=25), container.add_stream("libx264", rate=25)
        for stream, layout in ((cover, "yuvj420p"), (film, "yuv420p")):
            stream.width, stream.height, stream.pix_fmt = 64, 64, layout
        for number in range(5):
            for stream in (cover, film)[number > 0 :]:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8))))
        for stream in (cover, film):
            container.mux(stream.encode(None))
    assert probe(tmp_path / "a.mkv").video_codec == "h264" and len(list(read_video(tmp_path / "a.mkv", fps=25.0))) == 5


def test_a_generated_video_says_so_and_notices_changes(tmp_path: Path):
    path = tmp_path / "v.mp4"
    with write_video(path, fps=25.0, width=64, height=64) as writer:
        writer.write(torch.zeros(64, 64, 3, dtype=torch.uint8))
    assert "AI-generated by EmoHead" in probe(path).metadata["comment"]
    if writer.unsigned_because:
        pytest.skip(writer.unsigned_because)
    verification = verify_video(path)
    assert verification.verdict == "signed" and verification.intact and verification.generator.startswith("EmoHead")
    data = bytearray(path.read_bytes())
    data[data.index(b"mdat") + 50] ^= 1
    path.write_bytes(data)
    assert verify_video(path).verdict == "broken" and not verify_video(path).intact


def test_a_failed_write_changes_nothing(tmp_path: Path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"previous")
    with pytest.raises(KeyboardInterrupt), write_video(path, fps=25.0, width=64, height=64) as writer:
        writer.write(torch.zeros(64, 64, 3, dtype=torch.uint8))
        raise KeyboardInterrupt
    assert path.read_bytes() == b"previous" and [file.name for file in tmp_path.iterdir()] == ["v.mp4"]
    with pytest.raises(InputError, match="no pictures"), write_video(path, fps=25.0, width=64, height=64):
        pass
    assert path.read_bytes() == b"previous" and [file.name for file in tmp_path.iterdir()] == ["v.mp4"]


def test_sizes_and_places_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(InputError, match="even numbers"), write_video(tmp_path / "v.mp4", fps=25.0, width=63, height=64):
        pass
    with pytest.raises(InputError, match="does not exist"), write_video(tmp_path / "no" / "v.mp4", fps=25.0, width=64, height=64):
        pass
    with pytest.raises(InputError, match="is a folder"), whole_file(tmp_path):
        pass
    with (
        pytest.raises(InputError, match="no such file"),
        write_video(tmp_path / "v.mp4", fps=25.0, width=64, height=64, sound="no.wav") as writer,
    ):
        for _ in range(200):
            writer.write(torch.zeros(64, 64, 3, dtype=torch.uint8))
    assert not (tmp_path / "v.mp4").exists()


@pytest.mark.parametrize("name", ["übung 1.mp4", "-o.mp4", "a:b.mp4", "100%d.mp4", "two\nlines.mp4", "http:x.mp4"])
def test_unusual_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.chdir(tmp_path)
    write_test_video(Path(name), n=2, sound=Waveform(torch.zeros(1280), 16000))
    assert probe(name).n_frames == 2 and len(list(read_video(name))) == 2
    write_test_video(Path("copy.mp4"), n=2, sound=Path(name))
    assert probe("copy.mp4").audio_codec == "aac" and verify_video(name).intact
