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
