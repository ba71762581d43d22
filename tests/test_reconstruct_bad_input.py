"""What `emohead reconstruct` refuses: one line, exit code 2, and nothing written, not even a working folder."""

import itertools
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from emohead.cli import main
from emohead.media import read_video
from emohead.video_writer import write_video
from tests.shared import shared_data
from tests.tiny import write_clip, write_voice

AGREED = {"who": "nobody", "scope": "a test", "date": "2026-01-01"}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def refused(capsys: pytest.CaptureFixture, *options: str, says: str, consent: tuple[str, ...] = ("--consent-self", "Nobody")) -> None:
    """Assert that a reconstruction with these options ends in one line and changes nothing."""
    before = {path: path.stat().st_mtime_ns for path in Path.cwd().rglob("*")}
    out = () if "--out" in options else ("--out", "me.emo")
    capsys.readouterr()
    assert main(["reconstruct", *options, *out, *consent, "--steps", "2", "--size", "128", "--device", "cpu"]) == 2
    errors = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "emohead: error: " in line]
    assert len(errors) == 1 and says in errors[0] and "Traceback" not in errors[0], errors
    assert {path: path.stat().st_mtime_ns for path in Path.cwd().rglob("*")} == before


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"who": "nobody", "scope": "a test"}, "lacks date"),
        ({**AGREED, "who": "  "}, "lacks who"),
        ({**AGREED, "date": "9999-01-01"}, "in the future"),
        ({**AGREED, "date": "yesterday"}, "no date"),
        ({**AGREED, "expiry": "2026-01-02"}, "expired"),
        ([AGREED], "JSON object"),
        ("who: nobody", "not a JSON file"),
    ],
)
def test_consent_that_is_not_sound(desk: Path, capsys: pytest.CaptureFixture, record: object, says: str):
    # The video does not exist: consent is looked at before any work.
    Path("consent.json").write_text(record if isinstance(record, str) else json.dumps(record))
    refused(capsys, "absent.mp4", says=says, consent=("--consent", "consent.json"))


def test_no_consent(desk: Path, capsys: pytest.CaptureFixture):
    refused(capsys, "absent.mp4", says="must have agreed", consent=())
    refused(capsys, "absent.mp4", says="no such consent file", consent=("--consent", "absent.json"))
    Path("consent.json").write_text(json.dumps(AGREED))
    refused(capsys, "absent.mp4", says="must have agreed", consent=("--consent", "consent.json", "--consent-self", "Nobody"))


def _nothing(path: Path) -> None:
    """Leave it missing."""


def _text(path: Path) -> None:
    path.write_text("This is no video.\n" * 50)


def _noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(20_000))


def _concat(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile voice.wav\n")


def _hls(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nvoice.wav\n#EXT-X-ENDLIST\n")


def _cut(path: Path) -> None:
    write_clip(path, n_frames=50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _three_hours(path: Path) -> None:
    """A short film whose header declares three hours."""
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    data, element = path.read_bytes(), b"\x44\x89\x88"  # Matroska's Duration, eight bytes long
    place = data.index(element) + len(element)
    path.write_bytes(data[:place] + struct.pack(">d", 3 * 3600e3) + data[place + 8 :])


def _one_per_second(path: Path) -> None:
    with write_video(path, fps=1.0, width=64, height=64) as writer:
        for _ in range(3):
            writer.write(torch.full((64, 64, 3), 90, dtype=torch.uint8))


def _bomb(path: Path) -> None:
    """A PNG whose header declares 60,000 x 60,000 pixels."""
    Image.new("RGB", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("missing.mp4", _nothing, "no such file"),
        ("missing.png", _nothing, "no such picture"),
        ("http://localhost/a.mp4", _nothing, "no such file"),
        ("empty.mp4", Path.touch, "is empty"),
        ("text.mp4", _text, "not a readable audio or video file"),
        ("noise.mp4", _noise, "not a readable audio or video file"),
        ("concat.mp4", _concat, "not a readable audio or video file"),
        ("hls.mp4", _hls, "not a readable audio or video file"),
        ("sound.wav", write_voice, "no moving pictures"),
        ("folder", Path.mkdir, "folder"),
        ("text.png", _text, "not a readable picture"),
        ("bomb.png", _bomb, "too large"),
    ],
)
def test_files_that_are_no_video(desk: Path, capsys: pytest.CaptureFixture, name: str, make: Callable[[Path], object], says: str):
    make(desk / name)
    refused(capsys, name, says=says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--out", "me.mp4"), "written as .emo"),
        (("--out", "missing/me.emo"), "missing"),
        (("--size", "100"), "--size 100"),
        (("--hold-out", "0.9"), "--hold-out 0.9"),
        (("--background", "255", "255", "255"), "--background 255 255 255"),
        (("--adversarial", "-1"), "adversarial is -1"),
        (("--views", "more"), "--views more"),
        (("--steps", "0"), "--steps 0"),
        (("--head", "missing.pkl"), "missing.pkl"),
    ],
)
def test_options(desk: Path, capsys: pytest.CaptureFixture, options: tuple[str, ...], says: str):
    write_clip(desk / "clip.mp4")
    before = sorted(path.name for path in desk.iterdir())
    out = () if "--out" in options else ("--out", "me.emo")
    assert main(["reconstruct", "clip.mp4", *out, "--consent-self", "Nobody", "--device", "cpu", *options]) == 2
    errors = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "emohead: error: " in line]
    assert len(errors) == 1 and says in errors[0], errors
    assert sorted(path.name for path in desk.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("absent.mp4",), "no such file"),
        (("absent.png",), "no such picture"),
        ((".",), "transforms.json"),
        (("clip.mp4", "--views", "more"), "leave --views out"),
        (("me.png", "--views", "absent"), "absent: no such folder"),
        (("me.png", "--views", "empty"), "0 pictures"),
        (("me.png", "--views", "own"), "code of its own"),
        (("me.png", "--views", "nobody/no-such-pipeline"), "nothing is downloaded"),
    ],
)
def test_a_dry_run_checks_what_is_given(
    desk: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], says: str
):
    if "own" in options or "nobody/no-such-pipeline" in options:
        pytest.importorskip("diffusers")
    monkeypatch.setenv("HF_HUB_CACHE", str(desk))
    write_clip(desk / "clip.mp4")
    Image.new("RGB", (32, 32)).save(desk / "me.png")
    (desk / "empty").mkdir()
    (desk / "own").mkdir()
    (desk / "own" / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline", "unet": ["pipeline", "Own"]}))
    refused(capsys, *options, "--dry-run", says=says)


def test_views_from_a_pipeline_need_an_extra(desk: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    Image.new("RGB", (32, 32)).save(desk / "me.png")
    monkeypatch.setattr("recon.view_generator.find_spec", lambda name: None)
    assert main(["reconstruct", "me.png", "--views", "some/pipeline", "--consent-self", "Nobody", "--dry-run", "--device", "cpu"]) == 3
    assert "pip install 'emohead[views]'" in capsys.readouterr().err


def _film(path: Path, pictures: list[torch.Tensor]) -> None:
    with write_video(path, fps=25.0, width=pictures[0].shape[1], height=pictures[0].shape[0]) as writer:
        for picture in pictures:
            writer.write(picture)


def _portrait(side: int, canvas: int) -> torch.Tensor:
    """A synthetic person's picture, `side` pixels large on a grey canvas."""
    with Image.open(shared_data("images/synthetic_0010.png")) as picture:
        small = np.asarray(picture.convert("RGB").resize((side, side)))
    whole = np.full((canvas, canvas, 3), 110, np.uint8)
    corner = (canvas - side) // 2
    whole[corner : corner + side, corner : corner + side] = small
    return torch.from_numpy(whole)


def _black(path: Path) -> None:
    _film(path, [torch.zeros(128, 128, 3, dtype=torch.uint8)] * 6)


def _grey(path: Path) -> None:
    _film(path, [torch.full((128, 128, 3), 128, dtype=torch.uint8)] * 6)


def _white(path: Path) -> None:
    _film(path, [torch.full((128, 128, 3), 254, dtype=torch.uint8)] * 6)


def _dim(path: Path) -> None:
    _film(path, [_portrait(256, 256) // 12] * 6)


def _out_of_focus(path: Path) -> None:
    planes = _portrait(256, 256).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(planes, (16, 16), mode="area")
    soft = torch.nn.functional.interpolate(small, (256, 256), mode="bicubic")[0].permute(1, 2, 0).clamp(0, 255).to(torch.uint8)
    _film(path, [soft] * 6)


def _tiny_face(path: Path) -> None:
    _film(path, [_portrait(24, 128)] * 6)


def _small_face(path: Path) -> None:
    _film(path, [_portrait(256, 256)] * 6)


def _one_frame(path: Path) -> None:
    _film(path, [_portrait(256, 256)])


def _rarely_a_face(path: Path) -> None:
    _film(path, [torch.full((256, 256, 3), 128, dtype=torch.uint8)] * 12 + [_portrait(256, 256)])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_black, "they are black"),
        (_white, "over-exposed"),
        (_grey, "out of focus or empty"),
        (_dim, "(too dark in 0-5); film in more light"),
        (_out_of_focus, "out of focus or empty"),
        (_tiny_face, "face"),
        (_small_face, "pixels high"),
        (_one_frame, "a single picture"),
        (_rarely_a_face, "of the frames"),
        (_one_per_second, "too few to follow"),
        (_three_hours, "180 minutes are too long"),
        (_cut, "clip.mp4"),
    ],
)
def test_clips_without_a_usable_face(desk: Path, networks: None, capsys: pytest.CaptureFixture, make: Callable[[Path], None], says: str):
    make(desk / "clip.mp4")
    refused(capsys, "clip.mp4", says=says)


def test_people_who_are_not_there_and_pictures_of_nobody(desk: Path, networks: None, capsys: pytest.CaptureFixture):
    _film(desk / "clip.mp4", [_portrait(256, 256)] * 3)
    refused(capsys, "clip.mp4", "--face", "3", says="--face 3: 1 person")
    Image.new("RGB", (128, 128), (120, 120, 120)).save(desk / "nobody.png")
    refused(capsys, "nobody.png", says="nobody.png: no face was found in it, it is out of focus or empty")


def test_another_person_after_a_cut(desk: Path, networks: None, capsys: pytest.CaptureFixture):
    clips = [shared_data(f"speech/grid/{name}.mpg") for name in ("brbk7n", "bbaf2n")]
    one, other = ([frame.rgb for frame in itertools.islice(read_video(clip, fps=25.0), 16)] for clip in clips)
    _film(desk / "clip.mp4", [*one, *other])
    refused(capsys, "clip.mp4", says="another person seems to be seen after a cut (person 2 at 0.")
    refused(capsys, "clip.mp4", "--face", "3", says="2 people are seen")


def test_a_still_picture_and_two_people_are_only_noted(desk: Path, networks: None):
    from recon.preprocess import FootageSettings, read_footage

    two = torch.cat([_portrait(384, 384), _portrait(384, 384).flip(1)], 1)
    _film(desk / "two.mp4", [two] * 4)
    notes = "; ".join(read_footage(desk / "two.mp4", settings=FootageSettings(size=128)).notes)
    assert "2 people are seen at once" in notes and "nothing moves" in notes


def test_a_face_from_the_side_is_only_noted(networks: None):
    from recon.landmarks import Face, stacked
    from recon.preprocess import _check_faces

    points = torch.rand(478, 2, generator=torch.Generator().manual_seed(0)) * 200
    points[[1, 234, 454]] = torch.tensor([[200.0, 100.0], [0.0, 100.0], [200.0, 110.0]])
    notes = _check_faces(Path("a.mp4"), stacked([Face(points + shift, torch.zeros(52)) for shift in (0.0, 9.0)]), {})
    assert "from the side only" in notes[0]
