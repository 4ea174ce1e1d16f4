"""What is said of outputs whose bytes are HEAD's, and of others, on processors that promise it and on others."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.dvc.lock import DvcLock, parse_lock
from pipelines.verify import outputs
from pipelines.verify.outputs import of_bytes


def lock(**hashes: str) -> DvcLock:
    """A dvc.lock whose stages write a file each."""
    stages = {name: {"cmd": "x", "outs": [{"path": f"{name}.csv", "md5": md5}]} for name, md5 in hashes.items()}
    return parse_lock({"schema": "2.0", "stages": stages}, "dvc.lock")


@pytest.fixture(autouse=True)
def processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One processor in the table, and this one is it."""
    table = tmp_path / "portable.md"
    table.write_text("| Known 1 | avx2 |\n")
    monkeypatch.setattr(outputs, "PROCESSORS", table)
    monkeypatch.setattr(outputs, "processor", lambda: ("Known 1", set()))


def test_the_same_bytes() -> None:
    assert of_bytes(lock(a="1", b="2"), lock(a="1", b="2"), True) == (
        "every output has the bytes of HEAD's dvc.lock (2 outputs), on Known 1"
    )
    assert of_bytes(lock(), lock(a="1"), True) == ""
    assert of_bytes(lock(a="1"), lock(a="1"), True, different=True) == "", "metrics were edited"


@pytest.mark.parametrize(
    ("model", "portable", "end"),
    [
        ("Known 1", True, ", which is in {}"),
        ("Other 2", True, ", which is not in {}"),
        ("Other 2", False, ""),
    ],
)
def test_other_bytes(model: str, portable: bool, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "processor", lambda: (model, set()))
    said = of_bytes(lock(a="1", b="2", c="3", d="4", e="5"), lock(a="9", b="8", c="7", d="6", e="5"), portable)
    begin = f"other bytes than in HEAD's dvc.lock: a.csv, b.csv, c.csv and 1 more (4 of 5 outputs), on {model}"
    assert said == begin + end.format(outputs.PROCESSORS)
