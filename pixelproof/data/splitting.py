"""Assign each group to a split by its name alone, so that adding images never moves existing ones between splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import Field, model_validator

from pixelproof.core.params import Section
from pixelproof.data.dataset import SPLITS

SALTS = 1000  # how many are tried; for three groups and shares of 0.7, 0.15, 0.15, over 5 % of them fill all splits


class Split(Section):
    """How groups are divided among the splits if a source publishes no split."""

    val: float = Field(ge=0, lt=1, description="share of the groups that go to val, where a source publishes no split")
    test: float = Field(ge=0, lt=1, description="share of the groups that go to test")
    salt: int = Field(ge=0, description="another number draws another split; do not change it once results count")

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Split:
        if self.val + self.test >= 1:
            raise ValueError("val and test together must be below 1")
        return self


def split_of(group: str, val: float, test: float, salt: int) -> str:
    """The split of a group, from the SHA-256 of the salt and the group's name, read as a number in [0, 1).

    Args:
        group: Its name; nothing else about the group matters.
        val: The share of the groups that go to val.
        test: The share of the groups that go to test.
        salt: Another number draws another split.

    Returns:
        `train`, `val` or `test`.

    Example:
        >>> [split_of(f"flight-{n}", val=0.2, test=0.2, salt=0) for n in range(6)]
        ['train', 'val', 'val', 'test', 'train', 'val']
    """
    digest = hashlib.sha256(f"{salt}:{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < test:
        return "test"
    return "val" if place < test + val else "train"


def images_per_split(groups: Mapping[str, int], val: float, test: float, salt: int) -> dict[str, int]:
    """How many images each split gets.

    Args:
        groups: The number of images of each group.
        val: The share of the groups that go to val.
        test: The share of the groups that go to test.
        salt: See `split_of`.

    Example:
        >>> images_per_split({f"flight-{n}": 10 for n in range(6)}, val=0.2, test=0.2, salt=0)
        {'train': 20, 'val': 30, 'test': 10}
    """
    counts = dict.fromkeys(SPLITS, 0)
    for group, images in groups.items():
        counts[split_of(group, val, test, salt)] += images
    return counts


def empty_splits(counts: Mapping[str, int], val: float, test: float) -> list[str]:
    """The splits that should have images but have none.

    Args:
        counts: The number of images of each split.
        val: The share of the groups that go to val.
        test: The share of the groups that go to test.

    Example:
        >>> empty_splits({"train": 40, "val": 0, "test": 0}, val=0.2, test=0.0)
        ['val']
    """
    wanted = {"train": 1 - val - test, "val": val, "test": test}
    return [split for split in SPLITS if wanted[split] > 0 and not counts[split]]


def best_salt(groups: Mapping[str, int], val: float, test: float) -> int | None:
    """The salt whose split comes closest to the shares asked for.

    Args:
        groups: The number of images of each group.
        val: The share of images wanted in val.
        test: The share of images wanted in test.

    Returns:
        None if every salt tried leaves a split empty.

    Example:
        >>> best_salt({"a": 5, "b": 5}, val=0.5, test=0.0) is None
        False
        >>> best_salt({"a": 5, "b": 5}, val=0.2, test=0.2) is None  # two groups cannot fill three splits
        True
    """
    total = sum(groups.values())
    best: tuple[float, int] | None = None
    for salt in range(SALTS):
        counts = images_per_split(groups, val, test, salt)
        if empty_splits(counts, val, test):
            continue
        error = abs(counts["val"] / total - val) + abs(counts["test"] / total - test)
        best = min(best or (error, salt), (error, salt))
    return None if best is None else best[1]
