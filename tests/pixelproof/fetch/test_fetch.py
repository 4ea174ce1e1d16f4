"""Fetching against a real server on loopback that truncates, stalls, answers 500, ignores ranges and lies."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pixelproof.core.errors import FetchError
from pixelproof.fetch import transfer
from pixelproof.fetch.transfer import Patience
from pixelproof.sources.request import Archive
from stages.download.archive import obtain_archive
from tests.pixelproof.fetch.server import DIGEST, FILES, QUICK, Place, Server

ROOT = Path(__file__).parents[3]

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
def test_a_bad_server_is_tolerated(place: Place, moods: list[str], ranges: list[str | None]) -> None:
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


def test_giving_up_names_the_url_and_the_mirror_and_leaves_no_file(
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
def test_a_refusal_is_not_retried(place: Place, mood: str) -> None:
    server = place.at(place.serve(mood))
    with pytest.raises(FetchError, match=mood):
        place.obtain()
    assert len(server.asked) == 1


def test_an_unreachable_server_is_an_error_that_names_the_url(place: Place) -> None:
    with pytest.raises(FetchError, match=r"127.0.0.1:9/1.tar.gz.*DATA_MIRROR"):
        place.obtain()
    assert place.left() == set()


def test_a_redirect_loop_is_an_error(place: Place) -> None:
    place.at(place.serve("redirect"))
    with pytest.raises(FetchError, match="redirect"):
        place.obtain()


@pytest.mark.parametrize("mood", ["lie", "no length"])
def test_what_does_not_verify_is_never_kept(place: Place, mood: str) -> None:
    server = place.at(place.serve(mood))
    with pytest.raises(FetchError, match=re.escape(place.url)):
        place.obtain()
    assert len(server.asked) == 2  # twice: what an earlier run left may begin an older file
    assert place.left() == set()


def test_wrong_contents_do_not_verify(place: Place) -> None:
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


def test_a_connection_that_breaks_often_but_makes_progress_is_tolerated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
def test_a_killed_download_is_resumed(place: Place, ours: bool) -> None:
    server = place.at(place.serve())
    place.cache.mkdir()
    beginning = place.content[:1000]
    place.part().write_bytes(beginning if ours else bytes(reversed(beginning)))
    place.obtain()
    assert [r for _, r in server.asked] == ["bytes=1000-"] + ([] if ours else [None])


@pytest.mark.parametrize("extra", [b"", b"more"], ids=["all of it", "too much"])
def test_a_complete_download_of_a_killed_run_is_used(place: Place, extra: bytes) -> None:
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
    assert len(server.asked) == 2 and "fetching it again" in capsys.readouterr().err
    assert kept.read_bytes() == place.content


def test_two_at_the_same_time_download_once(place: Place) -> None:
    server = place.at(place.serve("slow"))
    archive = Archive("Repo-1", place.url, 2_000_000, folder="CamVid", digest=DIGEST, max_files=10)
    environ = {"PIXELPROOF_CACHE": str(place.cache)}
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(obtain_archive, archive, place.folder / name, environ, QUICK) for name in ("one", "two")]
        folders = [job.result() for job in jobs]
    assert len(server.asked) == 1
    assert all((folder / "a.png").read_bytes() == FILES["CamVid/a.png"] for folder in folders)


HOLDER = """
import sys, time
from pathlib import Path
from pixelproof.fetch.obtain import _locked
with _locked(Path(sys.argv[1]), "Repo-1"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(place: Place) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the lock of the archive in the cache until it is killed."""
    command = [sys.executable, "-c", HOLDER, str(place.cache / "Repo-1.lock")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_lock_is_waited_for_and_ends_with_its_killed_holder(
    place: Place, holder: subprocess.Popen[str], capfd: pytest.CaptureFixture[str]
) -> None:
    server = place.at(place.serve())
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(place.obtain)
        with pytest.raises(TimeoutError):
            job.result(timeout=1)
        assert server.asked == []
        assert "Repo-1: another process is fetching it; waiting\n" in capfd.readouterr().err
        holder.kill()
        job.result(timeout=30)
    assert len(server.asked) == 1


def test_a_lock_that_a_killed_process_left_is_not_waited_for(
    place: Place, holder: subprocess.Popen[str], capfd: pytest.CaptureFixture[str]
) -> None:
    holder.kill()
    holder.wait()
    assert (place.cache / "Repo-1.lock").exists()
    place.at(place.serve())
    place.obtain()
    assert "waiting" not in capfd.readouterr().err


def test_a_file_system_without_locks_is_an_error(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", missing)
    place.at(place.serve())
    with pytest.raises(FetchError, match=r"cache: Function not implemented.*PIXELPROOF_CACHE"):
        place.obtain()


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a folder where not even root may write")
def test_a_read_only_cache_is_an_error(place: Place) -> None:
    place.cache = Path("/sys")
    place.at(place.serve())
    with pytest.raises(FetchError, match=r"/sys.*PIXELPROOF_CACHE") as caught:
        place.obtain()
    assert "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_written_is_an_error(place: Place) -> None:
    place.cache.write_text("a file where the folder should be")
    place.at(place.serve())
    with pytest.raises(FetchError, match=r"cache.*PIXELPROOF_CACHE"):
        place.obtain()


def test_a_full_disk_is_reported_and_spares_the_cache(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.at(place.serve())
    place.obtain()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pixelproof.fetch.unpack._write", full)
    with pytest.raises(FetchError, match="No space left"):
        place.obtain()
    assert place.left() == {"Repo-1.archive"}
