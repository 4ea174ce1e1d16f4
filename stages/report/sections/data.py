"""What the networks were trained and tested on."""

from __future__ import annotations

from typing import Any

from stages.report.gather import Results

TITLE = "Data"


def context(results: Results) -> dict[str, Any]:
    """The card of each split."""
    return {"cards": results.cards}
