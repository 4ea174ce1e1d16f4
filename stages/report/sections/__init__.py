"""The sections of the page. Each is a module here with its template next to it; nothing else lists them.

`<name>.py` has a TITLE, an ORDER (sections with a lower one come first), a GROUP (of the navigation; those of one group
stand together) and `context(results) -> dict | None`: what `<name>.html` is given, or None if there is nothing to show.
With a FOLD, which says what is inside, the section is folded until somebody opens it. `<name>.css` and `<name>.js`, if
there are any, are added to the page's one style sheet and one script.
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
    GROUP: str

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
    missing = [part for part in ("TITLE", "ORDER", "GROUP", "context") if not hasattr(module, part)]
    if missing:
        fix = "a section has a TITLE, an ORDER, a GROUP and a context(results)"
        raise StateError(f"stages/report/sections/{name}.py", f"no {', '.join(missing)}", fix)
    return cast(Section, module)
