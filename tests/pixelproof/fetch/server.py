"""A real server on loopback that can be told to misbehave, and a place to fetch its archive to."""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
import threading
import time
import zipfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from pixelproof.fetch.transfer import Patience
from pixelproof.sources.request import Archive
from stages.download.archive import obtain_archive

FILES = {f"CamVid/{name}": np.random.default_rng(i).bytes(200_000) for i, name in enumerate(("a.png", "b/c.png"))}
DIGEST = hashlib.sha256(
    "".join(f"{hashlib.sha256(FILES[f]).hexdigest()}  {f.removeprefix('CamVid/')}\n" for f in FILES).encode()
).hexdigest()
QUICK = Patience(attempts=3, backoff=0.01, stall=0.4)
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


class Server(ThreadingHTTPServer):
    """Serves files; each request is answered in the next of its moods, and the last mood is kept."""

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
        """Log nothing."""

    def do_GET(self) -> None:
        """Answer in the current mood."""
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
        with suppress(OSError):  # the client hangs up
            for _ in range(100):
                self.wfile.write(bytes(65536))


def pack(path: Path, files: dict[str, bytes] = FILES) -> Path:
    """An archive of the kind that its name says."""
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
    """A cache, a target, and the url of a server that has the archive."""

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
        archive = Archive("Repo-1", self.url, 2_000_000, folder="CamVid", digest=digest, max_files=10)
        environ = {"DATA_MIRROR": mirror, "PIXELPROOF_CACHE": str(self.cache)}
        shutil.rmtree(self.into, ignore_errors=True)
        folder = obtain_archive(archive, self.into, environ, patience)
        assert {f"CamVid/{p.relative_to(folder)}": p.read_bytes() for p in folder.rglob("*.png")} == FILES

    def part(self) -> Path:
        return self.cache / f"Repo-1.{hashlib.sha256(self.url.encode()).hexdigest()[:8]}.part"

    def left(self) -> set[str]:
        """What is in the cache and beside the target."""
        return {p.name for p in (*self.cache.glob("*"), *self.into.parent.glob("*")) if p.suffix != ".lock"}
