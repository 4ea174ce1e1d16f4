"""Which split a group belongs to: decided by its own name, so that adding images moves no older one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import Field, model_validator

from pixelproof.core.params import Section
from pixelproof.data.dataset import SPLITS

SALTS = 1000  # how many are tried; with three groups more than one in twenty fills three splits of 0.7, 0.15, 0.15


class Split(Section):
    """How groups are shared out where a source publishes no split."""

    val: float = Field(ge=0, lt=1, description="share of the groups that go to val, where a source has no split")
    test: float = Field(ge=0, lt=1, description="share of the groups that go to test")
    salt: int = Field(ge=0, description="another number shares the groups out anew; leave it once results count")

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Split:
        if self.val + self.test >= 1:
            raise ValueError("val and test together must be below 1")
        return self


def split_of(group: str, val: float, test: float, salt: int) -> str:
    """`test`, `val` or `train`, from the SHA-256 of the salt and the group's name taken as a number in [0, 1)."""
    digest = hashlib.sha256(f"{salt}:{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return "test" if place < test else "val" if place < test + val else "train"


def images_per_split(groups: Mapping[str, int], val: float, test: float, salt: int) -> dict[str, int]:
    """How many images each split gets, from the number of images of each group."""
    counts = dict.fromkeys(SPLITS, 0)
    for group, images in groups.items():
        counts[split_of(group, val, test, salt)] += images
    return counts


def empty_splits(counts: Mapping[str, int], val: float, test: float) -> list[str]:
    """The splits that should hold images and hold none."""
    wanted = {"train": 1 - val - test, "val": val, "test": test}
    return [split for split in SPLITS if wanted[split] > 0 and not counts[split]]


def best_salt(groups: Mapping[str, int], val: float, test: float) -> int | None:
    """The salt whose split comes nearest to the shares that were asked for; None where each leaves a split empty."""
    total = sum(groups.values())
    best: tuple[float, int] | None = None
    for salt in range(SALTS):
        counts = images_per_split(groups, val, test, salt)
        if empty_splits(counts, val, test):
            continue
        error = abs(counts["val"] / total - val) + abs(counts["test"] / total - test)
        best = min(best or (error, salt), (error, salt))
    return None if best is None else best[1]
