"""Lists the images of the test split with digests of what they are."""

from __future__ import annotations

from pathlib import Path

from pixelproof.core.errors import StateError
from pixelproof.core.params import load
from pixelproof.core.progress import track
from pixelproof.data.dataset import UNSPLIT, read_image, read_instances, read_mask
from stages.prepare.frozen import Frozen, image_digest, labels_digest, listed, read_frozen, write_frozen
from stages.prepare.params import Params, Prepare
from stages.prepare.plan import Placed, place, read_source


def freeze(root: Path, again: bool) -> list[str]:
    """List the test split as it is now; returns the lines to print.

    Args:
        root: The clone.
        again: Whether a list that no longer holds may be replaced.

    Raises:
        StateError: There is a list, and it no longer holds.
    """
    params = load("prepare", Params, root).prepare
    path = root / params.split.frozen
    before = read_frozen(path)
    there = _test_split(root, params, before)
    now = {one.sample.id: _state(one) for one in track(there, "freeze: images", len(there))}
    missing, changed = sorted(before.keys() - now.keys()), sorted(i for i in before.keys() & now if before[i] != now[i])
    if before and (missing or changed) and not again:
        found = ", ".join(
            [
                *([f"missing: {listed(missing)}"] if missing else []),
                *([f"changed: {listed(changed)}"] if changed else []),
            ]
        )
        raise StateError(params.split.frozen, found, "`bin/pixelproof freeze --again` lists the rest as it is now")
    if not now:
        fix = "bring images of a test split, or raise prepare.split.test"
        raise StateError(params.split.frozen, "no image belongs to the test split", fix)
    write_frozen(path, now.values())
    groups = len({line.group for line in now.values()})
    told = [f"{params.split.frozen}: {len(now)} test images of {groups} groups"]
    told += [f"no longer listed: {listed(missing)}"] if missing else []
    told += [f"listed anew: {listed(changed)}"] if changed else []
    return [*told, "commit it: metrics on test are compared only within one list"]


def thaw(root: Path) -> list[str]:
    """Empty the list; returns the lines to print."""
    params = load("prepare", Params, root).prepare
    before = read_frozen(root / params.split.frozen)
    write_frozen(root / params.split.frozen, ())
    return [f"{params.split.frozen}: {len(before)} images removed; test is drawn by the names of groups again"]


def _test_split(root: Path, params: Prepare, before: dict[str, Frozen]) -> list[Placed]:
    """The images of the list that are there; without a list, those that prepare puts into test."""
    sources = [read_source(name, root / "data" / name) for name in params.sources]
    there = [those for source in sources for split, those in source.splits.items() if split in (UNSPLIT, "test")]
    ids = {sample.id for those in there for sample in those}
    still = {name: line for name, line in before.items() if name in ids}
    return [
        one for one in place(sources, params, still) if one.split == "test" and (not before or one.sample.id in still)
    ]


def _state(one: Placed) -> Frozen:
    source, sample = one.source, one.sample
    names = source.header.names()
    image = read_image(source.root, one.found_in, sample)
    mask = read_mask(source.root, one.found_in, sample, len(names))
    instances = read_instances(source.root, one.found_in, sample)
    return Frozen(sample.id, sample.group, image_digest(image), labels_digest(mask, instances, names))
