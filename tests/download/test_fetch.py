"""Fetching against a real server on loopback that truncates, stalls, answers 500, ignores ranges and lies."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from stages.download import transfer
from stages.download.fetch import obtain
from stages.download.request import Archive
from stages.download.transfer import Patience
from stages.errors import FetchError

FILES = {f"CamVid/{name}": np.random.default_rng(i).bytes(200_000) for i, name in enumerate(("a.png", "b/c.png"))}
DIGEST = hashlib.sha256(
    "".join(f"{hashlib.sha256(FILES[f]).hexdigest()}  {f.removeprefix('CamVid/')}\n" for f in FILES).encode()
).hexdigest()
QUICK = Patience(attempts=3, backoff=0.01, stall=0.4)
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


class Server(ThreadingHTTPServer):
    """Serves files; each request is answered in the next of its moods, and the last mood stays."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, files: dict[str, bytes], moods: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.moods = files, moods
        self.asked: list[tuple[str, str | None]] = []  # path, Range
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        """Answer in the mood of the moment."""
        server = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        mood = server.moods.pop(0) if len(server.moods) > 1 else server.moods[0]
        content = server.files.get(self.path)
        if content is None or mood.isdigit():
            return self._head(404 if content is None else int(mood), {"Content-Length": "0"})
        if mood == "redirect":
            return self._head(302, {"Content-Length": "0", "Location": self.path})
        if mood == "lie":
            content = bytes(reversed(content))
        if mood == "flood":
            self._head(200, {})
            return self._flood()
        begin = self._begin(mood)
        if begin >= len(content) and begin:
            return self._head(416, {"Content-Length": "0", "Content-Range": f"bytes */{len(content)}"})
        self._body(content, begin, mood)

    def _begin(self, mood: str) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(asked[1]) if asked and mood != "deaf" else 0

    def _body(self, content: bytes, begin: int, mood: str) -> None:
        length, rest = len(content), content[begin:]
        stated = {"other range": begin + 1, "no range": None}.get(mood, begin)
        headers = {"Content-Length": str(len(rest))}
        if begin and stated is not None:
            headers["Content-Range"] = f"bytes {stated}-{length - 1}/{length}"
        if mood == "no length":
            del headers["Content-Length"]
        self._head(206 if begin else 200, headers)
        if mood == "slow":
            time.sleep(0.2)
        short = mood in ("truncate", "stall", "no length")
        self.wfile.write(rest[: len(rest) // 2] if short else rest)
        self.wfile.flush()
        if mood == "stall":
            self.server.closing.wait(60)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _flood(self) -> None:
        with suppress(OSError):  # the client has had enough
            for _ in range(100):
                self.wfile.write(bytes(65536))


def pack(path: Path, files: dict[str, bytes] = FILES) -> Path:
    """An archive in the form that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = path.parent / "tree" / "Repo-1"
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in files:
                archive.write(tree / name, f"Repo-1/{name}")
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive_:
            archive_.add(tree, "Repo-1")
    shutil.rmtree(tree.parent)
    return path


class Place:
    """A cache, a target, and a server at whose url the archive is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.into, self.cache = folder, folder / "data" / "into", folder / "cache"
        self.content = pack(folder / "packed" / "Repo-1.tar.gz").read_bytes()
        self.servers: list[Server] = []
        self.url = f"{NOBODY}/1.tar.gz"

    def serve(self, *moods: str, files: dict[str, bytes] | None = None) -> Server:
        server = Server(files or {"/1.tar.gz": self.content}, list(moods) or ["well"])
        self.servers.append(server)
        return server

    def at(self, server: Server) -> Server:
        self.url = f"{server.url}/1.tar.gz"
        return server

    def obtain(self, mirror: str = "", patience: Patience = QUICK, digest: str = DIGEST) -> None:
        archive = Archive("Repo", "1", self.url, "CamVid", digest, max_files=10, max_bytes=2_000_000)
        environ = {"DATA_MIRROR": mirror, "PIXELPROOF_CACHE": str(self.cache)}
        shutil.rmtree(self.into, ignore_errors=True)
        folder = obtain(archive, self.into, environ, patience)
        assert {f"CamVid/{p.relative_to(folder)}": p.read_bytes() for p in folder.rglob("*.png")} == FILES

    def part(self) -> Path:
        return self.cache / f"Repo-1.{hashlib.sha256(self.url.encode()).hexdigest()[:8]}.part"

    def left(self) -> set[str]:
        """What lies in the cache and beside the target."""
        return {p.name for p in (*self.cache.glob("*"), *self.into.parent.glob("*")) if p.suffix != ".lock"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("NO_PROXY", "*")
    place = Place(tmp_path)
    yield place
    for server in place.servers:
        server.stop()


# --- a bad server ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moods", "ranges"),
    [
        (["well"], [None]),
        (["truncate", "well"], [None, "half"]),
        (["stall", "well"], [None, "half"]),
        (["truncate", "truncate", "well"], [None, "half", "three quarters"]),
        (["500", "503", "well"], [None, None, None]),
        (["429", "408", "well"], [None, None, None]),
        (["truncate", "500", "well"], [None, "half", "half"]),
        (["truncate", "deaf"], [None, "half"]),
        (["truncate", "other range", "well"], [None, "half", None]),
        (["truncate", "no range", "well"], [None, "half", None]),
        (["no length", "well"], [None, None]),
        (["lie", "well"], [None, None]),
        (["truncate", "lie", "well"], [None, "half", None]),
        (["redirect", "well"], [None, None]),
    ],
    ids=lambda value: "-".join(value) if "None" not in str(value) else "",
)
def test_a_bad_server_is_borne(place: Place, moods: list[str], ranges: list[str | None]) -> None:
    server = place.at(place.serve(*moods))
    place.obtain()
    half = len(place.content) // 2
    begins = {"half": half, "three quarters": half + (len(place.content) - half) // 2}
    assert [r for _, r in server.asked] == [f"bytes={begins[r]}-" if r else None for r in ranges]
    assert place.left() == {"Repo-1.archive", "into"}


def test_a_stall_is_noticed(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.at(place.serve("stall", "well"))
    place.obtain()
    assert "timed out; trying again" in capsys.readouterr().err


def test_giving_up_names_the_url_and_the_mirror_and_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    server = place.at(place.serve("500"))
    with pytest.raises(FetchError) as caught:
        place.obtain(patience=Patience(attempts=5, backoff=1, stall=1))
    message = str(caught.value)
    assert place.url in message and "500" in message and "DATA_MIRROR" in message and "Repo-1" in message
    assert "\n" not in message
    assert len(server.asked) == 5 and pauses == [1, 2, 4, 8]
    assert "trying again in 4 s" in capsys.readouterr().err
    assert place.left() == set()


@pytest.mark.parametrize("mood", ["400", "403", "404"])
def test_a_refusal_is_not_asked_again(place: Place, mood: str) -> None:
    server = place.at(place.serve(mood))
    with pytest.raises(FetchError, match=mood):
        place.obtain()
    assert len(server.asked) == 1


def test_nobody_there_is_an_error_that_names_the_url(place: Place) -> None:
    with pytest.raises(FetchError, match=r"127.0.0.1:9/1.tar.gz.*DATA_MIRROR"):
        place.obtain()
    assert place.left() == set()


def test_redirects_in_a_circle_are_an_error(place: Place) -> None:
    place.at(place.serve("redirect"))
    with pytest.raises(FetchError, match="redirect"):
        place.obtain()


@pytest.mark.parametrize("mood", ["lie", "no length"])
def test_what_does_not_verify_is_never_kept(place: Place, mood: str) -> None:
    server = place.at(place.serve(mood))
    with pytest.raises(FetchError, match=re.escape(place.url)):
        place.obtain()
    assert len(server.asked) == 2  # once more, for a beginning may have been an older file's
    assert place.left() == set()


def test_other_contents_do_not_verify(place: Place) -> None:
    place.at(place.serve())
    with pytest.raises(FetchError, match=r"digest .*expected 0000"):
        place.obtain(digest="0" * 64)
    assert place.left() == set()


@pytest.mark.parametrize("mood", ["flood", "well"])
def test_too_much_is_refused(place: Place, mood: str) -> None:
    place.at(place.serve(mood, files={"/1.tar.gz": bytes(2_000_001)}))
    with pytest.raises(FetchError, match=r"more than the 2000000 (bytes )?allowed; do not trust this source"):
        place.obtain()
    assert place.left() == set()


def test_a_connection_that_breaks_often_but_gets_on_is_borne(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(transfer, "STEP", 1000)
    content = np.random.default_rng(0).bytes(1_000_000)
    server = Server({"/file": content}, ["truncate"] * 9 + ["well"])
    try:
        transfer.download(f"{server.url}/file", tmp_path / "part", 1 << 20, QUICK)
    finally:
        server.stop()
    assert (tmp_path / "part").read_bytes() == content
    assert len(server.asked) == 10


# --- what an earlier run left ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ours", [True, False], ids=["its own beginning", "another file's beginning"])
def test_an_earlier_run_that_was_killed_is_gone_on_with(place: Place, ours: bool) -> None:
    server = place.at(place.serve())
    place.cache.mkdir()
    beginning = place.content[:1000]
    place.part().write_bytes(beginning if ours else bytes(reversed(beginning)))
    place.obtain()
    assert [r for _, r in server.asked] == ["bytes=1000-"] + ([] if ours else [None])


@pytest.mark.parametrize("extra", [b"", b"more"], ids=["all of it", "too much"])
def test_a_download_that_was_complete_when_it_was_killed(place: Place, extra: bytes) -> None:
    server = place.at(place.serve())
    place.cache.mkdir()
    place.part().write_bytes(place.content + extra)
    place.obtain()
    assert len(server.asked) == (2 if extra else 1)


def test_the_cache_is_used_and_verified(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    server = place.at(place.serve())
    place.obtain()
    place.obtain()
    assert len(server.asked) == 1
    kept = place.cache / "Repo-1.archive"
    damaged = bytearray(kept.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    kept.write_bytes(damaged)
    capsys.readouterr()
    place.obtain()
    assert len(server.asked) == 2 and "anew" in capsys.readouterr().err
    assert kept.read_bytes() == place.content


def test_two_at_once_download_once(place: Place) -> None:
    server = place.at(place.serve("slow"))
    archive = Archive("Repo", "1", place.url, "CamVid", DIGEST, max_files=10, max_bytes=2_000_000)
    environ = {"PIXELPROOF_CACHE": str(place.cache)}
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(obtain, archive, place.folder / name, environ, QUICK) for name in ("one", "two")]
        folders = [job.result() for job in jobs]
    assert len(server.asked) == 1
    assert all((folder / "a.png").read_bytes() == FILES["CamVid/a.png"] for folder in folders)


def test_a_cache_that_cannot_be_written_is_an_error(place: Place) -> None:
    place.cache.write_text("a file where the folder should be")
    place.at(place.serve())
    with pytest.raises(FetchError, match=r"cache.*PIXELPROOF_CACHE"):
        place.obtain()


def test_a_full_disk_is_said_and_spares_the_cache(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.at(place.serve())
    place.obtain()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stages.download.unpack._write", full)
    with pytest.raises(FetchError, match="No space left"):
        place.obtain()
    assert place.left() == {"Repo-1.archive"}


# --- mirrors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize("form", ["folder", "file", "http"])
def test_a_mirror_is_tried_first(place: Place, form: str, ending: str) -> None:
    asked = place.at(place.serve()).asked
    packed = pack(place.folder / "mir ror" / f"Repo-1{ending}")
    server = place.serve(files={f"/deep/{packed.name}": packed.read_bytes()})
    folder = packed.parent
    place.obtain({"folder": str(folder), "file": folder.as_uri(), "http": f"{server.url}/deep/"}[form])
    assert asked == []
    assert place.left() == ({"into", "Repo-1.archive"} if form == "http" else {"into"})  # a folder is read in place


@pytest.mark.parametrize("fault", ["no folder", "empty", "damaged", "empty server", "no server", "broken server"])
def test_where_the_mirror_has_none_the_url_is_asked(
    place: Place, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    origin = place.at(place.serve())
    mirror = {
        "empty server": lambda: place.serve(files={"/other": b""}).url,
        "broken server": lambda: place.serve("500", files={"/Repo-1.tar": b"x"}).url,
        "no server": lambda: NOBODY,
    }.get(fault, lambda: str(place.folder / "mirror"))()
    if fault in ("empty", "damaged"):
        (place.folder / "mirror").mkdir()
    if fault == "damaged":
        (place.folder / "mirror" / "Repo-1.tar").write_bytes(b"not an archive")
    place.obtain(mirror)
    assert len(origin.asked) == 1
    assert re.search(r"Repo-1(\.tar|\.zip| there)", capsys.readouterr().err)  # said, and not passed over in silence


def test_neither_answers(place: Place) -> None:
    with pytest.raises(FetchError) as caught:
        place.obtain(str(place.folder / "mirror"))
    message = str(caught.value)
    assert str(place.folder / "mirror") in message and place.url in message and "DATA_MIRROR" in message
    assert len(message.splitlines()) == 1
    assert place.left() == set()


@pytest.mark.parametrize("mirror", ["ftp://host/x", "s3://bucket", "http://[::1", "file://["])
def test_a_mirror_of_another_kind_is_an_error(place: Place, mirror: str) -> None:
    with pytest.raises(FetchError, match=r"DATA_MIRROR.*allowed: a folder, a file:// or an http"):
        place.obtain(mirror)


def test_a_password_is_never_shown(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    server = place.serve("500", files={"/Repo-1.tar": b""})
    with pytest.raises(FetchError) as caught:
        place.obtain(server.url.replace("http://", "http://anna:secret@"))
    shown = str(caught.value) + capsys.readouterr().err
    assert server.url in shown and "secret" not in shown
