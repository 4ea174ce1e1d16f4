"""The examples in the docstrings of pixelproof/ are correct."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import pixelproof


def modules_with_examples() -> list[str]:
    """All modules with a `>>>`, except the architectures, which are MMEngine configs and not importable modules."""
    root = Path(pixelproof.__file__).parent
    paths = [path.relative_to(root.parent) for path in sorted(root.rglob("*.py")) if "architectures" not in path.parts]
    found = [path for path in paths if ">>> " in (root.parent / path).read_text(encoding="utf-8")]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in found]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0, "see the captured output"
