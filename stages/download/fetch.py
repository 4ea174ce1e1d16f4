"""Finds an archive (a mirror, the cache, the network), and hands it on only after its contents were verified.

Nothing here is trusted for where it lies: a mirror's copy, the cache's and a fresh download pass the same check.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from stages.download.request import Archive
from stages.download.transfer import Patience, RefusedError, download, say, shown
from stages.download.unpack import digest, unpack
from stages.errors import FetchError

MIRROR, CACHE = "DATA_MIRROR", "PIXELPROOF_CACHE"
FORMS = (".tar", ".tar.gz", ".zip")
ALLOWED = "allowed: a folder, a file:// or an http(s):// url"


def obtain(
    archive: Archive, into: Path, environ: Mapping[str, str] = os.environ, patience: Patience | None = None
) -> Path:
    """Unpack an archive's wanted folder into `into`, verified: from a mirror, else the cache, else the url."""
    local, remotes = places(archive, environ.get(MIRROR, ""))
    cache = cache_folder(environ)
    refusals: list[str] = []
    try:
        if local:
            with _noted(refusals):
                return _from_folder(archive, local, into)
        with _locked(cache / f"{archive.name}.lock"):
            if folder := _from_cache(archive, cache, into):
                return folder
            for urls in remotes:
                with _noted(refusals):
                    return _from_network(archive, urls, cache, into, patience or Patience())
    except OSError as error:
        where = error.filename or cache
        raise FetchError(str(where), error.strerror or str(error), f"{CACHE} may name another folder") from None
    raise FetchError(archive.name, "; ".join(refusals), f"set {MIRROR} to a folder or url that has it ({_forms()})")


@contextmanager
def _noted(refusals: list[str]) -> Iterator[None]:
    """Why one place did not do is said at once, and again should no other do."""
    try:
        yield
    except FetchError as error:
        refusals.append(str(error))
        say(refusals[-1])


def places(archive: Archive, mirror: str) -> tuple[Path | None, list[list[str]]]:
    """The mirror's folder where it is one, and the urls to ask: for each server, the files that would do."""
    try:
        parts = urlsplit(mirror if "://" in mirror else "")
    except ValueError as error:
        raise FetchError(MIRROR, f"{mirror!r} ({error})", ALLOWED) from None
    if parts.scheme in ("http", "https"):
        return None, [[f"{mirror.rstrip('/')}/{archive.name}{form}" for form in FORMS], [archive.url]]
    if parts.scheme not in ("", "file"):
        raise FetchError(MIRROR, f"{parts.scheme}://", ALLOWED)
    folder = url2pathname(parts.path) if parts.scheme else mirror
    return Path(folder).expanduser() if folder else None, [[archive.url]]


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where archives are kept: of the person and not of the clone, and nothing of DVC's."""
    home = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(environ.get(CACHE) or Path(home) / "pixelproof").expanduser()


def _from_folder(archive: Archive, folder: Path, into: Path) -> Path:
    """A mirror on disk is read where it lies."""
    there = [path for form in FORMS if (path := folder / (archive.name + form)).is_file()]
    if not there:
        raise FetchError(f"{MIRROR} {folder}", f"no {archive.name} there", _forms())
    return _verified(archive, there[0], into)


def _from_cache(archive: Archive, cache: Path, into: Path) -> Path | None:
    kept = cache / f"{archive.name}.archive"
    if not kept.exists():
        return None
    try:
        return _verified(archive, kept, into)
    except FetchError as error:
        say(f"{error}: fetching it anew")
        kept.unlink()
        return None


def _from_network(archive: Archive, urls: list[str], cache: Path, into: Path, patience: Patience) -> Path:
    """Download the first of a server's files that is there."""
    *others, last = urls
    for url in others:
        with suppress(RefusedError):
            return _downloaded(archive, url, cache, into, patience)
    return _downloaded(archive, last, cache, into, patience)


def _downloaded(
    archive: Archive, url: str, cache: Path, into: Path, patience: Patience, once_more: bool = True
) -> Path:
    """Download and verify; once more from the start if what came is wrong, for its beginning may be an older file's."""
    part = cache / f"{archive.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part"
    download(url, part, archive.max_bytes, patience)
    try:
        folder = _verified(archive, part, into)
    except FetchError as error:
        part.unlink()
        if not once_more:
            raise FetchError(shown(url), str(error), "downloaded twice") from None
        say(f"{shown(url)}: {error}: downloading it anew")
        return _downloaded(archive, url, cache, into, patience, once_more=False)
    part.replace(cache / f"{archive.name}.archive")
    for other in cache.glob(f"{archive.name}.*.part"):
        other.unlink()
    return folder


def _verified(archive: Archive, path: Path, into: Path) -> Path:
    """Unpack, and compare the contents' digest with the one that the source states; leave nothing where they differ."""
    try:
        found = digest(unpack(path, archive.folder, into, archive.max_files, archive.max_bytes))
        if found != archive.digest:
            expected = f"expected {archive.digest[:16]}..."
            raise FetchError(path.name, f"contents with the digest {found[:16]}..., {expected}", "not this revision")
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise
    return into


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two clones share the cache: one downloads, the other waits and finds it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{path.stem}: another process is fetching it; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forms() -> str:
    return "<repository>-<revision>" + ", ".join(FORMS[:-1]) + " or " + FORMS[-1]
