"""What a network has learnt from, and what its initial weights had learnt from before.

With folds or another split, weights that were promoted earlier may have seen what is held out now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pixelproof.core.errors import StateError
from pixelproof.data.learnt import first_of, groups_of
from stages.train.folds import Part


def inherited(config: Mapping[str, Any]) -> set[str]:
    """What the initial weights that a network's config names had learnt from, as far as is known."""
    return set((config.get("pretrained") or {}).get("learnt", ()))


def learnt(part: Part, config: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a network has learnt from, and what its initial weights had, as its facts say it."""
    own = groups_of(sample for _, _, sample in part.data.items)
    return {"learnt": sorted(own), "learnt_before": sorted(inherited(config) - own)}


def check_judged(parts: Sequence[Part], config: Mapping[str, Any]) -> None:
    """Refuse initial weights that have learnt from what a network is judged by.

    Raises:
        StateError: They have.
    """
    before = inherited(config)
    for part in parts if before else ():
        own, judged = (groups_of(sample for _, _, sample in data.items) for data in (part.data, part.judged))
        if held := judged & before - own:  # a source may publish a group in two splits, which prepare tells
            found = f"weights that have learnt from groups of the validation images{part.said}: {first_of(held)}"
            fix = "set train.pretrained to others: `none`, `imagenet`, or weights promoted under this split and folds"
            raise StateError(config["pretrained"]["path"], found, fix)
