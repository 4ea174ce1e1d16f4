"""Digests of code: what counts and what does not, the same in every Python that the project supports."""

from __future__ import annotations

import ast
import doctest
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from pixelproof.core import syntax
from pixelproof.core.errors import DataError
from tests.workspace import ROOT

FILES = sorted(path for name in ("pixelproof", "stages", "pipelines") for path in (ROOT / name).rglob("*.py"))

# One of everything that Python 3.11's and 3.12's trees could differ in: functions and classes (type_params), f-strings
# (a tokenizer of their own since 3.12), a character that is printable only since 3.12, numbers, `u`, patterns.
SAMPLE = '''
"""Docstring."""
import a.b as c
from . import d  # a comment
class A(c.B, metaclass=d):
    """Docstring."""
    x: int = 0x10
    async def f(self, /, a, *b: "str", e=1.50, **g) -> None:
        """Docstring."""
        return f"{a!r:>{e}}" "b" f"{g=}" u"\U0001f6dc" + b"\\0" * 1_0j
@d.e
def h(a, b=None, *, f, g=...):
    for (i, *j) in {**a, "b": -1}: x = [k async for k in b if (l := k)]
    match a:
        case {"b": [1, *_], **rest} | A(x=None): pass
    with (open(a) as f, g): raise E from None
    try: lambda *a: (yield)
    except* (E, F) as g: del a[1:2, ...]
'''
SAMPLE_DIGEST = "9b3a415b71ff7dbec77b5b30bd894872097a6a34af9f1c9c1281078e3a4fafcf"


def same(one: str, other: str) -> bool:
    texts = [[text for text, _ in syntax.tokens(source.encode(), "x.py")] for source in (one, other)]
    return texts[0] == texts[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "# why\nx  =  (1)  # because\n\n"),
        ("def f(): return 1", 'def f():\n    """What it does."""\n    return 1'),
        ('"""Old."""\nclass A:\n    "Old."\n    x = 1', '"""New."""\n\nclass A:\n    x = 1'),
        ("x = 'a' 'b'", 'x = u"ab"'),
        ("x = [1, 2]", "x = [\n    1,\n    2,\n]"),
        ("x = 1000", "x = 0x3e8"),
    ],
)
def test_comments_formatting_and_docstrings_do_not_count(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = None", "x = 'None'"),
        ("x: int = 1", "x: float = 1"),
        ("def f(a: int): pass", "def f(a): pass"),
        ("x = f(a)", "x = f(*a)"),
        ("x = {**a}", "x = {None: a}"),
        ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass"),
        ("x = Field(description='a')", "x = Field(description='b')"),
        ("x = 1\n'no docstring'", "x = 1"),
        ("def f():\n    f'no docstring'\n    g()", "def f():\n    g()"),
        ("'''Old.'''\nprint(__doc__)", "'''New.'''\nprint(__doc__)"),
        ("class A:\n    'Old.'\nprint(A.__doc__)", "class A:\n    'New.'\nprint(A.__doc__)"),
        ("'''Old.'''\nprint(getattr(f, '__doc__'))", "'''New.'''\nprint(getattr(f, '__doc__'))"),
    ],
)
def test_code_annotations_and_used_docstrings_count(one: str, other: str) -> None:
    assert not same(one, other)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_written_anew_from_its_tree_has_the_same_digest(path: Path, tmp_path: Path) -> None:
    (tmp_path / "anew.py").write_text(ast.unparse(ast.parse(path.read_bytes())))
    assert syntax.digest(tmp_path / "anew.py") == syntax.digest(path)


def test_every_python_finds_the_same_digest(tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text(SAMPLE)
    assert syntax.digest(tmp_path / "sample.py") == SAMPLE_DIGEST  # noted once, from 3.11; 3.12 and 3.13 found it too


def test_lines_are_those_of_the_file() -> None:
    found = dict(syntax.tokens(b"# one\nx = 1\n\nif x:\n    y = 'b'\n", "x.py"))
    assert (found["1"], found["(If"], found["'b'"]) == (2, 4, 5)


def test_the_command_lists_trees_and_the_bytes_of_other_files(tmp_path: Path) -> None:
    for name, text in {
        "b/c.py": "x = 1",
        "b-a.py": "x = 2",
        "b/page.html": "<p>",
        "b/d.pyc": "",
        "b/e.py~": "x",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    digests = {name: syntax.digest(tmp_path / name) for name in ("b-a.py", "b/c.py")}
    digests["b/page.html"] = hashlib.sha256(b"<p>").hexdigest()
    expected = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    command = [sys.executable, "-m", "pixelproof.core.syntax", "b", "b-a.py", "b"]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == expected


def test_what_is_not_python_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\ny = (\n")
    with pytest.raises(DataError, match=r"broken\.py:2: expected Python, found SyntaxError"):
        syntax.digest(tmp_path / "broken.py")


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(syntax).failed == 0
