"""Style rules that our linters do not have: short files, few parameters, no nested conditional expressions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("commands", "pipelines", "stages", "pixelproof", "benchmarks")
MOST_LINES, MOST_PARAMETERS = 399, 8

Function = ast.FunctionDef | ast.AsyncFunctionDef


def nested(tree: ast.AST) -> Iterator[int]:
    """The lines of conditional expressions with another one as a branch or condition."""
    for node in ast.walk(tree):
        if isinstance(node, ast.IfExp) and any(isinstance(child, ast.IfExp) for child in ast.iter_child_nodes(node)):
            yield node.lineno


def overloaded(tree: ast.AST) -> Iterator[int]:
    """The lines of functions with too many parameters; `self` and `cls` are not counted."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            of = node.args
            named = [each.arg for each in (*of.posonlyargs, *of.args, *of.kwonlyargs, of.vararg, of.kwarg) if each]
            if len(named) - (named[:1] in (["self"], ["cls"])) > MOST_PARAMETERS:
                yield node.lineno


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    """The source of every code file, by path."""
    files = [path for folder in CODE for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200
    return {str(path.relative_to(ROOT)): path.read_text() for path in files}


def test_no_conditional_expression_stands_in_another(sources: dict[str, str]) -> None:
    assert [f"{name}:{line}" for name, text in sources.items() for line in nested(ast.parse(text))] == []
    assert list(nested(ast.parse("a = 1 if b else 2 if c else 3"))) == [1]
    assert list(nested(ast.parse("a = (1 if b else 2) if c else 3\nd = f(1 if b else 2) if c else 3"))) == [1]


def test_no_function_takes_many_parameters(sources: dict[str, str]) -> None:
    assert [f"{name}:{line}" for name, text in sources.items() for line in overloaded(ast.parse(text))] == []
    assert list(overloaded(ast.parse("def f(self, a, b, c, d, e, f, *g, h): ..."))) == []
    assert list(overloaded(ast.parse("def f(a, b, c, d, e, f, *g, h, **i): ..."))) == [1]


def test_every_file_fits_on_a_few_screens(sources: dict[str, str]) -> None:
    """Tests too."""
    tests = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    lines = {name: len(text.splitlines()) for name, text in (sources | tests).items()}
    assert len(tests) > 200
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
