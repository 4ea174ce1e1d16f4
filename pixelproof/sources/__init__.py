"""One folder per dataset, with its facts and a `convert` function. The folders are the list of datasets."""

from __future__ import annotations

from pathlib import Path


def names() -> list[str]:
    """The names of all datasets.

    Example:
        >>> "camvid" in names()
        True
    """
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/__init__.py"))
