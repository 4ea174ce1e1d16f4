"""Tables that a spreadsheet opens: no cell is computed, and each is what it was."""

from __future__ import annotations

import csv
import doctest
import io

import pytest

from commands import _csv
from commands._csv import csv_text


def read(text: str) -> list[list[str]]:
    """The cells, as any reader of CSV finds them."""
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_example_holds() -> None:
    result = doctest.testmod(_csv)
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "'"])
def test_text_that_would_be_computed_stands_after_an_apostrophe(start: str) -> None:
    name = f"{start}1+1,x"
    assert read(csv_text(["image", "n"], [[name, -1]])) == [["image", "n"], [f"'{name}", "-1"]]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_break_in_a_name_begins_no_line(end: str) -> None:
    """What follows it would be the first cell of the next line, without an apostrophe."""
    text = csv_text(["image", "n"], [[f"x{end}=1+1", 1], [f"{end}=1+1", 2]])
    assert read(text) == [["image", "n"], [f"x{end}=1+1", "1"], [f"'{end}=1+1", "2"]]
    assert csv_text(["a", "b"], [["x", ""], ["", ""]]) == "a,b\nx,\n,\n"
