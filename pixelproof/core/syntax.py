"""Digests of code by its syntax tree: comments, formatting and docstrings do not count.

A digest in the output of a stage (a config, the report) then still holds after an edit that changes no
code, and `pixelproof relock` compares the same trees. `bin/python -m pixelproof.core.syntax PATH...` prints a line for
each file, as `sha256sum` does: `| sha256sum` makes one digest of them all.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pixelproof.core.errors import DataError, run_main
from pixelproof.core.files import files_below, sha256

Token = tuple[str, int]  # a piece of a syntax tree as text, and its line in the file

# Fields for how a string was written (`u"..."`) and for type comments; neither changes what runs.
NO_CODE = ("kind", "type_comment", "type_ignores")


def tokens(source: bytes, where: str) -> Iterator[Token]:
    """The syntax tree of a Python file, piece by piece; two files hold the same code where the texts are the same.

    Docstrings count in a module that names `__doc__`, and annotations always do: pydantic reads them. Fields without a
    value are left out and texts are written in ASCII, so that Python 3.11 and 3.12 agree (3.12 gives each function an
    empty `type_params`, puts empty texts into f-strings, and knows more characters that can be printed).

    Args:
        source: the content of the file.
        where: the file's name, for the error.

    Raises:
        DataError: where the content is not Python.

    Example:
        >>> "".join(text for text, _ in tokens(b"x = 1  # one", "x.py"))
        "(Module body=[(Assign targets=[(Name id='x' ctx=(Store))] value=(Constant value=1))])"
    """
    return _written(_normal(parse(source, where)), 1)


def parse(source: bytes, where: str) -> ast.Module:
    """The syntax tree of a Python file, as Python itself reads it.

    Args:
        source: the content of the file.
        where: the file's name, for the error.

    Raises:
        DataError: where the content is not Python.
    """
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        found = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
        raise DataError(f"{where}:{line}", "Python", found, "fix the file") from None


def _normal(tree: ast.Module) -> ast.Module:
    """A tree without docstrings that nothing reads, and without the empty texts that 3.12 adds to f-strings."""
    nodes = list(ast.walk(tree))
    read = any(map(_names_doc, nodes))
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            node.values = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not read:
            node.body = node.body if ast.get_docstring(node, clean=False) is None else node.body[1:]
    return tree


def _names_doc(node: ast.AST) -> bool:
    names = (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "value", None))
    return "__doc__" in names  # as a name, an attribute, or a string (for getattr)


def _written(value: Any, line: int) -> Iterator[Token]:
    if isinstance(value, list):
        yield "[", line
        for item in value:
            yield from _written(item, line)
        yield "]", line
    elif isinstance(value, ast.AST):
        line = getattr(value, "lineno", line)
        yield f"({type(value).__name__}", line
        for name, field in ast.iter_fields(value):
            if name not in NO_CODE and field is not None and field != []:
                yield f" {name}=", line
                yield from _written(field, line)
        yield ")", line
    else:
        yield ascii(value), line


def digest(path: Path) -> str:
    """The SHA-256 of a file: of the syntax tree of a Python file, of the bytes of any other.

    Args:
        path: the file.

    Raises:
        DataError: where a file called `.py` is not Python.
    """
    if path.suffix != ".py":
        return sha256(path)
    text = "".join(text for text, _ in tokens(path.read_bytes(), path.as_posix()))
    return hashlib.sha256(text.encode()).hexdigest()


def listing(root: Path, names: Iterable[str]) -> str:
    """A line `<digest>  <path>` for each file of some folders, sorted by path; DVC's choice of files.

    Args:
        root: the folder that the paths are below.
        names: files and folders in it.
    """
    files = {file.relative_to(root).as_posix(): file for name in names for file in files_below(root / name)}
    return "".join(f"{digest(files[path])}  {path}\n" for path in sorted(files, key=str.encode))


def main() -> None:
    """Print the digests."""
    parser = argparse.ArgumentParser(
        prog="python -m pixelproof.core.syntax", description="Digests of code; comments and docstrings do not count."
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and folders, below this folder")
    for path in (given := parser.parse_args().paths):
        if not Path(path).exists() or Path(path).is_absolute():
            raise DataError(path, "a file or a folder below this one", "none", "name one that is there")
    print(listing(Path(), given), end="")


if __name__ == "__main__":
    run_main(main)
