"""Changing values in params.yaml in place: every comment and every other line stays as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from pixelproof.core.errors import ParamsError, StateError


def set_values(text: str, changes: Mapping[str, Any]) -> str:
    """The text with the values of some keys (`cvat.exports`) replaced; each key must be there already."""
    tree = yaml.compose(text, Loader=yaml.SafeLoader) or yaml.MappingNode("", [])
    edits = sorted(((*_find(tree, key), value) for key, value in changes.items()), key=lambda e: -e[0].end_mark.index)
    changed = text
    for key, old, value in edits:
        start, end = key.end_mark.index, _end(old)
        comment = re.search(r"#.*", text[start : old.start_mark.index])
        changed = changed[:start] + _render(value, key.start_mark.column, comment and comment[0]) + changed[end:]
    if yaml.safe_load(changed) != _expected(yaml.safe_load(text), changes):
        raise StateError("params.yaml", "a form that cannot be edited in place", f"set by hand: {dict(changes)}")
    return changed


def _find(tree: yaml.Node, path: str) -> tuple[yaml.Node, yaml.Node]:
    """The nodes of a key and of its value."""
    found = None
    node: Any = tree
    for part in path.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((key, value) for key, value in pairs if key.value == part), None)
        if found is None:
            raise ParamsError(path, "nothing", "the key is missing")
        node = found[1]
    assert found is not None
    return found


def _end(node: yaml.Node) -> int:
    """Where a value ends; PyYAML lets a block run on to the next key, over the comments between."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _render(value: Any, column: int, comment: str | None) -> str:
    """`: value`, a list of mappings with a line for each."""
    note = f"  {comment}" if comment else ""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        lines = (f"\n{' ' * (column + 2)}- {_inline(item)}" for item in value)
        return f":{note}{''.join(lines)}"
    return f": {_inline(value)}{note}"


def _inline(value: Any) -> str:
    dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return dumped.removesuffix("...\n").strip()


def _expected(values: Any, changes: Mapping[str, Any]) -> Any:
    for path, value in changes.items():
        *parents, last = path.split(".")
        node = values
        for part in parents:
            node = node[part]
        node[last] = value
    return values
