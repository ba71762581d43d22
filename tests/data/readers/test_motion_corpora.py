"""Corpora of coefficients are read by name, at their own rate, with their labels; what is damaged or foreign is refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from emohead.channels import AU_INDEX, RIG_INDEX, RIG_NAMES
from emohead.data.clip_folder import read_corpus
from emohead.data.readers.arkit import ARKIT, ArkitFolder
from emohead.data.readers.arkit_json import at_constant_rate, read_arkit_json, standard_rate
from emohead.data.readers.base import EMOTIONS, CorpusReader, known_units, read_all
from emohead.data.readers.beat import BEAT
from emohead.data.readers.own import OWN
from emohead.data.readers.registry import READERS, import_corpus, reader_named
from emohead.data.readers.tfhp import TFHP
from emohead.errors import InputError
from emohead.head.rig_to_flame import JAW_OPEN_RADIANS
from tests.data.readers.made_up import arkit_json, file_at, opening, voice_at
from tests.shared import shared_data

JAW = RIG_INDEX["jawOpen"]
SIXTY = [frame / 60 for frame in range(36)]


def refusal(reader: CorpusReader, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        list(read_all(reader, folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def beat_folder(folder: Path) -> Path:
    arkit_json(folder / "1" / "1_wayne_0_1_1.json", SIXTY)
    voice_at(folder, "1/1_wayne_0_1_1.wav")
    file_at(folder, "1/1_wayne_0_1_1.TextGrid")
    arkit_json(folder / "2" / "2_scott_0_103_103.json", SIXTY, names=sorted(RIG_NAMES[:-1], reverse=True))
    arkit_json(folder / "2" / "2_scott_1_5_5.json", SIXTY)
    arkit_json(folder / "2" / "2_scott_0_60_70.json", SIXTY)
    file_at(folder, "2/notes.json")
    return folder


def test_beat(tmp_path):
    folder = beat_folder(tmp_path)
    clips = {clip.name: clip for clip in BEAT.clips(folder)}
    assert {name: (clip.labels.speaker, clip.labels.emotion) for name, clip in clips.items()} == {
        "1__1_wayne_0_1_1.json": ("beat/1_wayne", "neutral"),
        "2__2_scott_0_103_103.json": ("beat/2_scott", "fearful"),
        "2__2_scott_0_60_70.json": ("beat/2_scott", None),  # neutral and happy
        "2__2_scott_1_5_5.json": ("beat/2_scott", "neutral"),  # a conversation
    }
    first = clips["1__1_wayne_0_1_1.json"]
    assert first.audio is not None and first.transcript is not None and first.transcript.name.endswith(".TextGrid")
    read = BEAT.read(first)
    assert read.motion.fps == 60.0 and read.motion.n_frames == 36
    expected = torch.tensor([opening(time) for time in SIXTY])
    torch.testing.assert_close(read.motion.rig[:, JAW], expected)
    # Channels in another order are found by their names.
    torch.testing.assert_close(BEAT.read(clips["2__2_scott_0_103_103.json"]).motion.rig[:, JAW], expected)
    assert read.audio is not None and read.audio.sample_rate == 16_000 and read.audio.duration == pytest.approx(0.6, abs=0.01)
    assert read.meta["unknown"] == ["tongueOut"] and read.meta["emotion"] == "neutral" and read.meta["notes"] == []
    assert read.au.weight[0, AU_INDEX["AU26"]] == 1.0 and read.au.weight[0, AU_INDEX["AU19"]] == 0.0 and read.au.pose_weight.sum() == 0.0
    assert read.au.intensity[:, AU_INDEX["AU26"]].max() > 0.5


def test_rates_and_gaps():
    path = Path("clip.json")
    assert [standard_rate(fps) for fps in (59.9401, 59.999, 29.97003, 30.0002, 25.0, 61.3)] == [59.94, 60.0, 29.97, 30.0, 25.0, 61.3]
    times = np.array([frame / 60 for frame in range(120) if frame not in (40, 41, 42, 77)])
    values, fps = at_constant_rate(path, np.sin(times)[:, None], times + 5.0)
    assert fps == 60.0 and len(values) == 120
    np.testing.assert_allclose(values[:, 0], np.sin(np.arange(120) / 60), atol=1e-3)
    for bad, message in (
        ([0.0, 0.1, 0.1], "do not rise"),
        ([0.0], "do not rise"),
        ([0.0, 0.1, 0.2, 1.5], r"1\.3 s are missing after frame 2"),
    ):
        with pytest.raises(InputError, match=message):
            at_constant_rate(path, np.zeros((len(bad), 1)), np.array(bad))


def test_real_coefficients():
    """973 frames that a published program recorded."""
    path = shared_data("motion/arkit_32s_30fps.json")
    track = read_arkit_json(path, fps=30.0)
    stored = json.loads(path.read_text())
    assert track.motion.n_frames == 973 and track.known == RIG_NAMES
    expected = [frame["weights"][stored["names"].index("jawOpen")] for frame in stored["frames"]]
    torch.testing.assert_close(track.motion.rig[:, JAW], torch.tensor(expected).clamp(0, 1))


def test_files_that_are_no_coefficients(tmp_path):
    def message(text: str) -> str:
        path = tmp_path / "clip.json"
        path.write_text(text)
        with pytest.raises(InputError) as caught:
            read_arkit_json(path)
        return str(caught.value)

    names = json.dumps(list(RIG_NAMES))
    row = ",".join(["0.1"] * 52)
    assert "not a whole JSON file" in message('{"names": [')
    assert "no lists of names and frames" in message("[]")
    lacking = [name for name in RIG_NAMES if name != "jawOpen"]
    assert "jawOpen is not among its 51 channels" in message(json.dumps({"names": lacking, "frames": [{}]}))
    assert "not every frame has 52 weights" in message(f'{{"names": {names}, "frames": [{{"weights": [{row}]}}, {{"weights": [1]}}]}}')
    assert "not every frame has a time" in message(f'{{"names": {names}, "frames": [{{"weights": [{row}]}}]}}')
    far = row.replace("0.1", "35", 1)
    assert "eyeBlinkLeft is 35; coefficients go from 0 to 1" in message(
        f'{{"names": {names}, "frames": [{{"weights": [{far}], "time": 0}}]}}'
    )
    unknown = row.replace("0.1", "NaN", 1)
    assert "eyeBlinkLeft is nan" in message(f'{{"names": {names}, "frames": [{{"weights": [{unknown}], "time": 0}}]}}')


def test_folder_of_tables(tmp_path):
    times = [frame / 25 for frame in range(30)]
    header = "time," + ",".join(reversed(RIG_NAMES))
    rows = [
        ",".join([f"{time:.4f}", *(str(opening(time)) if name == "jawOpen" else "0" for name in reversed(RIG_NAMES))]) for time in times
    ]
    file_at(tmp_path, "anna/hello.csv").write_text("\n".join([header, *rows]))
    file_at(tmp_path, "anna/list.csv").write_text("a,b\n1,2\n")
    voice_at(tmp_path, "anna/hello.flac", seconds=1.6)
    arkit_json(tmp_path / "ben" / "bye.json", times, with_time=False)
    clips = ARKIT.clips(tmp_path)
    assert [(clip.name, clip.labels.speaker) for clip in clips] == [("anna__hello.csv", "arkit/anna"), ("ben__bye.json", "arkit/ben")]
    read = ARKIT.read(clips[0])
    assert read.motion.fps == 25.0 and read.audio is not None
    assert read.meta["notes"] == ["the voice is +0.40 s longer than the motion"]
    torch.testing.assert_close(read.motion.rig[:, JAW], torch.tensor([opening(time) for time in times]))
    with pytest.raises(InputError, match="give fps"):
        ARKIT.read(clips[1])
    assert ArkitFolder(fps=25.0).read(clips[1]).motion.fps == 25.0
    file_at(tmp_path, "anna/hello.csv").write_text("\n".join([header.replace("time,", "place,"), *rows]))
    assert "neither a Timecode nor a column of seconds" in refusal(ARKIT, tmp_path)


def test_tfhp(tmp_path):
    folder = file_at(tmp_path, "FLAME_coeffs/TH_00001/000.npz").parent
    pose = np.zeros((50, 6), np.float32)
    pose[:, 1], pose[:, 3] = 0.2, np.linspace(0, 0.3, 50)
    np.savez(folder / "000.npz", shape=np.zeros((50, 100), np.float32), exp=np.zeros((50, 50), np.float32), pose=pose)
    voice_at(tmp_path, "audio/TH_00001/000.flac", seconds=2.0)
    (clip,) = TFHP.clips(tmp_path)
    assert clip.name == "TH_00001__000.npz" and clip.labels.speaker == "tfhp/TH_00001"
    read = TFHP.read(clip)
    assert read.motion.fps == 25.0 and read.audio is not None and read.meta["notes"] == []
    torch.testing.assert_close(read.motion.rig[:, JAW], torch.linspace(0, 0.3 / JAW_OPEN_RADIANS, 50).clamp(max=1.0))
    torch.testing.assert_close(read.motion.head_rotation, torch.tensor([[0.0, 0.2, 0.0]]).expand(50, 3))
    # Of the face only the jaw is known, and it says so.
    assert read.au.weight[0, AU_INDEX["AU26"]] == 1.0 and read.au.weight[0, AU_INDEX["AU12L"]] == 0.0
    assert read.au.pose_weight[0].tolist() == [0.0, 1.0] and len(read.meta["unknown"]) == 51
    np.savez(folder / "000.npz", shape=np.zeros((1, 1)), exp=np.zeros((50, 50), np.float32), pose=np.zeros((50, 3), np.float32))
    assert "pose must be [T, 6]" in refusal(TFHP, tmp_path)
    np.savez(folder / "000.npz", exp=np.array([{"a": 1}], dtype=object), pose=pose)
    assert "not a whole file of FLAME coefficients" in refusal(TFHP, tmp_path)


def test_pickles_are_refused(tmp_path):
    file_at(tmp_path, "lmdb/data.mdb")
    message = refusal(TFHP, tmp_path)
    assert "pickled Python objects" in message and "docs/corpora.md" in message


def test_what_action_units_are_known():
    assert (known_units(RIG_NAMES) == 1.0).all() and known_units(()).sum() == 0.0
    half = known_units([name for name in RIG_NAMES if name != "mouthSmileLeft"])
    assert half[AU_INDEX["AU12R"]] == 1.0 and half[AU_INDEX["AU12L"]] < 0.5


def test_every_reader_explains_itself(tmp_path):
    """A folder that is not there, an empty one, and one of something else: what was expected, what is there, where to get it."""
    file_at(tmp_path, "other/readme.txt")
    (tmp_path / "empty").mkdir()
    for reader in READERS.values():
        about = reader.about
        assert isinstance(reader, CorpusReader) and reader_named(about.name) is reader
        missing = refusal(reader, tmp_path / "nowhere")
        assert "no such folder" in missing and about.source in missing and about.licence in missing
        foreign = refusal(reader, tmp_path / "other")
        assert f"expected {about.layout}, found readme.txt" in foreign and about.licence in foreign
        assert "found nothing" in refusal(reader, tmp_path / "empty")
    with pytest.raises(InputError, match="no corpus reader is called 'beet'; there are emohead, live-link-face, beat"):
        reader_named("beet")


def test_import_into_our_own_format(tmp_path):
    folder = beat_folder(tmp_path / "beat")
    arkit_json(folder / "3" / "3_solomon_0_9_9.json", [0.0, 0.5, 0.4])
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    refused = import_corpus(BEAT, folder, corpus)
    assert len(refused) == 1 and "3_solomon" in refused[0] and "do not rise" in refused[0]
    stamp = (corpus / "1__1_wayne_0_1_1.json" / "motion.npz").stat().st_mtime_ns
    assert len(import_corpus(BEAT, folder, corpus)) == 1
    assert (corpus / "1__1_wayne_0_1_1.json" / "motion.npz").stat().st_mtime_ns == stamp
    assert [clip.motion.fps for clip in read_corpus(corpus)] == [60.0] * 4
    labels = {clip.name: clip.labels for clip in OWN.clips(corpus)}
    assert labels["2__2_scott_0_103_103.json"].speaker == "beat/2_scott" and labels["2__2_scott_0_103_103.json"].emotion == "fearful"
    assert {label.emotion for label in labels.values()} - {None} <= set(EMOTIONS)
    again = OWN.read(OWN.clips(corpus)[0])
    assert torch.equal(again.motion.rig, BEAT.read(BEAT.clips(folder)[0]).motion.rig)
