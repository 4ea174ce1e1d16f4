"""The classes of the prepared data, and the mapping of each source's class ids to them.

`prepare.map` merges, renames and drops classes by name. The first source defines the classes: its own map may give them
new names. A class of another source that has no entry and no namesake is an error, so that nothing is lost unseen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

import numpy as np

from pixelproof.core.errors import ParamsError, unknown_name
from pixelproof.data.dataset import IGNORE, ClassInfo, Header
from pixelproof.data.images import Array
from stages.prepare.params import SourceName

IGNORED = "ignore"
ALIKE = 0.85  # of difflib: a letter lost, added or exchanged with its neighbour
VOID = ("ignore", "void", "unlabeled", "unlabelled")  # names of what is no class, in any case


def target_classes(
    headers: Mapping[SourceName, Header], renames: Mapping[SourceName, Mapping[str, str]]
) -> tuple[ClassInfo, ...]:
    """The classes of the first source under the names that its map gives them, without those it ignores, renumbered.

    Classes that are merged take the place and the colour of the one that keeps its name, else of the first of them.
    They can be counted if each of them can.
    """
    first, header = next(iter(headers.items()))
    moved = renames.get(first, {})
    named = [(info, moved.get(info.name, info.name)) for info in header.classes if moved.get(info.name) != IGNORED]
    found = {name: info for info, name in named if info.name == name}
    merged: dict[str, list[ClassInfo]] = {}
    for info, name in named:
        if name not in found:
            merged.setdefault(name, []).append(info)
    for name, infos in merged.items():
        found[name] = replace(infos[0], name=name, thing=all(info.thing for info in infos))
    if not found:
        raise ParamsError(f"prepare.map.{first}", "every class mapped to `ignore`", "keep at least one")
    return tuple(replace(info, id=number) for number, info in enumerate(sorted(found.values(), key=lambda c: c.id)))


def spelt_alike(classes: Sequence[ClassInfo], renames: Mapping[str, str]) -> list[str]:
    """A line for each name that a map gives and that is spelt like another class: a slip makes a class of its own.

    Args:
        classes: The prepared classes.
        renames: The map of the first source, which defines them.

    Example:
        >>> car, van = ClassInfo(0, "vehicle", (0, 0, 0)), ClassInfo(1, "vehicel", (0, 0, 0))
        >>> spelt_alike([car, van], {"van": "vehicel"})[0]
        "classes that are spelt alike: 'vehicel' (from 'van') and 'vehicle'; if they are one, correct prepare.map"
    """
    lines, told = [], set[frozenset[str]]()
    names = [info.name for info in classes]
    for old, new in sorted(renames.items()):
        alike = get_close_matches(new, [name for name in names if name != new], n=1, cutoff=ALIKE)
        if new in names and alike and frozenset((new, alike[0])) not in told:
            told.add(frozenset((new, alike[0])))
            why = f"{new!r} (from {old!r}) and {alike[0]!r}; if they are one, correct prepare.map"
            lines.append(f"classes that are spelt alike: {why}")
    return lines


def check_void(classes: tuple[ClassInfo, ...], source: SourceName, accepted: bool, renames: Mapping[str, str]) -> None:
    """Refuse a class whose name says that it is none, unless params.yaml accepts it.

    Args:
        classes: The prepared classes.
        source: The first source, which defines them.
        accepted: Whether params.yaml accepts it.
        renames: The map of that source, which may give such a name itself.

    Raises:
        ParamsError: Its pixels would count like those of any class.
    """
    void = [info.name for info in classes if info.name.lower() in VOID]
    if void and not accepted:
        moved = [name for name, target in renames.items() if target in void]
        verb = "write" if moved else "add"
        entries = json.dumps(dict.fromkeys(moved or void, IGNORED), ensure_ascii=False)
        fix = f"{verb} {entries}, or `void` to prepare.accept where a published protocol counts it"
        found = f"{moved[0]!r} mapped to" if moved else "no entry for"
        found += f" {void[0]!r}, which would count as a class"
        raise ParamsError(f"prepare.map.{source}", found, fix)


def lookup(source: SourceName, header: Header, targets: tuple[ClassInfo, ...], renames: Mapping[str, str]) -> Array:
    """The target id of each of a source's class ids, as an array of 256 entries; 255 stays 255."""
    names = [info.name for info in targets]
    for name in renames:
        if name not in header.names():
            raise unknown_name(f"prepare.map.{source}", name, header.names())
    ids = np.full(256, IGNORE, np.uint8)
    unmapped = []
    for info in header.classes:
        target = renames.get(info.name, info.name)
        if target == IGNORED and info.name in renames:
            continue
        if target in names:
            ids[info.id] = names.index(target)
        elif info.name in renames:
            raise unknown_name(f"prepare.map.{source}.{info.name}", target, [*names, IGNORED])
        else:
            unmapped.append(info.name)
    if unmapped:
        raise _unmapped(source, unmapped, names, renames)
    return ids


def _unmapped(source: SourceName, unmapped: list[str], names: list[str], renames: Mapping[str, str]) -> ParamsError:
    """The error that lists all classes without an entry, with the whole map to paste: JSON is YAML."""
    guessed = {name: next(iter(get_close_matches(name, names, n=1)), IGNORED) for name in unmapped}
    whole = json.dumps({source: {**renames, **guessed}}, ensure_ascii=False)
    listed = ", ".join(map(repr, unmapped))
    what = f"the class {listed}" if len(unmapped) == 1 else f"{len(unmapped)} classes: {listed}"
    return ParamsError(
        f"prepare.map.{source}",
        f"no entry for {what}",
        f"write `map: {whole}`, with what each is instead: {', '.join([*names, IGNORED])}",
    )
