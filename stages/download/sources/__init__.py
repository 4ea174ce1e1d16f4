"""One file per dataset: its facts and one `convert`. Names are listed from this folder."""

from __future__ import annotations

from pathlib import Path


def names() -> list[str]:
    """The datasets that can be asked for."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
