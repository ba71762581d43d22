"""Optional files: listed, found, downloaded once and only whole. Nothing here reaches the network."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from emohead import assets
from emohead.cli import main
from emohead.errors import InputError, ResourceError, VerificationError
from recon import landmarks, matte
from tests.shared import shared_data

CONTENT = bytes(range(256)) * 40


class _Publisher(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        if self.path == "/net.bin":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)
        elif self.path == "/longer.bin":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT + b"more")
        elif self.path == "/cut.bin":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000])
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object):
        pass


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[assets.OptionalFile]:
    """A file that a server on this machine has, and an empty cache."""
    monkeypatch.delenv("EMOHEAD_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _Publisher.asked = []
    server = HTTPServer(("127.0.0.1", 0), _Publisher)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/net.bin"
    yield assets.OptionalFile("net.bin", "tests", "CC0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), url)
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetch_downloads_once_into_the_cache(publisher: assets.OptionalFile, tmp_path: Path):
    path, downloaded = assets.fetch(publisher)
    assert downloaded and path == tmp_path / "cache" / "emohead" / "net.bin" and path.read_bytes() == CONTENT
    assert assets.fetch(publisher) == (path, False) and _Publisher.asked == ["/net.bin"]
    assert assets.find("net.bin") == path and os.listdir(path.parent) == ["net.bin"]


def test_fetch_replaces_a_damaged_copy(publisher: assets.OptionalFile):
    path, _ = assets.fetch(publisher)
    path.write_bytes(CONTENT[:-1] + b"x")
    assert assets.fetch(publisher) == (path, True) and path.read_bytes() == CONTENT


@pytest.mark.parametrize("broken", ["longer.bin", "cut.bin"])
def test_another_file_is_not_kept(publisher: assets.OptionalFile, broken: str):
    with pytest.raises((VerificationError, ResourceError), match=r"net\.bin"):
        assets.fetch(replace(publisher, url=publisher.url.replace("net.bin", broken)))
    assert not assets.cache_folder().exists()


def test_no_answer_is_one_line_with_the_way_by_hand(publisher: assets.OptionalFile):
    for url in (publisher.url + ".gone", "http://127.0.0.1:9/net.bin"):
        with pytest.raises(ResourceError, match=r"net\.bin cannot be downloaded .*; try again, or download http.* by hand into"):
            assets.fetch(replace(publisher, url=url))


def test_the_command_fetches_and_says_where(publisher: assets.OptionalFile, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(assets, "OPTIONAL_FILES", (publisher,))
    assert main(["assets"]) == 0
    assert "missing (emohead assets fetch net.bin)" in capsys.readouterr().out
    assert main(["assets", "path", "net.bin"]) == 2
    assert "download it with: emohead assets fetch net.bin" in capsys.readouterr().err
    assert main(["assets", "fetch", "net.bin"]) == 0
    assert capsys.readouterr().out.startswith(f"downloaded {assets.cache_folder() / 'net.bin'} ({len(CONTENT)} bytes")
    assert main(["assets", "fetch"]) == 0
    assert "is there already" in capsys.readouterr().out
    assert main(["assets", "path", "net.bin"]) == 0
    assert capsys.readouterr().out.strip() == str(assets.cache_folder() / "net.bin")
    assert main(["assets", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["found"] == str(assets.cache_folder() / "net.bin")


def test_unknown_names_are_refused(capsys):
    assert main(["assets", "fetch", "other.bin"]) == 2
    assert "no optional file is called 'other.bin'; there are face_landmarker" in capsys.readouterr().err
    with pytest.raises(InputError, match="put it there or set EMOHEAD_ASSETS"):
        assets.find("other.bin")


def test_the_table_names_what_reconstruction_needs():
    assert {file.name for file in assets.OPTIONAL_FILES} == {landmarks.MODEL_FILE, matte.MODEL_FILE}
    assert all(file.url.startswith("https://") and len(file.sha256) == 64 for file in assets.OPTIONAL_FILES)


@pytest.mark.parametrize("file", assets.OPTIONAL_FILES, ids=lambda file: file.name)
def test_the_table_holds_the_checksums_of_the_real_files(file: assets.OptionalFile):
    assert assets.is_version(shared_data(f"tracker/{file.name}"), file)
