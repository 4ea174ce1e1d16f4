"""A group's own name decides its split."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelproof.data.splitting import (
    best_salt,
    empty_splits,
    fold_of,
    images_per_split,
    part_of,
    split_beside_frozen,
    split_of,
)

groups = st.dictionaries(st.text(min_size=1), st.integers(1, 50), min_size=1, max_size=30)


@given(st.text(), st.integers(0, 99))
def test_split_follows_the_digest(group: str, salt: int) -> None:
    place = int(hashlib.sha256(f"{salt}:{group}".encode()).hexdigest()[:16], 16) / 2**64
    expected = "test" if place < 0.15 else "val" if place < 0.3 else "train"
    assert split_of(group, 0.15, 0.15, salt) == expected


@given(groups, groups)
def test_more_groups_and_more_images_move_nothing(some: dict[str, int], more: dict[str, int]) -> None:
    together = Counter(some) + Counter(more)
    for split in ("train", "val", "test"):
        alone = images_per_split(some, 0.2, 0.2, 5)[split] + images_per_split(more, 0.2, 0.2, 5)[split]
        assert images_per_split(together, 0.2, 0.2, 5)[split] == alone


def test_many_groups_meet_the_shares() -> None:
    counts = images_per_split({f"group {n}": 1 for n in range(4000)}, 0.15, 0.25, 0)
    assert abs(counts["val"] - 600) < 80 and abs(counts["test"] - 1000) < 100


@given(st.lists(st.text(min_size=1), min_size=3, max_size=12, unique=True))
def test_three_groups_can_always_fill_three_splits(names: list[str]) -> None:
    sizes = {name: 1 + len(name) for name in names}
    salt = best_salt(sizes, 0.15, 0.15)
    assert salt is not None
    counts = images_per_split(sizes, 0.15, 0.15, salt)
    assert min(counts.values()) >= 1 and empty_splits(counts, 0.15, 0.15) == []


def test_two_groups_cannot() -> None:
    assert best_salt({"a": 5, "b": 5}, 0.15, 0.15) is None
    assert best_salt({"a": 5, "b": 5}, 0.5, 0.0) is not None


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 7), st.integers(0, 10**6))
def test_every_class_is_in_every_split_where_groups_allow_it(having: int, seed: int) -> None:
    """A rare class in a few of 25 groups; without it, the salt is chosen for images alone."""
    names = [f"{seed} {n}" for n in range(25)]
    sizes = dict.fromkeys(names, 4)
    holds = {name: {"road": 100, "person": 5 if n < having else 0} for n, name in enumerate(names)}
    salt = best_salt(sizes, 0.2, 0.2, holds)
    assert salt is not None
    with_person = Counter(split_of(name, 0.2, 0.2, salt) for name in names[:having])
    assert len(with_person) == 3
    shares = images_per_split(sizes, 0.2, 0.2, salt)
    assert abs(shares["val"] - 20) <= 12 and abs(shares["test"] - 20) <= 12


def test_the_best_salt_is_the_best_of_a_plain_search() -> None:
    """Shares of images count as much as those of all classes together."""
    names = [f"g{n}" for n in range(12)]
    sizes = dict(zip(names, (3, 3, 3, 2, 3, 3, 3, 1, 2, 2, 1, 2), strict=True))
    amounts: dict[str, tuple[int, ...]] = {
        "a": (6, 5, 6, 2, 3, 1, 8, 2, 8, 8, 6, 5),
        "b": (79, 18, 86, 54, 89, 47, 43, 78, 97, 37, 95, 92),
    }
    amounts["c"] = (21, 1, 1, 1, *[0] * 8)  # nearly all in one group: the nearest shares would leave it out of a split
    holds = {name: {kind: each[n] for kind, each in amounts.items()} for n, name in enumerate(names)}

    def badness(salt: int) -> tuple[int, float]:
        by = {split: [n for n in names if split_of(n, 0.3, 0.3, salt) == split] for split in ("train", "val", "test")}
        if not all(by.values()):
            return 99, 9.0
        total = {kind: sum(held[kind] for held in holds.values()) for kind in "abc"}
        there = {(kind, split): sum(holds[n][kind] for n in by[split]) for kind in "abc" for split in by}
        missing = sum(not amount for amount in there.values())
        off = {k: sum(abs(there[k, split] / total[k] - 0.3) for split in ("val", "test")) for k in "abc"}
        images = sum(abs(sum(sizes[n] for n in by[s]) / sum(sizes.values()) - 0.3) for s in ("val", "test"))
        return missing, round(images + sum(off.values()) / 3, 6)

    salt = best_salt(sizes, 0.3, 0.3, holds)
    assert salt is not None and badness(salt) == min(map(badness, range(1000)))


def test_many_groups_take_no_longer() -> None:
    """Fewer salts are tried: ten thousand groups are near their shares under any."""
    assert best_salt({f"{n}": 1 for n in range(10_000)}, 0.15, 0.15) in range(50)


@pytest.mark.parametrize("salt", range(5))
def test_beside_a_frozen_test_split_others_stay_and_its_share_is_divided(salt: int) -> None:
    names = [f"group {n}" for n in range(3000)]
    alone = {name: split_of(name, 0.2, 0.2, salt) for name in names}
    beside = {name: split_beside_frozen(name, 0.2, 0.2, salt) for name in names}
    assert {name for name in names if alone[name] != beside[name]} == {n for n in names if alone[n] == "test"}
    counts = Counter(beside.values())
    assert counts.keys() == {"train", "val"} and abs(counts["val"] / 3000 - 0.25) < 0.03


@given(st.text(), st.integers(0, 99), st.integers(2, 20))
def test_fold_follows_another_digest(group: str, salt: int, folds: int) -> None:
    """It is no function of the split's: a val share that grows does not empty the folds of train."""
    place = int(hashlib.sha256(f"{salt}:fold:{group}".encode()).hexdigest()[:16], 16) / 2**64
    assert fold_of(group, folds, salt) == int(place * folds)
    split = split_of(group, 0.2, 0.2, salt)
    expected = "test" if split == "test" else f"fold {fold_of(group, folds, salt)}"
    assert part_of(group, 0.2, 0.2, salt, folds) == part_of(group, 0.5, 0.2, salt, folds) == expected


@given(groups, groups)
def test_more_images_move_none_between_folds(some: dict[str, int], more: dict[str, int]) -> None:
    alone = [images_per_split(part, 0.2, 0.2, 5, folds=4) for part in (some, more)]
    together = images_per_split(Counter(some) + Counter(more), 0.2, 0.2, 5, folds=4)
    assert together == {part: sum(each[part] for each in alone) for part in together}


def test_the_salt_stratifies_the_folds() -> None:
    """Sixty images of twelve groups, and a class that five of them have: each of five folds gets one of those."""
    names = [f"flight {n}" for n in range(12)]
    holds = {name: {"road": 100, "person": 5 if n < 5 else 0} for n, name in enumerate(names)}
    salt = best_salt(dict.fromkeys(names, 5), 0.15, 0.0, holds, folds=5)
    assert salt is not None
    assert Counter(part_of(name, 0.15, 0.0, salt, 5) for name in names[:5]) == {f"fold {n}": 1 for n in range(5)}
    images = images_per_split(dict.fromkeys(names, 5), 0.15, 0.0, salt, 5)
    assert images.pop("test") == 0 and {*images.values()} <= {10, 15}
    assert best_salt({"a": 1, "b": 1}, 0.15, 0.0, folds=3) is None


def test_the_best_salt_for_folds_is_the_best_of_a_plain_search() -> None:
    """The first fold counts as the others do."""
    sizes = {f"flight {n}": 1 for n in range(20)}

    def badness(salt: int) -> float:
        shares = images_per_split(sizes, 0.15, 0.1, salt, 5)
        test = shares.pop("test")
        if not (test and all(shares.values())):
            return 9.0
        return round(abs(test / 20 - 0.1) + sum(abs(images / 20 - 0.18) for images in shares.values()), 6)

    salt = best_salt(sizes, 0.15, 0.1, folds=5)
    assert salt is not None and badness(salt) == min(map(badness, range(1000)))
