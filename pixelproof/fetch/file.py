"""Fetch one file whose SHA-256 is known, such as a network's published weights."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from pixelproof.core.errors import FetchError
from pixelproof.core.files import sha256
from pixelproof.fetch.obtain import Wanted, obtain
from pixelproof.fetch.transfer import Patience, shown

MAX_BYTES = 8 << 30


def obtain_file(
    url: str, digest: str, environ: Mapping[str, str] = os.environ, patience: Patience | None = None
) -> Path:
    """Find or fetch a file and verify it.

    Args:
        url: A file:// url is read in place; others come from a mirror, the cache or the network.
        digest: Its SHA-256, or at least the first 8 digits.
        environ: Names the mirror and the cache (see obtain.py).
        patience: How long to put up with a bad connection.

    Returns:
        Where the verified file is: in place, in the mirror's folder or in the cache.

    Raises:
        FetchError: It cannot be fetched, or its SHA-256 differs.
    """
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


def check(path: Path, digest: str, name: str = "", fix: str = "check the address and the digest") -> None:
    """Check that a file exists and has this SHA-256.

    Args:
        path: The file.
        digest: Its SHA-256, or at least the first 8 digits.
        name: The file's name in the error; its path by default.
        fix: What the error tells the reader to do.

    Raises:
        FetchError: The file is missing, or its SHA-256 differs.
    """
    try:
        found = sha256(path)
    except (FileNotFoundError, IsADirectoryError):
        raise FetchError(str(path), "no such file", fix) from None
    if not agrees(found, digest):
        expected = f"expected {digest[:16]}{'...' if len(digest) > 16 else ''}"
        raise FetchError(name or str(path), f"found SHA-256 {found[:16]}..., {expected}", fix)


def agrees(found: str, stated: str) -> bool:
    """Whether a SHA-256 equals the stated one or begins with it: some publishers state only 8 digits, in the file name.

    Example:
        >>> agrees("5c9b5a2e" * 8, "5c9b5a2e")
        True
        >>> agrees("5c9b5a2e" * 8, "5c9b5a")  # fewer than 8 digits prove nothing
        False
    """
    return re.fullmatch(r"[0-9a-f]{8,64}", stated) is not None and found.startswith(stated)
