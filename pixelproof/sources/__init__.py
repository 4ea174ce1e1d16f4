"""One folder per dataset: its facts and one `convert`. Datasets are listed from these folders."""

from __future__ import annotations

from pathlib import Path


def names() -> list[str]:
    """The names of all datasets.

    Example:
        >>> "camvid" in names()
        True
    """
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/__init__.py"))
