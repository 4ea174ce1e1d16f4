"""The architectures side by side: their numbers on the test split."""

from __future__ import annotations

from typing import Any

from stages.report.figures import over_seeds, ranking
from stages.report.gather import MEASURES, Results

TITLE = "Architectures"


def context(results: Results) -> dict[str, Any]:
    """A row for each architecture, the best first."""
    rows = [
        (
            name,
            [over_seeds(results.runs[name], "test", key) for key in MEASURES],
            over_seeds(results.runs[name], "val", "mIoU"),
        )
        for name in ranking(results)
    ]
    return {"rows": rows}
