"""One file whose SHA-256 is known, such as a network's published weights."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from pixelproof.core.errors import FetchError
from pixelproof.core.files import sha256
from pixelproof.fetch.places import Wanted, obtain
from pixelproof.fetch.transfer import Patience, shown

MAX_BYTES = 8 << 30


def obtain_file(
    url: str, digest: str, environ: Mapping[str, str] = os.environ, patience: Patience | None = None
) -> Path:
    """Where the verified file lies: for file:// where the url says, else in a mirror's folder or in the cache."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(url2pathname(parts.path))
        check(path, digest)
        return path
    name = PurePosixPath(unquote(parts.path)).name
    key = f"sha256-{digest}"
    return obtain(
        Wanted(name, key, ".file", url, [name], f"as {name}", MAX_BYTES, lambda path: check(path, digest, shown(url))),
        environ,
        patience,
    )


def check(path: Path, digest: str, name: str = "", fix: str = "not the file that is meant") -> None:
    """That a file is there and has a SHA-256, or one that begins so."""
    try:
        found = sha256(path)
    except (FileNotFoundError, IsADirectoryError):
        raise FetchError(str(path), "no such file", fix) from None
    if not agrees(found, digest):
        expected = f"expected {digest[:16]}{'...' if len(digest) > 16 else ''}"
        raise FetchError(name or str(path), f"its sha256 is {found[:16]}..., {expected}", fix)


def agrees(found: str, stated: str) -> bool:
    """Whether a SHA-256 is the stated one, or begins with it: some publishers state 8 digits, in the file's name."""
    return re.fullmatch(r"[0-9a-f]{8,64}", stated) is not None and found.startswith(stated)
