"""The examples of docs/corpora.md run as they stand, on made-up corpora."""

import re
from pathlib import Path

from emohead.data.clip_folder import CorpusClip, write_clip
from emohead.data.readers.registry import READERS
from emohead.types import AUTrack, HeadMotion
from tests.data.readers.made_up import arkit_json, file_at, voice_at

DOC = (Path(__file__).parents[3] / "docs" / "corpora.md").read_text()


def test_examples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for speaker in ("1_wayne", "2_scott"):
        name = f"{speaker[0]}/{speaker}_0_70_70"
        arkit_json(tmp_path / "BEAT" / f"{name}.json", [frame / 60 for frame in range(30)])
        voice_at(tmp_path, f"BEAT/{name}.wav", seconds=0.5)
    video = "M003/video/front/angry/level_2/001.mp4"
    file_at(tmp_path, f"MEAD/{video}")
    voice_at(tmp_path, "MEAD/M003/audio/angry/level_2/001.m4a")
    meta = {"source": video, "fps": 25.0}
    write_clip(
        tmp_path / "tracked" / video.replace("/", "__"), CorpusClip(HeadMotion.neutral(3, 25.0), AUTrack.neutral(3, 25.0), None, meta)
    )
    (tmp_path / "corpus").mkdir()
    names: dict[str, object] = {}
    # The one that unpickles is for a machine of its own.
    blocks = [block for block in re.findall(r"```python\n(.*?)```", DOC, re.DOTALL) if "pickle" not in block]
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "docs/corpora.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "beat/2_scott happy" in printed and "60.0 torch.Size([30, 52])" in printed and "mead/M003 angry 0.666" in printed
    assert names["refused"] == [] and len(list((tmp_path / "corpus").iterdir())) == 2


def test_every_reader_has_its_row():
    assert re.findall(r"^\| `([a-z-]+)` \|", DOC, re.MULTILINE) == list(READERS)
