"""Changes to an architecture's network in params.yaml, named by the keys of data/configs/<architecture>.json.

`{"decode_head.dilations": [1, 2, 4, 6]}` and `{"decode_head": {"dilations": [1, 2, 4, 6]}}` mean the same; an element
of a list is named by its position (`decode_head.0.channels`). Shared by configure, which changes what is trained, and
by evaluate, which changes only what is evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pixelproof.core.errors import ParamsError, nearest

Overrides = dict[str, dict[str, Any]]  # the changes of each architecture
OURS = {"num_classes", "class_weight"}  # set from the data and `train.balance`, never by a config


def overridden(part: Any, changes: Mapping[Any, Any], key: str) -> Any:
    """A copy of (a part of) a model's config with changes applied.

    Args:
        part: A dict, or a list of dicts.
        changes: New values by key; dotted keys reach into nested parts.
        key: The key path of the changes in params.yaml, for errors.

    Raises:
        ParamsError: A key that the part does not have, or a value of a different type than the one it replaces.

    Example:
        >>> model = {"decode_head": {"dilations": [1, 12, 24, 36], "channels": 512}}
        >>> overridden(model, {"decode_head.dilations": [1, 2, 4, 6]}, "configure.overrides.mine")
        {'decode_head': {'dilations': [1, 2, 4, 6], 'channels': 512}}
        >>> overridden(model, {"decode_head.chanels": 256}, "configure.overrides.mine")
        Traceback (most recent call last):
            ...
        pixelproof.core.errors.ParamsError: ...: found an unknown key; allowed: channels, dilations (did you...
    """
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
    """What can be named inside a value: the keys of a dict, the positions of a list of dicts.

    Any other list is one value: nothing in it can be named.

    Example:
        >>> names_in([{"channels": 64}, {"channels": 32}])
        ['0', '1']
        >>> names_in([1, 2, 4, 6])
        []
    """
    if isinstance(value, dict):
        return sorted(set(value) - OURS)
    parts = value if isinstance(value, list) and any(isinstance(each, dict) for each in value) else []
    return [str(i) for i in range(len(parts))]


def replaced(old: Any, new: Any, key: str) -> Any:
    """The new value, if it is of the same kind as the old one.

    null may replace anything, and anything may replace null.

    Raises:
        ParamsError: The kinds differ, or the new value cannot be written as JSON.
    """
    names = names_in(old)
    if isinstance(new, dict) and names:
        return overridden(old, new, key)
    try:
        json.dumps(new, allow_nan=False)
    except (TypeError, ValueError):
        raise ParamsError(key, repr(new), "expected numbers, strings, lists of them, or nested keys") from None
    if None not in (old, new) and (names or kind(old) != kind(new)):
        found = "nested keys" if isinstance(new, dict) else repr(new)
        expected = f"nested keys: {', '.join(names)}" if names else f"{kind(old)}, as in {old!r}"
        raise ParamsError(key, found, f"expected {expected}")
    return new


def kind(value: Any) -> str:
    """What kind of value this is, in words for an error message.

    Example:
        >>> kind(0.5), kind([1, 2]), kind({})
        ('a number', 'a list', 'nested keys')
    """
    if isinstance(value, bool):
        return "true or false"
    return {int: "a number", float: "a number", str: "a string", list: "a list"}.get(type(value), "nested keys")
