"""Runs a stage in a folder with memory, counts for how many images it did its work, and damages what it remembers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixelproof.data.remembered import FOLDER, VARIABLE


class Remembering:
    """The current folder's memory, and a counter on the function that works on one image."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, module: Any, function: str) -> None:
        self.monkeypatch, self.count = monkeypatch, 0
        monkeypatch.chdir(folder)
        work: Callable[..., Any] = getattr(module, function)

        def counted(*arguments: Any) -> Any:
            self.count += 1
            return work(*arguments)

        monkeypatch.setattr(module, function, counted)

    def worked(self, run: Callable[[], Any], gib: str = "1") -> int:
        """Run the stage; return how many images it worked on."""
        self.monkeypatch.setenv(VARIABLE, gib)
        self.count = 0
        run()
        return self.count

    def damage(self) -> None:
        """Change the last byte of all that is remembered."""
        for path in FOLDER.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def digests(*folders: Path) -> dict[str, str]:
    """`path -> SHA-256` under folders."""
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
