"""The curves of a run: kept as rows, shown by DVCLive while it trains, written as CSV when it is done."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

Row = tuple[int, str, float]


@dataclass
class Curves:
    """Rows of (iteration, name, value), which are also shown live in a DVCLive folder, unless it is None."""

    folder: Path | None
    rows: list[Row] = field(default_factory=list)
    live: Any = None

    def __post_init__(self) -> None:
        if self.folder is not None:
            self.live = open_live(self.folder)

    def restore(self, rows: list[Row]) -> None:
        """Restore the rows of a killed process, in the steps in which it added them: the order shows in live files."""
        for (step, _), added in groupby(rows, lambda row: (row[0], row[1].split("/")[0])):
            self.add(step, {name: value for _, name, value in added})

    def add(self, iteration: int, values: dict[str, float]) -> None:
        """Add values of one iteration."""
        self.rows += [(iteration, name, value) for name, value in values.items()]
        if self.live is not None:
            self.live.step = iteration
            for name, value in values.items():
                self.live.log_metric(name, value, timestamp=False)
            self.live.make_summary()

    def as_csv(self) -> str:
        """All rows as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([("iteration", "name", "value"), *self.rows])
        return text.getvalue()


def open_live(folder: Path) -> Any:
    """DVCLive in one folder. It must not open the DVC repository: a training would read files it does not depend on."""
    from dvclive import Live

    class FolderLive(Live):  # type: ignore[misc]
        def _init_dvc(self) -> None:
            self._dvc_file = "dvc.yaml"  # all that is needed of it

    return FolderLive(str(folder), dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False)
