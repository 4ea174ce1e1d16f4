"""The fixture that the tests of fetching share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pixelproof.fetch.server import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("NO_PROXY", "*")
    place = Place(tmp_path)
    yield place
    for server in place.servers:
        server.stop()
