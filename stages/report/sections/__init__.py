"""The sections of the page, in their order. One is a module here, and its template beside it.

`<name>.py` has a TITLE and `context(results) -> dict | None`: what `<name>.html` is given, or None where there is
nothing to show. `<name>.css` and `<name>.js`, where a section needs them, go into the page's one style and one script.
"""

from __future__ import annotations

from stages.report.sections import (
    architectures,
    augmentation,
    boundaries,
    calibration,
    classes,
    confusions,
    curves,
    data,
    gallery,
    landing,
    measurement,
    overview,
    provenance,
    sizes,
)

SECTIONS = (
    overview,
    architectures,
    classes,
    confusions,
    gallery,
    sizes,
    boundaries,
    calibration,
    measurement,
    landing,
    curves,
    data,
    augmentation,
    provenance,
)
