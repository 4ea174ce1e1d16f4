"""Download one file over HTTP: resume where it stopped, retry with growing pauses, and show the progress."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from pixelproof.core.errors import FetchError
from pixelproof.core.progress import Progress, say

STEP = 1 << 20  # bytes; an attempt that adds at least this much counts as progress
LATER = (408, 429)  # like 5xx, these statuses are temporary: worth another attempt
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "pixelproof"}  # uncompressed: ranges count the file's own bytes


@dataclass(frozen=True)
class Patience:
    """How long to put up with a bad connection."""

    attempts: int = 5  # in a row without progress
    backoff: float = 1.0  # seconds before the second attempt, doubled before each further one
    stall: float = 30.0  # seconds without a byte


class RefusedError(FetchError):
    """The server does not have the file or denies access, so there is no point in retrying."""


class _AgainError(Exception):
    """A failure that may not happen again at the next attempt."""


def download(
    url: str, part: Path, limit: int, patience: Patience, enter: Callable[[httpx.Client], None] | None = None
) -> None:
    """Download a file, with retries.

    Args:
        url: http or https.
        part: Where to write it; if it exists, the download resumes after it.
        limit: The maximum number of bytes.
        patience: How long to put up with a bad connection.
        enter: Logs in, where the server asks for it.

    Raises:
        RefusedError: The server does not have the file, or denies access.
        FetchError: The file is larger than the limit, the url is invalid, or too many attempts in a row failed.
    """
    failures, most = 0, _bytes_on_disk(part)
    while True:
        try:
            with httpx.Client(timeout=patience.stall, follow_redirects=True, headers=HEADERS) as client:
                if enter:
                    enter(client)
                return _get(client, url, part, limit)
        except (httpx.TransportError, _AgainError) as error:
            reason = str(error) or type(error).__name__
        except httpx.InvalidURL:  # its message may quote a password
            raise FetchError(shown(url), "not a valid url", "check the address") from None
        except httpx.RequestError as error:
            raise FetchError(shown(url), str(error), "check the address") from None
        failures = failures + 1 if _bytes_on_disk(part) < most + STEP else 1
        most = max(most, _bytes_on_disk(part))
        if failures >= patience.attempts:
            raise FetchError(shown(url), reason, f"{failures} attempts in a row failed")
        pause = patience.backoff * 2 ** (failures - 1)
        say(f"{shown(url)}: {reason}; trying again in {pause:g} s")
        time.sleep(pause)


def shown(url: str) -> str:
    """A url for messages: scheme, host, port and the file's name, which are no secrets. Anything else may be one.

    That is a user name, a password, a folder, a query (a signature, a token) and a fragment.

    Args:
        url: http or https.

    Returns:
        The url, with `...` for the folders, and for the host too if it may be part of a password with a slash in it.

    Example:
        >>> shown("https://me:secret@example.org/secret/weights.pth;secret?token=secret#secret")
        'https://example.org/.../weights.pth'
        >>> shown("http://me:12/34@example.org/weights.pth")
        'http://.../weights.pth'
    """
    parts = urlsplit(url)
    folder, _, name = parts.path.rpartition("/")
    host = "..." if "@" in parts.path + parts.query + parts.fragment else parts.netloc.rpartition("@")[2]
    hidden = ["..."] if folder.strip("/") and host != "..." else []
    return f"{parts.scheme}://{'/'.join([host, *hidden, name.partition(';')[0]])}"


def _get(client: httpx.Client, url: str, part: Path, limit: int) -> None:
    have = _bytes_on_disk(part)
    with client.stream("GET", url, headers={"Range": f"bytes={have}-"} if have else {}) as answer:
        start, total = _extent(answer, url, part, have)
        if (total or 0) > limit:
            raise FetchError(shown(url), f"{total} bytes, more than the {limit} allowed", "do not trust this source")
        if answer.status_code == 416:
            return  # the file is already complete
        progress = Progress(f"{_name(url)}:", total, counted=_megabytes)
        progress.begin(start)
        with part.open("ab" if start else "wb") as file:
            for block in answer.iter_raw():
                start += len(block)
                if start > limit:
                    part.unlink()
                    raise FetchError(shown(url), f"more than the {limit} bytes allowed", "do not trust this source")
                file.write(block)
                progress.show(start)
        progress.end()
    if total is not None and start < total:
        raise _AgainError(f"only {start} of {total} bytes arrived")


def _extent(answer: httpx.Response, url: str, part: Path, have: int) -> tuple[int, int | None]:
    """The offset at which the response begins, and the size of the whole file if the server states it."""
    status = answer.status_code
    if status == 200:  # also from a server that ignores ranges
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
        raise _AgainError(f"the server sent a range that was not requested ({status})")
    if status >= 500 or status in LATER:
        raise _AgainError(f"the server answered {status} {answer.reason_phrase}")
    raise RefusedError(shown(url), f"the server answered {status} {answer.reason_phrase}", "check the address")


def _name(url: str) -> str:
    """The name to show in the progress line, which a whole url would fill."""
    return shown(url).rpartition("/")[2] or shown(url)


def _megabytes(done: int, total: int | None) -> str:
    return f"{done / 1e6:.1f}" + (f" of {total / 1e6:.1f} MB ({100 * done // total} %)" if total else " MB")


def _bytes_on_disk(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
