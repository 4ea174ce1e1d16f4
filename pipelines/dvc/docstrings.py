"""Finds code that reads docstrings of other modules, or source: for a stage with such code they are more than comments.

`__doc__` as a name, and `main.__doc__` of a function or class of the same module, read the module's own, which
`pixelproof.core.syntax` takes into account. A name that is put together at run time is not seen.
"""

from __future__ import annotations

import ast

from pixelproof.core.syntax import parse

READERS = {"getdoc", "getcomments", "getsource", "getsourcelines", "pydoc", "doctest", "use_attribute_docstrings"}
DOC = "__doc__"


def reader_in(source: bytes, path: str) -> int | None:
    """The first line that may read a docstring of another module, or source; None if there is none.

    Raises:
        DataError: the content is not Python.
    """
    tree = parse(source, path)
    nodes = list(ast.walk(tree))
    own, compared = _own(tree, nodes), set[int]()
    for node in nodes:
        if isinstance(node, ast.Compare):  # `"__doc__" in names` reads none
            compared |= {id(side) for side in (node.left, *node.comparators)}
    found = [node for node in nodes if id(node) not in compared and _reads(node, own)]
    return min((getattr(node, "lineno", 1) for node in found), default=None)


def _own(tree: ast.Module, nodes: list[ast.AST]) -> set[str]:
    """The functions and classes of a module whose names mean nothing else in it."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    made = {node.name for node in tree.body if isinstance(node, kinds) and not node.decorator_list}
    other = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    other |= {(node.asname or node.name).split(".")[0] for node in nodes if isinstance(node, ast.alias)}
    return made - other - {node.arg for node in nodes if isinstance(node, ast.arg)}


def _reads(node: ast.AST, own: set[str]) -> bool:
    match node:
        case ast.Attribute(attr="__doc__", ctx=ast.Load(), value=value):
            return not (isinstance(value, ast.Name) and value.id in own)
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.keyword(arg=name):
            return name in READERS
        case ast.Constant(value=str(name)):
            return name in READERS or name == DOC
        case ast.alias(name=name):
            return not READERS.isdisjoint(name.split(".")) or name == DOC
    return False
