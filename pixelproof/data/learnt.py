"""Which groups of images a network has learnt from. A group that is learnt from must not be judged."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pixelproof.data.dataset import Sample


def groups_of(samples: Iterable[Sample]) -> set[str]:
    """The groups of images; those of different sources may share a name.

    Example:
        >>> groups_of([Sample("a", "flight-1", 4, 4, "cvat"), Sample("b", "flight-1", 4, 4, "cvat")])
        {'cvat/flight-1'}
    """
    return {f"{sample.source}/{sample.group}" for sample in samples}


def first_of(groups: Collection[str]) -> str:
    """Some groups in words: the first, and how many more there are.

    Example:
        >>> first_of({"cvat/b", "cvat/a", "cvat/c"}), first_of(["cvat/a"])
        ('cvat/a and 2 more', 'cvat/a')
    """
    return min(groups) + (f" and {len(groups) - 1} more" if len(groups) > 1 else "")
