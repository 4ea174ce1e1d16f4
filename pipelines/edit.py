"""Changes values in params.yaml, in the form in which `dvc exp run -S` writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from io import StringIO
from operator import getitem
from typing import Any

from ruamel.yaml import YAML

from pixelproof.core.params import pick

KEY = re.compile(r"^[A-Za-z_][\w-]*:", re.MULTILINE)  # of a section at the top level
# Comments before one, which ruamel takes for a part of whatever stands above them.
BEFORE = re.compile(rf"(?:^(?:#.*|[ \t]*)\n)+(?P<key>{KEY.pattern})", re.MULTILINE)


def set_values(text: str, changes: Mapping[str, Any]) -> str:
    """Replace the values of some keys.

    In a file of that form every other line stays as it is, but for a comment behind a value that becomes a list or a
    section: it is of the old value, and is dropped. A comment after a list belongs to the list's last line and is lost
    with it, so params.yaml has none there; those before a section at the top level stay before it.

    Args:
        text: the content of params.yaml.
        changes: new values by key path (`cvat.exports`); each key must be there already.

    Raises:
        ParamsError: there is no such key.

    >>> text = "a:  # of a\\n  b: 1\\n  c:  # empty\\n\\n# of d\\nd: 2  # of its value\\n"
    >>> print(set_values(text, {"a.b": [3], "a.c": {"e": 4}}), end="")
    a:  # of a
      b:
      - 3
      c:
        e: 4
    <BLANKLINE>
    # of d
    d: 2  # of its value
    """
    yaml = YAML()  # as DVC sets it up: dvc/utils/serialize/_yaml.py
    yaml.default_flow_style = False
    tree = yaml.load(BEFORE.sub(r"\g<key>", text))
    for path, value in changes.items():
        pick(tree, path)  # refuses a key that is not there
        *parents, last = path.split(".")
        section = reduce(getitem, parents, tree)
        if isinstance(value, dict | list) and not isinstance(section[last], dict | list):
            _drop_comment(section, last)
        section[last] = value
    changed = StringIO()
    yaml.dump(tree, changed)
    before = {found["key"]: found[0] for found in BEFORE.finditer(text)}
    return KEY.sub(lambda found: before.get(found[0], found[0]), changed.getvalue())


def _drop_comment(section: Any, key: str) -> None:
    """Drop the comment behind a value, but no line after it."""
    comments = section.ca.items.get(key)
    if comments and comments[2]:
        comments[2].value = "\n" + comments[2].value.partition("\n")[2]


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
