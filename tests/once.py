"""What takes long to make, made once for all processes of a test run: the first makes it, the others wait for it."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

Made = TypeVar("Made")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """What `make` returned for a folder of this name. All tests read it; one that changes it needs a copy."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # then each process has a folder of its own in that of the run
        base = base.parent
    folder, kept = base / name, base / f"{name}.pickle"
    with FileLock(base / f"{name}.lock"):
        if not kept.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            kept.write_bytes(pickle.dumps(make(folder)))
        made: Made = pickle.loads(kept.read_bytes())  # noqa: S301  # this test run wrote it
    return made
