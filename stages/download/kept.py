"""Keeps converted images until all are there: an interrupted conversion goes on with the next image."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pixelproof.core.syntax import listing
from pixelproof.fetch import records
from pixelproof.fetch.obtain import cache_folder
from pixelproof.sources.request import Archive

FOLDER = Path(".pixelproof/converted")


@contextmanager
def kept_folder(
    name: str, variant: str, archives: Sequence[Archive], environ: Mapping[str, str] = os.environ
) -> Iterator[Path]:
    """A folder of the clone for this dataset, these archives and this code; it goes when the conversion has ended well.

    What was kept for anything else is removed first.
    """
    code = Path(__file__).parents[2]
    shared = sorted(path.relative_to(code).as_posix() for path in (code / "pixelproof/sources").glob("*.py"))
    modules = ["pixelproof/core", "pixelproof/data", *shared, f"pixelproof/sources/{name}"]
    contents = [archive.digest or records.noted(archive.name, cache_folder(environ)) for archive in archives]
    key = hashlib.sha256(json.dumps([name, variant, contents, listing(code, modules)]).encode()).hexdigest()[:16]
    folder = FOLDER / f"{name}-{key}"
    for other in FOLDER.glob("*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
