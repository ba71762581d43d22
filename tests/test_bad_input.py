"""Bad input gets one line (what, what was given, what to do), the right exit code, and leaves nothing half-written or executed."""

import os
import pickle
import resource
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from emohead.cli import main
from tests.tiny import write_clip, write_tiny_emo, write_voice


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a good voice, a good avatar and an earlier output in it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "desk"
    folder.mkdir()
    write_tiny_emo(folder / "me.emo")
    write_voice(folder / "voice.wav")
    (folder / "out.mp4").write_bytes(b"previous")
    monkeypatch.chdir(folder)
    return folder


def refused(capsys: pytest.CaptureFixture, *options: str, code: int, says: str) -> None:
    """Assert that a render with these options ends in one line and changes nothing."""
    defaults = {"--audio": "voice.wav", "--avatar": "me.emo", "--size": "64", "--device": "cpu", "--out": "out.mp4"}
    for name, value in defaults.items():
        if name not in options:
            options = (*options, name, value)
    before = {path: path.stat().st_size for path in Path.cwd().rglob("*")}
    capsys.readouterr()
    assert main(["render", *options]) == code
    errors = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.startswith("emohead: error: ")]
    assert len(errors) == 1 and says in errors[0] and "Traceback" not in errors[0], errors
    assert {path: path.stat().st_size for path in Path.cwd().rglob("*")} == before
    assert Path("out.mp4").read_bytes() == b"previous"


def _wav_header(n_bytes: int, *, rate: int = 16000, code: int = 1, bits: int = 16) -> bytes:
    block = bits // 8
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + n_bytes, b"WAVE", b"fmt ", 16, code, 1, rate, rate * block, block, bits)
    return head + struct.pack("<4sI", b"data", n_bytes)


def _empty(path: Path) -> None:
    path.touch()


def _text(path: Path) -> None:
    path.write_text("Dear diary, this is not a recording.\n" * 20)


def _noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(20_000))


def _header_only(path: Path) -> None:
    path.write_bytes(_wav_header(0))


def _truncated_wav(path: Path) -> None:
    path.write_bytes(_wav_header(64_000) + bytes(20_000))


def _truncated_mp4(path: Path) -> None:
    write_clip(path, n_frames=50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _no_index_mp4(path: Path) -> None:
    write_clip(path)
    data = path.read_bytes()
    path.write_bytes(data[:40] + data[data.index(b"mdat") - 4 :])


def _nan(path: Path) -> None:
    samples = np.zeros(16_000, "<f4")
    samples[500] = np.nan
    path.write_bytes(_wav_header(64_000, code=3, bits=32) + samples.tobytes())


def _infinite(path: Path) -> None:
    samples = np.zeros(16_000, "<f4")
    samples[500] = np.inf
    path.write_bytes(_wav_header(64_000, code=3, bits=32) + samples.tobytes())


def _three_hours(path: Path) -> None:
    n_bytes = 3 * 3600 * 8000
    with path.open("wb") as file:
        file.write(_wav_header(n_bytes, rate=8000, bits=8))
        file.truncate(44 + n_bytes)


def _silent_film(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))


def _concat_playlist(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile voice.wav\n")


def _hls_playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nvoice.wav\n#EXT-X-ENDLIST\n")


def _rare_codec(path: Path) -> None:
    with av.open(str(path), "w", format="asf") as container:
        stream = container.add_stream("wmav1", rate=44100, layout="mono", bit_rate=64000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        for block in av.AudioResampler("fltp", "mono", 44100, frame_size=stream.frame_size or 1024).resample(frame):
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("missing.wav", lambda path: None, "no such file"),
        ("http://localhost/voice.wav", lambda path: None, "no such file"),
        ("empty.wav", _empty, "is empty"),
        ("text.wav", _text, "not a readable audio or video file"),
        ("noise.mp4", _noise, "not a readable audio or video file"),
        ("header.wav", _header_only, "no sound"),
        ("cut.wav", _truncated_wav, "cut short, 20000 of 64000 bytes"),
        ("cut.mp4", _truncated_mp4, "cut.mp4"),
        ("index.mp4", _no_index_mp4, "index.mp4"),
        ("nan.wav", _nan, "NaN or infinite"),
        ("infinite.wav", _infinite, "NaN or infinite"),
        ("long.wav", _three_hours, "180 minutes are too long"),
        ("film.mp4", _silent_film, "no sound track"),
        ("playlist.wav", _concat_playlist, "not a readable audio or video file"),
        ("playlist.mp4", _hls_playlist, "not a readable audio or video file"),
        ("rare.wma", _rare_codec, "codec wmav1"),
        ("folder.wav", _folder, "not a regular file"),
        ("pipe.wav", _pipe, "not a regular file"),
    ],
)
def test_recordings(desk: Path, capsys: pytest.CaptureFixture, name: str, make: Callable[[Path], None], says: str):
    make(desk / name)
    refused(capsys, "--audio", name, code=2, says=says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--label", "hapy"], "happy"),
        (["--label", "happy:much"], "happy:much"),
        (["--label", "happy:7"], "7"),
        (["--au", "AU99=0.5"], "AU99"),
        (["--au", "AU12=1.5"], "1.5"),
        (["--au", "AU12=-0.1"], "-0.1"),
        (["--au", "AU12=nan"], "nan"),
        (["--au", "AU12"], "AU12"),
        (["--emotion", "rather flurbish", "--strict"], "flurbish"),
        (["--emotion", "happy " * 500], "2000"),
        (["--intensity", "-5"], "-5"),
        (["--intensity", "1e9"], "1"),
        (["--intensity", "nan"], "nan"),
        (["--style", "operatic"], "operatic"),
        (["--fps", "0"], "fps 0"),
        (["--fps", "inf"], "fps inf"),
        (["--size", "65"], "size 65"),
        (["--size", "100000"], "size 100000"),
        (["--device", "quantum"], "quantum"),
        (["--transcript", "missing.txt"], "missing.txt"),
        (["--transcript", "missing.TextGrid"], "missing.TextGrid"),
        (["--transcript", "voice.wav"], "voice.wav"),
        (["--out", "out.avi"], "out.avi"),
        (["--out", "missing/out.mp4"], "missing"),
        (["--avatar", "nobody"], "nobody"),
        (["--avatar", "nobody.emo"], "nobody.emo"),
    ],
)
def test_requests(desk: Path, capsys: pytest.CaptureFixture, options: list[str], says: str):
    refused(capsys, *options, code=2, says=says)


def test_a_text_grid_without_phones(desk: Path, capsys: pytest.CaptureFixture):
    Path("bad.TextGrid").write_text('File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\nmany\n')
    refused(capsys, "--transcript", "bad.TextGrid", code=2, says="bad.TextGrid")


def test_avatars_that_are_damaged(desk: Path, capsys: pytest.CaptureFixture):
    data = Path("me.emo").read_bytes()
    Path("cut.emo").write_bytes(data[: len(data) * 2 // 3])
    refused(capsys, "--avatar", "cut.emo", code=2, says="cut.emo")
    flipped = bytearray(data)
    flipped[data.index(b"gaussians.safetensors") + len(data) // 3] ^= 1
    Path("flipped.emo").write_bytes(flipped)
    refused(capsys, "--avatar", "flipped.emo", code=5, says="damaged or was changed")
    Path("picture.emo").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    refused(capsys, "--avatar", "picture.emo", code=2, says="picture.emo")


class Payload:
    """Would create a file when unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("name", ["evil.emo", "evil.npz", "evil.pkl", "evil.wav", "evil.csv"])
def test_a_pickle_that_would_run_code(desk: Path, capsys: pytest.CaptureFixture, name: str):
    Path(name).write_bytes(pickle.dumps({"format": Payload()}))
    if name.endswith(".emo"):
        refused(capsys, "--avatar", name, code=2, says=name)
    capsys.readouterr()
    assert main(["inspect", name]) == 2
    assert capsys.readouterr().err.startswith(f"emohead: error: {name}")
    assert not Path("executed").exists()


def test_a_flame_pickle_that_would_run_code(desk: Path):
    from emohead.errors import InputError
    from emohead.head import load_head

    Path("flame.pkl").write_bytes(pickle.dumps({"v_template": Payload()}, protocol=2))
    with pytest.raises(InputError):
        load_head("flame.pkl")
    assert not Path("executed").exists()


@contextmanager
def disk_with_room_for(n_bytes: int) -> Iterator[None]:
    """Files may not grow beyond this, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("n_bytes", [0, 500, 3000])
def test_a_full_disk(desk: Path, capsys: pytest.CaptureFixture, n_bytes: int):
    assert main(["render", "--audio", "voice.wav", "--avatar", "me.emo", "--size", "64", "-o", "warm.mp4"]) == 0
    Path("warm.mp4").unlink()
    Path("warm.mp4.json").unlink()
    with disk_with_room_for(n_bytes):
        refused(capsys, code=3, says="the disk is full")
        assert main(["animate", "--audio", "voice.wav", "-o", "motion.npz"]) == 3
    assert not Path("motion.npz").exists() and not Path("motion.npz.json").exists()
