"""Get a file from a mirror, the cache or the network, and return it only after its contents are verified.

No location is trusted: copies in a mirror or the cache go through the same check as a new download.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from filelock import FileLock, Timeout

from pixelproof.core.errors import FetchError
from pixelproof.core.progress import say
from pixelproof.fetch.login import Login
from pixelproof.fetch.transfer import Patience, RefusedError, download, shown

MIRROR, CACHE = "DATA_MIRROR", "PIXELPROOF_CACHE"
KNOWN = ("ftp", "ftps", "sftp", "ssh", "s3", "gs", "az", "hdfs")  # what a message may name; others may be a user's name
ALLOWED = "allowed: a folder, a file:// or an http(s):// url"


@dataclass(frozen=True)
class Wanted:
    """A file that is pinned by its contents."""

    name: str  # for messages
    key: str  # its name in the cache, without the extension
    ending: str  # the extension of its name in the cache
    url: str
    mirrored: Sequence[str]  # the names it may have in a mirror
    forms: str  # those names, in words, for messages
    max_bytes: int
    verify: Callable[[Path], None]  # raises FetchError if the contents differ
    login: Login | None = None  # what the url asks for; a mirror is asked without

    @property
    def kept(self) -> str:
        """Its full name in the cache."""
        return self.key + self.ending


def obtain(wanted: Wanted, environ: Mapping[str, str] = os.environ, patience: Patience | None = None) -> Path:
    """Find or fetch a file and verify it.

    Args:
        wanted: The file.
        environ: `DATA_MIRROR` names a folder or url to try first, `PIXELPROOF_CACHE` another cache folder.
        patience: How long to put up with a bad connection.

    Returns:
        Where the verified file is: in the mirror's folder, or in the cache.

    Raises:
        FetchError: No location has it with the right contents; the message says what is wrong with each.
    """
    local, remotes = locations(wanted, environ.get(MIRROR, ""))
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
                    return _from_network(wanted, urls, cache, patience or Patience(), environ)
    except OSError as error:
        where = error.filename or cache
        raise FetchError(str(where), error.strerror or str(error), f"set {CACHE} to another folder") from None
    found = "; ".join(refusals) or "not in the cache, and no url gives it"
    raise FetchError(wanted.name, found, f"set {MIRROR} to a folder or url that has it ({wanted.forms})")


@contextmanager
def _noted(refusals: list[str]) -> Iterator[None]:
    """Report immediately why a location failed, and keep the reason for the error raised if all of them fail."""
    try:
        yield
    except FetchError as error:
        refusals.append(str(error))
        say(refusals[-1])


def locations(wanted: Wanted, mirror: str) -> tuple[Path | None, list[list[str]]]:
    """Where to look for a file.

    Args:
        wanted: The file.
        mirror: A folder, a file:// or an http(s):// url; empty for none.

    Returns:
        The mirror's folder, if the mirror is a folder; and the urls to try, in order, as one list per server.

    Raises:
        FetchError: The mirror is neither a folder nor such a url.
    """
    try:
        parts = urlsplit(mirror if "://" in mirror else "")
        parts.port  # noqa: B018  # raises ValueError, as for a password with a slash in it
    except ValueError:  # its message may contain a password, and so may the mirror
        raise FetchError(MIRROR, "not a valid url", ALLOWED) from None
    own = [[wanted.url]] if wanted.url else []
    if parts.scheme in ("http", "https"):
        base = parts.path.rstrip("/")  # a query, such as a signature, stays behind the name
        return None, [[urlunsplit(parts._replace(path=f"{base}/{name}")) for name in wanted.mirrored], *own]
    if parts.scheme not in ("", "file"):
        raise FetchError(MIRROR, f"{parts.scheme}://" if parts.scheme in KNOWN else "another kind of url", ALLOWED)
    folder = url2pathname(parts.path) if parts.scheme else mirror
    return _expanded(folder, MIRROR) if folder else None, own


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where fetched files are kept: the user's cache, shared by all clones and independent of DVC.

    Example:
        >>> cache_folder({"HOME": "/home/me"}).as_posix()
        '/home/me/.cache/pixelproof'
        >>> cache_folder({"HOME": "/home/me", "PIXELPROOF_CACHE": "/data/cache"}).as_posix()
        '/data/cache'
    """
    home = environ.get("XDG_CACHE_HOME") or f"{environ.get('HOME') or '~'}/.cache"
    return _expanded(environ.get(CACHE) or f"{home}/pixelproof", CACHE)


def _expanded(folder: str, variable: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError:  # a user without an entry in the system's list, as in a container
        raise FetchError(variable, "the user has no home folder", f"set {variable} to a full path") from None


def _from_folder(wanted: Wanted, folder: Path) -> Path:
    """The file in a mirror's folder, which is read in place and not copied."""
    if not is_folder(folder):
        raise FetchError(f"{MIRROR} {_known(folder)}", "no such folder, or none you may read", ALLOWED)
    there = [path for name in wanted.mirrored if (path := folder / name).is_file()]
    if not there:
        raise FetchError(f"{MIRROR} {folder}", f"has no {wanted.name}", wanted.forms)
    wanted.verify(there[0])
    return there[0]


def is_folder(path: Path) -> bool:
    """Whether a path is a folder that can be read; unlike `Path.is_dir`, without an error, which would show the path.

    Args:
        path: What a mirror names; it may be a token.

    Returns:
        Whether it is.

    Example:
        >>> is_folder(Path("/")), is_folder(Path("token" * 100))
        (True, False)
    """
    try:
        return path.is_dir()
    except OSError:
        return False


def _known(folder: Path) -> str:
    """The part of a path that exists, which is no secret; tokens, and urls without `https://`, are taken for paths."""
    parents = [parent for parent in folder.parents if parent.name and is_folder(parent)]
    return f"{parents[0]}/..." if parents else f"({len(str(folder))} characters)"


def _from_cache(wanted: Wanted, cache: Path) -> Path | None:
    kept = cache / wanted.kept
    if not kept.exists():
        return None
    try:
        wanted.verify(kept)
    except FetchError as error:
        say(f"{error}; fetching it again")
        kept.unlink()
        return None
    return kept


def _from_network(wanted: Wanted, urls: list[str], cache: Path, patience: Patience, environ: Mapping[str, str]) -> Path:
    """Download the first of a server's urls that exists."""
    *others, last = urls
    enter = partial(wanted.login.enter, environ=environ) if wanted.login and last == wanted.url else None
    for url in others:
        with suppress(RefusedError):
            return _downloaded(wanted, url, cache, partial(download, patience=patience))
    return _downloaded(wanted, last, cache, partial(download, patience=patience, enter=enter))


def _downloaded(wanted: Wanted, url: str, cache: Path, get: Callable[..., None], once_more: bool = True) -> Path:
    """Download and verify a file.

    If verification fails, download it once more from the start: the part left by an earlier run may belong to an older
    version of the file.
    """
    part = cache / f"{wanted.key}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part"
    get(url, part, wanted.max_bytes)
    try:
        wanted.verify(part)
    except FetchError as error:
        part.unlink()
        if not once_more:
            raise FetchError(shown(url), str(error), "a second download was wrong too") from None
        say(f"{shown(url)}: {error}; downloading it again")
        return _downloaded(wanted, url, cache, get, once_more=False)
    kept = part.replace(cache / wanted.kept)
    for other in cache.glob(f"{wanted.key}.*.part"):
        other.unlink()
    return kept


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    """All clones share the cache: one process downloads, the others wait and then find the file there.

    The kernel releases the lock of a process that dies. A soft lock would stay behind, so a file system without locking
    is an error instead.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say(f"{name}: another process is fetching it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
