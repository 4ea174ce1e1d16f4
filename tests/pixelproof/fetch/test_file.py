"""One file by its SHA-256 from a real server on loopback, a mirror, the cache or the disk; always verified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixelproof.core.errors import FetchError
from pixelproof.fetch.file import agrees, obtain_file
from tests.pixelproof.fetch.server import NOBODY, QUICK, Server

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "weights v1.pth"
PATH = "/deep/weights%20v1.pth"

Serve = Callable[..., Server]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.setenv("NO_PROXY", "*")
    servers: list[Server] = []

    def start(*moods: str, path: str = PATH) -> Server:
        servers.append(Server({path: CONTENT}, list(moods) or ["well"]))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def fetched(url: str, cache: Path, digest: str = DIGEST, mirror: str = "") -> Path:
    return obtain_file(url, digest, {"PIXELPROOF_CACHE": str(cache), "DATA_MIRROR": mirror}, QUICK)


def test_it_is_fetched_once_and_resumed(serve: Serve, tmp_path: Path) -> None:
    server = serve("truncate", "well")
    for _ in range(2):
        assert fetched(server.url + PATH, tmp_path).read_bytes() == CONTENT
    assert [begin for _, begin in server.asked] == [None, f"bytes={len(CONTENT) // 2}-"]


def test_the_cache_is_keyed_by_content_and_verified(serve: Serve, tmp_path: Path) -> None:
    kept = fetched(serve().url + PATH, tmp_path)
    assert fetched(f"{NOBODY}/elsewhere.pth", tmp_path) == kept  # the same content under another url
    kept.write_bytes(CONTENT[:-1] + b"?")
    server = serve()
    assert fetched(server.url + PATH, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_wrong_contents_are_one_error_and_never_kept(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    with pytest.raises(FetchError, match=rf"{server.url}.*found SHA-256 {DIGEST[:16]}\.\.\., expected 0000") as caught:
        fetched(server.url + PATH, tmp_path, digest="0" * 64)
    assert "\n" not in str(caught.value) and "DATA_MIRROR" in str(caught.value)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("form", ["folder", "file", "http"])
def test_a_mirror_has_it_under_the_name_in_the_url(serve: Serve, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    mirror = {
        "folder": str(folder),
        "file": folder.as_uri(),
        "http": serve(path=f"/m/{NAME}".replace(" ", "%20")).url + "/m",
    }
    assert fetched(f"{NOBODY}{PATH}", tmp_path / "cache", mirror=mirror[form]).read_bytes() == CONTENT


def test_a_mirror_with_wrong_contents_is_passed_over(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"other")
    assert fetched(serve().url + PATH, tmp_path / "cache", mirror=str(tmp_path)).read_bytes() == CONTENT


def test_a_file_url_is_read_in_place(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    assert fetched(path.as_uri(), tmp_path / "cache") == path
    with pytest.raises(FetchError, match=r"found SHA-256 .*expected 1111"):
        fetched(path.as_uri(), tmp_path / "cache", digest="1" * 64)
    with pytest.raises(FetchError, match=r"weights v1.pth: no such file"):
        path.unlink()
        fetched(path.as_uri(), tmp_path / "cache")


def test_eight_digits_of_a_digest_are_enough_and_fewer_are_not() -> None:
    assert agrees(DIGEST, DIGEST) and agrees(DIGEST, DIGEST[:8])
    assert not agrees(DIGEST, DIGEST[:7]) and not agrees(DIGEST, "") and not agrees(DIGEST, "0" * 8)
