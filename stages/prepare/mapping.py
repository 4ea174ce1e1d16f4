"""The classes of the prepared data, and the mapping of each source's class ids to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pixelproof.core.errors import ParamsError, nearest, unknown_name
from pixelproof.data.dataset import IGNORE, ClassInfo, Header
from pixelproof.data.images import Array
from stages.prepare.params import SourceName

IGNORED = "ignore"


def target_classes(
    headers: Mapping[SourceName, Header], renames: Mapping[SourceName, Mapping[str, str]]
) -> tuple[ClassInfo, ...]:
    """The classes of the first source, except those that its own map renames or ignores, renumbered."""
    first, header = next(iter(headers.items()))
    moved = renames.get(first, {})
    kept = [info for info in header.classes if info.name not in moved]
    if not kept:
        raise ParamsError(f"prepare.map.{first}", "every class mapped to another", "keep at least one as it is")
    return tuple(replace(info, id=number) for number, info in enumerate(kept))


def lookup(source: SourceName, header: Header, targets: tuple[ClassInfo, ...], renames: Mapping[str, str]) -> Array:
    """The target id of each of a source's class ids, as an array of 256 entries; 255 stays 255."""
    names = [info.name for info in targets]
    for name in renames:
        if name not in header.names():
            raise unknown_name(f"prepare.map.{source}", name, header.names())
    ids = np.full(256, IGNORE, np.uint8)
    for info in header.classes:
        target = renames.get(info.name, info.name)
        if target == IGNORED and info.name in renames:
            continue
        if target in names:
            ids[info.id] = names.index(target)
        elif info.name in renames:
            raise unknown_name(f"prepare.map.{source}.{info.name}", target, [*names, IGNORED])
        else:
            raise ParamsError(
                f"prepare.map.{source}",
                f"no entry for the class {info.name!r} of {source}",
                f"map it to one of: {', '.join([*names, IGNORED])}{nearest(info.name, names)}",
            )
    return ids
