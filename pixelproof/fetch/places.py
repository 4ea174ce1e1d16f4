"""Finds a file (a mirror, the cache, the network), and hands it on only after its contents were verified.

Nothing here is trusted for where it lies: a mirror's copy, the cache's and a fresh download pass the same check.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pixelproof.core.errors import FetchError
from pixelproof.fetch.transfer import Patience, RefusedError, download, say, shown

MIRROR, CACHE = "DATA_MIRROR", "PIXELPROOF_CACHE"
ALLOWED = "allowed: a folder, a file:// or an http(s):// url"


@dataclass(frozen=True)
class Wanted:
    """A file that is pinned by what is in it."""

    name: str  # as a message has it
    key: str  # its name in the cache, before the ending
    ending: str  # of the name in the cache
    url: str
    mirrored: Sequence[str]  # the names that a mirror may have it under
    forms: str  # those names, for a person
    max_bytes: int
    verify: Callable[[Path], None]  # raises FetchError where the contents are others

    @property
    def kept(self) -> str:
        """Its whole name in the cache."""
        return self.key + self.ending


def obtain(wanted: Wanted, environ: Mapping[str, str] = os.environ, patience: Patience | None = None) -> Path:
    """Where the verified file lies: in a mirror's folder, else in the cache, fetched from a mirror or the url."""
    local, remotes = places(wanted, environ.get(MIRROR, ""))
    cache = cache_folder(environ)
    refusals: list[str] = []
    try:
        if local:
            with _noted(refusals):
                return _from_folder(wanted, local)
        with _locked(cache / f"{wanted.key}.lock", wanted.name):
            if kept := _from_cache(wanted, cache):
                return kept
            for urls in remotes:
                with _noted(refusals):
                    return _from_network(wanted, urls, cache, patience or Patience())
    except OSError as error:
        where = error.filename or cache
        raise FetchError(str(where), error.strerror or str(error), f"{CACHE} may name another folder") from None
    raise FetchError(wanted.name, "; ".join(refusals), f"set {MIRROR} to a folder or url that has it ({wanted.forms})")


@contextmanager
def _noted(refusals: list[str]) -> Iterator[None]:
    """Why one place did not do is said at once, and again should no other do."""
    try:
        yield
    except FetchError as error:
        refusals.append(str(error))
        say(refusals[-1])


def places(wanted: Wanted, mirror: str) -> tuple[Path | None, list[list[str]]]:
    """The mirror's folder where it is one, and the urls to ask: for each server, the files that would do."""
    try:
        parts = urlsplit(mirror if "://" in mirror else "")
    except ValueError as error:
        raise FetchError(MIRROR, f"{mirror!r} ({error})", ALLOWED) from None
    if parts.scheme in ("http", "https"):
        return None, [[f"{mirror.rstrip('/')}/{name}" for name in wanted.mirrored], [wanted.url]]
    if parts.scheme not in ("", "file"):
        raise FetchError(MIRROR, f"{parts.scheme}://", ALLOWED)
    folder = url2pathname(parts.path) if parts.scheme else mirror
    return Path(folder).expanduser() if folder else None, [[wanted.url]]


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where what was fetched is kept: of the person and not of the clone, and nothing of DVC's."""
    home = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(environ.get(CACHE) or Path(home) / "pixelproof").expanduser()


def _from_folder(wanted: Wanted, folder: Path) -> Path:
    """A mirror on disk is read where it lies."""
    there = [path for name in wanted.mirrored if (path := folder / name).is_file()]
    if not there:
        raise FetchError(f"{MIRROR} {folder}", f"no {wanted.name} there", wanted.forms)
    wanted.verify(there[0])
    return there[0]


def _from_cache(wanted: Wanted, cache: Path) -> Path | None:
    kept = cache / wanted.kept
    if not kept.exists():
        return None
    try:
        wanted.verify(kept)
    except FetchError as error:
        say(f"{error}: fetching it anew")
        kept.unlink()
        return None
    return kept


def _from_network(wanted: Wanted, urls: list[str], cache: Path, patience: Patience) -> Path:
    """Download the first of a server's files that is there."""
    *others, last = urls
    for url in others:
        with suppress(RefusedError):
            return _downloaded(wanted, url, cache, patience)
    return _downloaded(wanted, last, cache, patience)


def _downloaded(wanted: Wanted, url: str, cache: Path, patience: Patience, once_more: bool = True) -> Path:
    """Download and verify; once more from the start if what came is wrong, for its beginning may be an older file's."""
    part = cache / f"{wanted.key}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part"
    download(url, part, wanted.max_bytes, patience)
    try:
        wanted.verify(part)
    except FetchError as error:
        part.unlink()
        if not once_more:
            raise FetchError(shown(url), str(error), "downloaded twice") from None
        say(f"{shown(url)}: {error}: downloading it anew")
        return _downloaded(wanted, url, cache, patience, once_more=False)
    kept = part.replace(cache / wanted.kept)
    for other in cache.glob(f"{wanted.key}.*.part"):
        other.unlink()
    return kept


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    """Two clones share the cache: one downloads, the other waits and finds it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: another process is fetching it; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
