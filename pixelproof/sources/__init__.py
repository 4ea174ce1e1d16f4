"""One folder per dataset: its facts and one `convert`. Names are listed from this folder."""

from __future__ import annotations

from pathlib import Path


def names() -> list[str]:
    """The datasets that can be asked for."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/__init__.py"))
