"""Changes of an architecture's network that params name, by the keys of data/configs/<architecture>.json.

`{"decode_head.dilations": [1, 2, 4, 6]}` and `{"decode_head": {"dilations": [1, 2, 4, 6]}}` say the same; a part of a
list is named by its position (`decode_head.0.channels`). Stands beside the stages because configure changes what is
trained by it, and evaluate what is evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pixelproof.core.errors import ParamsError, nearest

Overrides = dict[str, dict[str, Any]]  # by architecture
OURS = {"num_classes", "class_weight"}  # from the data and `train.balance`, whatever a config says


def overridden(part: Any, changes: Mapping[Any, Any], key: str) -> Any:
    """A copy of a part of a model's config with changes; `key` is where in params.yaml they stand."""
    changed: Any = list(part) if isinstance(part, list) else dict(part)
    for path, value in changes.items():
        name, _, rest = str(path).partition(".")
        here = f"{key}.{name}"
        if name not in (allowed := names_in(part)):
            raise ParamsError(here, "an unknown key", f"allowed: {', '.join(allowed)}{nearest(name, allowed)}")
        at = int(name) if isinstance(part, list) else name
        changed[at] = replaced(changed[at], {rest: value} if rest else value, here)
    return changed


def names_in(value: Any) -> list[str]:
    """The keys of a dict, the positions of a list of dicts; a list of numbers is one value."""
    if isinstance(value, dict):
        return sorted(set(value) - OURS)
    parts = value if isinstance(value, list) and any(isinstance(each, dict) for each in value) else []
    return [str(i) for i in range(len(parts))]


def replaced(old: Any, new: Any, key: str) -> Any:
    """A value in place of another of its kind. Nothing (null) may stand in any place, and anything in its."""
    names = names_in(old)
    if isinstance(new, dict) and names:
        return overridden(old, new, key)
    try:
        json.dumps(new, allow_nan=False)
    except (TypeError, ValueError):
        raise ParamsError(key, repr(new), "expected numbers, names, lists of them, or keys below it") from None
    if None not in (old, new) and (names or kind(old) != kind(new)):
        found = "keys below it" if isinstance(new, dict) else repr(new)
        expected = f"keys below it: {', '.join(names)}" if names else f"{kind(old)}, as in {old!r}"
        raise ParamsError(key, found, f"expected {expected}")
    return new


def kind(value: Any) -> str:
    """What a value is, for a person."""
    if isinstance(value, bool):
        return "true or false"
    return {int: "a number", float: "a number", str: "a name", list: "a list"}.get(type(value), "keys below it")
