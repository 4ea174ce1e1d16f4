"""Fetches (see pixelproof.fetch), verifies and unpacks a source's archives."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pixelproof.core.errors import FetchError
from pixelproof.fetch import records
from pixelproof.fetch.obtain import MIRROR, Wanted, cache_folder, is_folder, locations, obtain
from pixelproof.fetch.transfer import Patience
from pixelproof.fetch.unpack import digest, unpack
from pixelproof.sources.request import Archive

FORMS = (".tar", ".tar.gz", ".tgz", ".zip", ".csv")


def obtain_archives(
    archives: Sequence[Archive], into: Path, environ: Mapping[str, str] = os.environ, patience: Patience | None = None
) -> Path:
    """Unpack archives into `into`, verified: a single one directly, several as folders of their names."""
    for archive in archives:
        obtain_archive(archive, into if len(archives) == 1 else into / archive.name, environ, patience)
    return into


def obtain_archive(
    archive: Archive, into: Path, environ: Mapping[str, str] = os.environ, patience: Patience | None = None
) -> Path:
    """Unpack the folder we need of an archive into `into`, verified. It comes from a mirror, the cache or its URL."""
    obtain(_wanted(archive, into, cache_folder(environ)), environ, patience)
    return into


def at_hand(archive: Archive, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an archive is on this machine: in the mirror's folder or in the cache."""
    wanted = _wanted(archive, Path(), cache_folder(environ))
    folder, _ = locations(wanted, environ.get(MIRROR, ""))
    mirrored = [folder / name for name in wanted.mirrored] if folder and is_folder(folder) else []
    return any(path.is_file() for path in [*mirrored, cache_folder(environ) / wanted.kept])


def _wanted(archive: Archive, into: Path, cache: Path) -> Wanted:
    return Wanted(
        name=archive.name,
        key=archive.name,
        ending=".archive",
        url=archive.url,
        mirrored=[archive.name + form for form in FORMS],
        forms=f"{archive.name}{', '.join(FORMS[:-1])} or {FORMS[-1]}{f'; {archive.where}' if archive.where else ''}",
        max_bytes=archive.max_bytes,
        verify=lambda path: _unpacked(archive, path, into, cache),
        login=archive.login,
    )


def _unpacked(archive: Archive, path: Path, into: Path, cache: Path) -> None:
    """Unpack, and check what its digest covers: the stated contents, or the file as it was first used.

    If it differs, nothing is left behind.
    """
    try:
        if not archive.digest:
            records.check(path, archive.name, cache)
        if archive.url.endswith(".csv"):  # a single file
            into.mkdir(parents=True)
            shutil.copy(path, into / f"{archive.name}.csv")
        else:
            unpack(path, archive.folder, into, archive.max_files, archive.max_bytes)
        if not archive.digest:
            records.note(path, archive.name, cache)
        elif (found := digest(into)) != archive.digest:
            expected = f"expected {archive.digest[:16]}..."
            raise FetchError(
                path.name, f"contents with the digest {found[:16]}..., {expected}", "this is not the pinned revision"
            )
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise
