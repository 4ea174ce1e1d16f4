"""The sections of the page. One is a module here and its template beside it: nothing else names it.

`<name>.py` has a TITLE, an ORDER (sections with a lower one come first) and `context(results) -> dict | None`: what
`<name>.html` is given, or None where there is nothing to show. `<name>.css` and `<name>.js`, where there are any,
go into the page's one style and one script.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol, cast

from pixelproof.core.errors import StateError
from stages.report.gather import Results


class Section(Protocol):
    """What a section's module holds."""

    __name__: str
    TITLE: str
    ORDER: int

    def context(self, results: Results) -> dict[str, Any] | None:
        """What the template is given; None leaves the section out."""


def sections() -> list[Section]:
    """All sections, in their order.

    Raises:
        StateError: a module lacks something that a section has.
    """
    paths = sorted(Path(__file__).parent.glob("[!_]*.py"))
    return sorted((_load(path.stem) for path in paths), key=lambda section: section.ORDER)


def _load(name: str) -> Section:
    module = importlib.import_module(f"stages.report.sections.{name}")
    lacking = [part for part in ("TITLE", "ORDER", "context") if not hasattr(module, part)]
    if lacking:
        fix = "a section has a TITLE, an ORDER and a context(results)"
        raise StateError(f"stages/report/sections/{name}.py", f"no {', '.join(lacking)}", fix)
    return cast(Section, module)
