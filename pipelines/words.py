"""Words that all of pipelines/ uses in its lines."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 3  # names in a line; the others are counted


def listed(names: Sequence[str]) -> str:
    """The first few, and how many more there are.

    Example:
        >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
        ('a, b', 'a, b, c and 2 more')
    """
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
