"""The list of the report's sections, which no file holds: it comes from the sections themselves."""

from __future__ import annotations

import sys
from itertools import groupby
from types import ModuleType

import pytest

from pixelproof.core.errors import StateError
from stages.report.sections import sections

PAGE = (
    "overview architectures classes confusions gallery sizes boundaries calibration measurement landing curves data "
    "augmentation graph provenance"
)


def test_the_sections_come_in_the_order_that_they_state() -> None:
    found = sections()
    names = [section.__name__.rsplit(".", 1)[-1] for section in found]
    assert [name for name in names if name in PAGE.split()] == PAGE.split(), "a new one needs no change here"
    assert len({section.ORDER for section in found}) == len(found), "no two compete for a place"
    groups = [group for group, _ in groupby(section.GROUP for section in found)]
    assert len(groups) == len(set(groups)) == 5, "the sections of a group stand together"
    folded = {section.__name__.rsplit(".", 1)[-1] for section in found if hasattr(section, "FOLD")}
    assert folded >= {"measurement", "landing", "augmentation"}


def test_a_section_that_lacks_something_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    half = ModuleType("sizes")
    half.__dict__["TITLE"] = "Half a section"
    monkeypatch.setitem(sys.modules, "stages.report.sections.sizes", half)
    with pytest.raises(StateError, match=r"sections/sizes\.py: no ORDER, GROUP, context"):
        sections()
