"""Assign each group to a split by its name alone, so that adding images never moves existing ones between splits.

With folds, train and val together are divided into them, by another digest of the same name: a group's fold does not
depend on the shares, nor on what else there is. So nothing can even out the folds afterwards: they are stratified as
far as the choice of the salt goes. `best_salt` takes the one under which each part (the folds, and test) has every
class, and comes closest to an equal share of the images and of each class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from pydantic import Field, field_validator, model_validator

from pixelproof.core.params import Section
from pixelproof.data.images import Array

SALTS = 1000  # how many are tried; for three groups and shares of 0.7, 0.15, 0.15, over 5 % of them fill all splits
DRAWS = 500_000  # with so many groups that this many are drawn sooner, salts differ little: fewer are tried
FOLDS = 20  # at most
NOTHING: Mapping[str, Mapping[str, int]] = MappingProxyType({})


class Split(Section):
    """How groups are divided among the splits if a source publishes no split."""

    val: float = Field(ge=0, lt=1, description="share of the groups that go to val, where a source publishes no split")
    test: float = Field(ge=0, lt=1, description="share of the groups that go to test")
    folds: int = Field(
        ge=0,
        le=FOLDS,
        description="divide train and val together into so many folds: each image is judged by networks that did not"
        " learn from its fold; 0: train and val as they are",
    )
    learn_val: bool = Field(
        default=False,
        description="learn from the images of val too: none is left to judge by, and the last weights count; for a last"
        " training, when all is chosen",
    )
    salt: int = Field(ge=0, description="another number draws another split; do not change it once results count")
    frozen: str = Field(
        min_length=1,
        description="list of the test images that stay the test split while data grows (`pixelproof freeze` writes it);"
        " as long as it names none, test is drawn like val",
    )

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Split:
        if self.val + self.test >= 1:
            raise ValueError("val and test together must be below 1")
        return self

    @model_validator(mode="after")
    def _folds_or_all(self) -> Split:
        if self.learn_val and self.folds:
            raise ValueError("learn_val is for one network that learns from all: set folds to 0, or learn_val to false")
        return self

    @field_validator("folds")
    @classmethod
    def _several(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("expected 0 or at least 2: the network of a single fold would have nothing to learn from")
        return folds


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
    place = _place(group, salt)
    if place < test:
        return "test"
    return "val" if place < test + val else "train"


def split_beside_frozen(group: str, val: float, test: float, salt: int) -> str:
    """The split of a group that a frozen test split does not have: train or val, in the proportion of their shares.

    Groups that would be in train or val without a frozen split stay there.

    Args:
        group: Its name.
        val: The share of the groups that go to val.
        test: The share of the groups that would go to test.
        salt: See `split_of`.

    Example:
        >>> [split_beside_frozen(f"flight-{n}", val=0.2, test=0.2, salt=0) for n in range(6)]
        ['train', 'val', 'val', 'train', 'train', 'val']
    """
    place = _place(group, salt)
    if place >= test:
        return split_of(group, val, test, salt)
    return "val" if place / test < val / (1 - test) else "train"


def fold_of(group: str, folds: int, salt: int) -> int:
    """The fold of a group of train or val, from 0 on: a digest of the salt and its name, apart from that of its split.

    Args:
        group: Its name; nothing else about the group matters.
        folds: How many folds there are.
        salt: Another number draws other folds, and another split.

    Example:
        >>> [fold_of(f"flight-{n}", folds=3, salt=0) for n in range(6)]
        [2, 0, 0, 1, 1, 0]
    """
    return min(int(_place(f"fold:{group}", salt) * folds), folds - 1)


def part_of(group: str, val: float, test: float, salt: int, folds: int = 0) -> str:
    """What a group belongs to: its split, or, with folds, `test` or its fold.

    Args:
        group: Its name.
        val: The share of the groups that go to val.
        test: The share of the groups that go to test.
        salt: See `split_of`.
        folds: How many folds there are; 0 for none.

    Example:
        >>> [part_of(f"flight-{n}", val=0.2, test=0.2, salt=0, folds=3) for n in range(4)]
        ['fold 2', 'fold 0', 'fold 0', 'test']
    """
    split = split_of(group, val, test, salt)
    return fold_name(fold_of(group, folds, salt)) if folds and split != "test" else split


def fold_name(fold: int) -> str:
    """What a fold is called in words.

    Example:
        >>> fold_name(2)
        'fold 2'
    """
    return f"fold {fold}"


def wanted_shares(val: float, test: float, folds: int = 0) -> dict[str, float]:
    """The share of the images that each part should have: splits, or folds and test.

    Args:
        val: The share of the groups that go to val.
        test: The share of the groups that go to test.
        folds: How many folds there are; 0 for none.

    Example:
        >>> wanted_shares(val=0.25, test=0.5, folds=2)
        {'fold 0': 0.25, 'fold 1': 0.25, 'test': 0.5}
    """
    if not folds:
        return {"train": 1 - val - test, "val": val, "test": test}
    return {fold_name(fold): (1 - test) / folds for fold in range(folds)} | {"test": test}


def _place(group: str, salt: int) -> float:
    """A number in [0, 1) that only the salt and the name decide."""
    digest = hashlib.sha256(f"{salt}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def images_per_split(groups: Mapping[str, int], val: float, test: float, salt: int, folds: int = 0) -> dict[str, int]:
    """How many images each split gets; with folds, each fold and test.

    Args:
        groups: The number of images of each group.
        val: The share of the groups that go to val.
        test: The share of the groups that go to test.
        salt: See `split_of`.
        folds: How many folds there are; 0 for none.

    Example:
        >>> images_per_split({f"flight-{n}": 10 for n in range(6)}, val=0.2, test=0.2, salt=0)
        {'train': 20, 'val': 30, 'test': 10}
    """
    counts = dict.fromkeys(wanted_shares(val, test, folds), 0)
    for group, images in groups.items():
        counts[part_of(group, val, test, salt, folds)] += images
    return counts


def empty_splits(counts: Mapping[str, int], val: float, test: float, folds: int = 0) -> list[str]:
    """The splits that should have images but have none; with folds, the folds, and test.

    Args:
        counts: The number of images of each.
        val: The share of the groups that go to val.
        test: The share of the groups that go to test.
        folds: How many folds there are; 0 for none.

    Example:
        >>> empty_splits({"train": 40, "val": 0, "test": 0}, val=0.2, test=0.0)
        ['val']
    """
    return [part for part, share in wanted_shares(val, test, folds).items() if share > 0 and not counts.get(part)]


def best_salt(
    groups: Mapping[str, int],
    val: float,
    test: float,
    holds: Mapping[str, Mapping[str, int]] = NOTHING,
    folds: int = 0,
) -> int | None:
    """The salt whose split comes closest to the shares asked for, in images and in each class.

    First comes the number of classes that splits lack, then how far the shares of images and of classes are off. With
    folds, these and test are what is to be filled.

    Args:
        groups: The number of images of each group.
        val: The share of images wanted in val.
        test: The share of images wanted in test.
        holds: What each group holds of the classes, by any names: pixels of `road`, objects of `car`.
        folds: How many folds there are; 0 for none.

    Returns:
        None if every salt tried leaves a split empty.

    Example:
        >>> best_salt({"a": 5, "b": 5}, val=0.5, test=0.0) is None
        False
        >>> best_salt({"a": 5, "b": 5}, val=0.2, test=0.2) is None  # two groups cannot fill three splits
        True
    """
    names = sorted(groups)
    amounts = _amounts(names, groups, holds)
    shares = wanted_shares(val, test, folds)
    parts, wanted = list(shares), np.array(list(shares.values()))
    first = 0 if folds else 1  # train has what val and test leave; folds are alike
    best: tuple[int, float, int] | None = None
    for salt in range(max(20, min(SALTS, DRAWS // max(len(names), 1)))):
        drawn = np.array([part_of(name, val, test, salt, folds) for name in names])
        held = np.array([amounts[drawn == part].sum(axis=0) for part in parts])
        if (held[wanted > 0, 0] == 0).any():
            continue
        missing = int((held[wanted > 0] == 0).sum())
        off = np.abs(held - wanted[:, None])[first:].sum(axis=0)
        found = (missing, round(float(off[0] + off[1:].mean() if len(off) > 1 else off[0]), 9), salt)
        best = min(best or found, found)
    return None if best is None else best[2]


def _amounts(names: list[str], groups: Mapping[str, int], holds: Mapping[str, Mapping[str, int]]) -> Array:
    """For each group a row: its share of all images, then of each class that there is."""
    kinds = sorted({kind for held in holds.values() for kind, amount in held.items() if amount})
    rows = [[groups[name], *(holds.get(name, {}).get(kind, 0) for kind in kinds)] for name in names]
    counts = np.array(rows, float).reshape(len(rows), 1 + len(kinds))
    shares: Array = counts / np.maximum(counts.sum(axis=0), 1)
    return shares
