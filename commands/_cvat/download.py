"""Lets the server export a task, and downloads the export: resumed where the server allows it."""

from __future__ import annotations

import re
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import urllib3
from cvat_sdk.core.client import Client
from cvat_sdk.core.helpers import make_request_headers

from commands._cvat.server import transport_of
from commands._cvat.transport import shown
from pixelproof.core.errors import StateError
from pixelproof.core.progress import Progress, say

FORMAT = "CVAT for images 1.1"
BLOCK = 1 << 20
WORDS = {"queued": "waits in the server's queue", "started": "is being written by the server"}


def fetch_export(client: Client, task: int, part: Path) -> None:
    """Export a task with its images, and download the zip.

    Args:
        client: of the server.
        task: its id.
        part: the file to write.

    Raises:
        StateError: the server cannot export it, or the download failed too often.
    """
    asked, _ = client.tasks.api.create_dataset_export(FORMAT, task, save_images=True, location="local")
    url = _exported(client, task, asked.rq_id)
    _download(client, _at_home(client, url), part)


def _exported(client: Client, task: int, request: str) -> str:
    """Wait until the export is done, however long the queue; its URL."""
    period, shown_state = transport_of(client).patience.period, ""
    while True:
        found, _ = client.api_client.requests_api.retrieve(request)
        state = str(found.status)
        if state == "finished":
            break
        if state == "failed":
            text = transport_of(client).address.without_token(str(getattr(found, "message", "") or "no reason given"))
            fix = "export it in CVAT's own page to see whether that works"
            raise StateError(f"task {task}", f"the server could not export it: {' '.join(text.split())[:200]}", fix)
        if state != shown_state:
            shown_state = state
            say(f"task {task}: its export {WORDS.get(state, f'is {state}')}")
        time.sleep(period)
    if not (url := getattr(found, "result_url", None)):
        raise StateError(f"task {task}", "exported, but the server names no file", "is it stored in a cloud storage?")
    return str(url)


def _at_home(client: Client, url: str) -> str:
    """A URL of the server, at the scheme and port by which we reach it: behind a proxy it may not know its own."""
    host = client.api_map.host
    whole, home = urlsplit(urljoin(f"{host}/", url)), urlsplit(host)
    if whole.hostname == home.hostname:
        whole = whole._replace(scheme=home.scheme, netloc=home.netloc)
    return urlunsplit(whole)


def _download(client: Client, url: str, part: Path) -> None:
    """Download in as many attempts as it takes, as long as each second one brings something."""
    patience, failures, most = transport_of(client).patience, 0, 0
    while True:
        try:
            _get(client, url, part)
            _check_whole(part)
            return
        except (urllib3.exceptions.HTTPError, zipfile.BadZipFile) as error:
            reason = "not a whole zip" if isinstance(error, zipfile.BadZipFile) else "the connection broke"
        have = part.stat().st_size if part.exists() else 0
        if reason == "not a whole zip":
            part.unlink()
        failures = 1 if have > most else failures + 1
        most = max(most, have)
        if failures >= patience.attempts:
            raise StateError(shown(url), reason, f"{failures} attempts in a row brought nothing; try again later")
        say(f"{shown(url)}: {reason} after {have / 1e6:.1f} MB; going on in {patience.pause(failures):g} s")
        time.sleep(patience.pause(failures))


def _get(client: Client, url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers: dict[str, Any] = make_request_headers(client.api_client) | {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    transport = transport_of(client)
    answer = transport.GET(url, headers=headers, _parse_response=False, _check_status=False)
    try:
        start, total = _extent(answer, have)
        if start is None:
            part.unlink(missing_ok=True)
            raise urllib3.exceptions.ProtocolError("another range than was asked for")
        if answer.status not in (200, 206):
            raise transport.refusal(url, answer)
        progress = Progress(f"{part.stem}:", total, counted=_megabytes)
        progress.begin(start)
        with part.open("ab" if start else "wb") as file:
            while block := answer.read(BLOCK, decode_content=False):
                file.write(block)
                start += len(block)
                progress.show(start)
        progress.end()
    finally:
        answer.close()  # what is left of a broken answer must not be reused


def _extent(answer: urllib3.HTTPResponse, have: int) -> tuple[int | None, int | None]:
    """Where the answer begins, None if elsewhere than asked; and the size of the whole file, if it is stated."""
    if answer.status == 416:
        return None, None
    if answer.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if not found or int(found[1]) != have:
            return None, None
        return have, int(found[2]) if found[2] != "*" else None
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _check_whole(part: Path) -> None:
    """A zip's list of files stands at its end."""
    with zipfile.ZipFile(part):
        pass


def _megabytes(done: int, total: int | None) -> str:
    return f"{done / 1e6:.1f}" + (f" of {total / 1e6:.1f} MB" if total else " MB")
