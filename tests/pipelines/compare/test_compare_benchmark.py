"""benchmarks/compare.py runs from a plain shell, on a repository of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import compare


def test_it_compares_two_revisions_without_help_from_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for name, value in {"IMAGES": 12, "GROUPS": 6, "CLASSES": 3, "ARCHITECTURES": 2}.items():
        monkeypatch.setattr(compare, name, value)
    compare.build(tmp_path / "repo")
    seconds, memory = compare.measured(tmp_path / "repo")
    assert seconds > 0 and memory > 0
    said = (tmp_path / "repo/out/comparison.md").read_text()
    assert "`net-0`" in said and "`net-1`" in said and "significance was not computed" not in said
