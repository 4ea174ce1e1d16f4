"""Fetches (see pixelproof.fetch), verifies and unpacks a source's archive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pixelproof.core.errors import FetchError
from pixelproof.fetch.obtain import Wanted, obtain
from pixelproof.fetch.transfer import Patience
from pixelproof.fetch.unpack import digest, unpack
from pixelproof.sources.request import Archive

FORMS = (".tar", ".tar.gz", ".zip")


def obtain_archive(
    archive: Archive, into: Path, environ: Mapping[str, str] = os.environ, patience: Patience | None = None
) -> Path:
    """Unpack the folder we need of an archive into `into`, verified. It comes from a mirror, the cache or its URL."""
    wanted = Wanted(
        name=archive.name,
        key=archive.name,
        ending=".archive",
        url=archive.url,
        mirrored=[archive.name + form for form in FORMS],
        forms=f"<repository>-<revision>{', '.join(FORMS[:-1])} or {FORMS[-1]}",
        max_bytes=archive.max_bytes,
        verify=lambda path: _unpacked(archive, path, into),
    )
    obtain(wanted, environ, patience)
    return into


def _unpacked(archive: Archive, path: Path, into: Path) -> None:
    """Unpack, and check the digest of the contents against the source's; leave nothing behind if they differ."""
    try:
        found = digest(unpack(path, archive.folder, into, archive.max_files, archive.max_bytes))
        if found != archive.digest:
            expected = f"expected {archive.digest[:16]}..."
            raise FetchError(
                path.name, f"contents with the digest {found[:16]}..., {expected}", "this is not the pinned revision"
            )
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise
