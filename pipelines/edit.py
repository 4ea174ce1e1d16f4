"""Changes values in params.yaml, in the form in which `dvc exp run -S` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from io import StringIO
from operator import getitem
from typing import Any

from ruamel.yaml import YAML

from pixelproof.core.params import pick


def set_values(text: str, changes: Mapping[str, Any]) -> str:
    """Replace the values of some keys.

    In a file of that form every other line stays as it is. A comment after a list belongs to the list's last line and
    is lost with it, so params.yaml has none there.

    Args:
        text: the content of params.yaml.
        changes: new values by key path (`cvat.exports`); each key must be there already.

    Raises:
        ParamsError: there is no such key.

    >>> print(set_values("a:  # of a\\n  b: 1\\n  c: 2  # of c\\n", {"a.b": [3]}), end="")
    a:  # of a
      b:
      - 3
      c: 2  # of c
    """
    yaml = YAML()  # as DVC sets it up: dvc/utils/serialize/_yaml.py
    yaml.default_flow_style = False
    tree = yaml.load(text)
    for path, value in changes.items():
        pick(tree, path)  # refuses a key that is not there
        *parents, last = path.split(".")
        reduce(getitem, parents, tree)[last] = value
    changed = StringIO()
    yaml.dump(tree, changed)
    return changed.getvalue()


def with_reasons(text: str, reasons: Mapping[str, str]) -> str:
    """Write a reason behind some values, in place of any comment there.

    DVC keeps a comment behind a value that is no list, no section and not empty; others get none.

    Args:
        text: the content of params.yaml.
        reasons: by key path.

    Raises:
        ParamsError: there is no such key.

    >>> print(with_reasons("a:\\n  b: 1  # was 2\\n  c:\\n  - 3\\n", {"a.b": "as before", "a.c": "lost"}), end="")
    a:
      b: 1  # as before
      c:
      - 3
    """
    tree = YAML().load(text)
    lines = text.splitlines()
    for path, reason in reasons.items():
        value = pick(tree, path)
        if value is None or isinstance(value, dict | list):
            continue
        *parents, last = path.split(".")
        line = reduce(getitem, parents, tree).lc.value(last)[0]
        lines[line] = f"{lines[line].partition(' #')[0].rstrip()}  # {reason}"
    return "\n".join([*lines, ""])
