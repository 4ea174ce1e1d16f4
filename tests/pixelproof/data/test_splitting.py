"""A group's own name decides its split."""

from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pixelproof.data.splitting import best_salt, empty_splits, images_per_split, split_of

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
