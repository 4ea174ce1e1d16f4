"""A file behind a login, on a real server on loopback: name and password come from the environment and stay secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

import pytest

from pixelproof.core.errors import FetchError
from pixelproof.fetch.login import Login
from pixelproof.fetch.obtain import Wanted, obtain
from tests.pixelproof.fetch.server import QUICK

CONTENT = b"what only members get"
RIGHT = {"USER": "me@example.org", "PASSWORD": "s3cret/&"}


class Site(BaseHTTPRequestHandler):
    """Gives the file to who has the cookie, which it gives to who knows the password."""

    moods: ClassVar[list[int]] = []

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        """The form."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        right = (form["username"], form["password"]) == ([RIGHT["USER"]], [RIGHT["PASSWORD"]])
        self.send_response(self.moods.pop() if self.moods else 302 if right else 200)
        self.send_header("Location", "/")
        if right:
            self.send_header("Set-Cookie", "session=member; Path=/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """The file."""
        member = "session=member" in self.headers.get("Cookie", "")
        self.send_response(200 if member else 403)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def fetch(url: str, cache: Path, **environ: str) -> bytes:
    def verify(path: Path) -> None:
        if path.read_bytes() != CONTENT:
            raise FetchError("file", "other contents", "")

    login = Login(f"{url}/login/", "USER", "PASSWORD")
    wanted = Wanted("file", "file", ".archive", f"{url}/file?id=3", ["file.zip"], "file.zip", 1000, verify, login)
    return obtain(wanted, {"PIXELPROOF_CACHE": str(cache)} | environ, QUICK).read_bytes()


def test_with_the_right_password_the_file_comes(url: str, tmp_path: Path) -> None:
    assert fetch(url, tmp_path, **RIGHT) == CONTENT


def test_a_server_that_is_down_for_a_moment_is_asked_again(url: str, tmp_path: Path) -> None:
    Site.moods[:] = [503]
    assert fetch(url, tmp_path, **RIGHT) == CONTENT


def test_a_wrong_password_is_one_line_without_it(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FetchError, match=r"refuses the name or the password; check USER and PASSWORD") as caught:
        fetch(url, tmp_path, USER="me@example.org", PASSWORD="wr0ng")
    said = str(caught.value) + capsys.readouterr().err
    assert "\n" not in str(caught.value) and "wr0ng" not in said and "me@example.org" not in said


def test_without_a_name_it_says_which_variables_to_set(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"asks for a name and a password; set USER and PASSWORD"):
        fetch(url, tmp_path)
