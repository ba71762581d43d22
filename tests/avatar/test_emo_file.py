"""The `.emo` file: what is written comes back; what is damaged, foreign or hostile is refused in one line."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emohead.avatar import EmoRecord, encode_thumbnail, read_emo, read_manifest, topology_digest, write_emo
from emohead.errors import EmoheadError, InputError, VerificationError
from tests.avatar.tiny_avatar import TRIANGLES, tiny_avatar

CONSENT = {"who": "nobody (synthetic)", "scope": "anything", "date": "2026-11-21"}


@pytest.fixture
def emo(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.emo"
    record = EmoRecord("CC0-1.0", CONSENT, topology_digest(TRIANGLES), encode_thumbnail(torch.rand(300, 300, 3)))
    write_emo(path, tiny_avatar(bases=4), record)
    return path


def test_round_trip(emo: Path):
    wrote = tiny_avatar(bases=4)
    avatar, record = read_emo(emo)
    assert record.consent == CONSENT and record.licence == "CC0-1.0" and record.topology == topology_digest(TRIANGLES)
    assert avatar.name == "tiny" and avatar.camera.width == 64 and torch.equal(avatar.triangle, wrote.triangle)
    for name in ("offsets", "quats", "log_scales", "opacity_logits", "sh", "barycentric"):
        assert torch.allclose(getattr(avatar, name), getattr(wrote, name), rtol=2e-3, atol=1e-5), name
    assert torch.equal(avatar.corrections.projection, wrote.corrections.projection)
    assert read_manifest(emo)["gaussians"] == 20
    assert [path.name for path in emo.parent.iterdir()] == ["tiny.emo"]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path):
    for name in ("a.emo", "b.emo"):
        write_emo(tmp_path / name, tiny_avatar(), EmoRecord("CC0-1.0", CONSENT, "t"))
    assert (tmp_path / "a.emo").read_bytes() == (tmp_path / "b.emo").read_bytes()


def test_consent_is_needed(tmp_path: Path):
    with pytest.raises(InputError, match="date"):
        write_emo(tmp_path / "x.emo", tiny_avatar(), EmoRecord("CC0-1.0", {"who": "a", "scope": "b"}, "t"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [0, 10, 0.3, 0.9, 0.999])
def test_cut_short(emo: Path, keep: float):
    data = emo.read_bytes()
    emo.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(InputError, match=r"not a whole \.emo file"):
        read_emo(emo)


def test_every_flipped_byte_is_noticed_or_harmless(emo: Path):
    data = bytearray(emo.read_bytes())
    whole, _ = read_emo(emo)
    refused = 0
    positions = range(0, len(data), max(1, len(data) // 200))
    for position in positions:
        damaged = data.copy()
        damaged[position] ^= 0x10
        emo.write_bytes(damaged)
        try:
            avatar, _ = read_emo(emo)
        except EmoheadError:
            refused += 1
        else:  # only zip bookkeeping (dates, permissions) may change without notice, never a number
            assert torch.equal(avatar.sh, whole.sh) and torch.equal(avatar.offsets, whole.offsets)
    assert refused > 0.9 * len(positions)


def _rewrite(emo: Path, change: dict[str, bytes]) -> None:
    with zipfile.ZipFile(emo) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members.update(change)
    with zipfile.ZipFile(emo, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_changed_member_fails_verification(emo: Path):
    _rewrite(emo, {"consent.json": json.dumps({**CONSENT, "scope": "more"}).encode()})
    with pytest.raises(VerificationError, match="checksum"):
        read_emo(emo)


def test_foreign_and_hostile_archives(emo: Path, tmp_path: Path):
    _rewrite(emo, {"../../evil.py": b"print('ran')"})
    with pytest.raises(InputError, match="unexpected member"):
        read_emo(emo)
    text = tmp_path / "text.emo"
    text.write_text("not an archive")
    with pytest.raises(InputError, match="not a whole"):
        read_emo(text)
    with pytest.raises(InputError, match="no such avatar"):
        read_emo(tmp_path / "missing.emo")


def test_newer_versions(emo: Path):
    manifest = read_manifest(emo)
    _rewrite(emo, {"manifest.json": json.dumps({**manifest, "schema": [1, 7]}).encode()})
    with pytest.warns(UserWarning, match=r"1\.7"):
        read_emo(emo)
    _rewrite(emo, {"manifest.json": json.dumps({**manifest, "schema": [2, 0]}).encode()})
    with pytest.raises(InputError, match="newer EmoHead"):
        read_emo(emo)


@pytest.mark.parametrize("field", ["sh", "offsets"])
def test_numbers_that_are_not_finite(tmp_path: Path, field: str):
    avatar = tiny_avatar()
    broken = getattr(avatar, field).clone()
    broken[0, 0] = float("nan")
    path = tmp_path / "nan.emo"
    write_emo(path, replace(avatar, **{field: broken}), EmoRecord("CC0-1.0", CONSENT, "t"))
    with pytest.raises(InputError, match="not finite"):
        read_emo(path)
