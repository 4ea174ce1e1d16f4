"""Downloads one file over HTTP: goes on where it stopped, tries again with growing pauses, and shows how far it is."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from pixelproof.core.errors import FetchError

STEP = 1 << 20  # a try that brought so much more counts as getting on
LATER = (408, 429)  # with 5xx: the answers that say "not now" and not "no"
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "pixelproof"}  # ranges count the bytes of the file itself


@dataclass(frozen=True)
class Patience:
    """How long a bad connection is borne."""

    attempts: int = 5  # in a row that do not get on
    backoff: float = 1.0  # seconds before the second try, doubled before each further one
    stall: float = 30.0  # seconds without a byte


class RefusedError(FetchError):
    """The server answers that it has no such file, or not for us: asking again changes nothing."""


class _AgainError(Exception):
    """What may go better at the next try."""


def download(url: str, part: Path, limit: int, patience: Patience) -> None:
    """Download `url` into `part`, which may hold its beginning already; never more than `limit` bytes."""
    failures, most = 0, _size(part)
    while True:
        try:
            with httpx.Client(timeout=patience.stall, follow_redirects=True, headers=HEADERS) as client:
                return _get(client, url, part, limit)
        except (httpx.TransportError, _AgainError) as error:
            reason = str(error) or type(error).__name__
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise FetchError(shown(url), str(error), "check the address") from None
        failures = failures + 1 if _size(part) < most + STEP else 1
        most = max(most, _size(part))
        if failures >= patience.attempts:
            raise FetchError(shown(url), reason, f"{failures} tries in a row failed")
        pause = patience.backoff * 2 ** (failures - 1)
        say(f"{shown(url)}: {reason}; trying again in {pause:g} s")
        time.sleep(pause)


def shown(url: str) -> str:
    """A url as it may stand in a message: without the user and password that it may hold."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def say(line: str) -> None:
    """Tell the person who waits."""
    print(line, file=sys.stderr, flush=True)


def _get(client: httpx.Client, url: str, part: Path, limit: int) -> None:
    have = _size(part)
    with client.stream("GET", url, headers={"Range": f"bytes={have}-"} if have else {}) as answer:
        start, total = _extent(answer, url, part, have)
        if (total or 0) > limit:
            raise FetchError(shown(url), f"{total} bytes, more than the {limit} allowed", "do not trust this source")
        if answer.status_code == 416:
            return  # everything was there already
        progress = Progress(shown(url), total)
        with part.open("ab" if start else "wb") as file:
            for block in answer.iter_raw():
                start += len(block)
                if start > limit:
                    part.unlink()
                    raise FetchError(shown(url), f"more than the {limit} bytes allowed", "do not trust this source")
                file.write(block)
                progress.show(start)
        progress.end(start)
    if total is not None and start < total:
        raise _AgainError(f"only {start} of {total} bytes came")


def _extent(answer: httpx.Response, url: str, part: Path, have: int) -> tuple[int, int | None]:
    """At which byte the answer begins, and how many the file has in all where the server says it."""
    status = answer.status_code
    if status == 200:  # to a server that ignores ranges as well
        length = answer.headers.get("content-length", "")
        return 0, int(length) if length.isdecimal() else None
    if status in (206, 416):
        found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", answer.headers.get("content-range", ""))
        begin, total = found.groups() if found else (None, None)
        if status == 206 and begin == str(have):
            return have, int(total) if total and total != "*" else None
        if status == 416 and total == str(have):
            return have, have
        part.unlink(missing_ok=True)
        raise _AgainError(f"it answered a range that was not asked for ({status})")
    if status >= 500 or status in LATER:
        raise _AgainError(f"it answered {status} {answer.reason_phrase}")
    raise RefusedError(shown(url), f"it answered {status} {answer.reason_phrase}", "check the address")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class Progress:
    """One line that says how much has come: rewritten on a terminal, repeated now and then in a log."""

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total = what, total
        self.terminal = sys.stderr.isatty()
        self.pause, self.last = (0.2 if self.terminal else 5.0), time.monotonic()

    def show(self, done: int) -> None:
        """Say it if it is time to."""
        if time.monotonic() - self.last >= self.pause:
            self.last = time.monotonic()
            self._print(done, "" if self.terminal else "\n")

    def end(self, done: int) -> None:
        """Say the last word."""
        self._print(done, "\n")

    def _print(self, done: int, end: str) -> None:
        of = f" of {self.total / 1e6:.1f} MB ({100 * done // self.total} %)" if self.total else " MB"
        begin = "\r\x1b[K" if self.terminal else ""
        print(f"{begin}{self.what}: {done / 1e6:.1f}{of}", end=end, file=sys.stderr, flush=True)
