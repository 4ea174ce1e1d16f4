"""Reads tables of single objects, and formats the numbers of the measure stage over the seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pixelproof.core.errors import StateError
from stages.report.figures import MINUS, Figure
from stages.report.gather import Run
from stages.report.markdown import percent


def read_rows(run: Run, table: str, columns: Sequence[str], stage: str = "measure") -> list[dict[str, Any]]:
    """These columns of <stage>/<table>.parquet, row by row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, fix = run.folder / stage / f"{table}.parquet", "run `dvc repro`"
    try:
        with pq.ParquetFile(path) as file:
            if missing := sorted(set(columns) - set(file.schema_arrow.names)):
                raise StateError(str(path), f"no column {missing[0]!r}", fix)
            rows: list[dict[str, Any]] = file.read(columns=list(columns), use_threads=False).to_pylist()
    except FileNotFoundError:
        raise StateError(str(path), "no such file", fix) from None
    except (pa.ArrowInvalid, OSError) as error:
        raise StateError(str(path), f"not a Parquet table ({error})".replace("\n", " "), fix) from None
    return rows


def over_runs(runs: Iterable[Run], number: Callable[[Run], float | None]) -> Figure:
    """One number of each run; runs without it are left out."""
    return Figure(tuple(value for run in runs if (value := number(run)) is not None))


def percents(figure: Figure, digits: int = 1) -> str:
    """A share over the seeds."""
    if figure.mean is None or figure.deviation is None:
        return percent(figure.mean, digits)
    return f"{figure.mean:.{digits}%}".rstrip("%") + f" ± {percent(figure.deviation, digits)}"


def count(figure: Figure) -> str:
    """A count over the seeds: whole for one seed, with one decimal for a mean."""
    if figure.mean is None:
        return "absent"
    whole = figure.deviation is None or (figure.mean.is_integer() and figure.deviation == 0)
    return f"{figure.mean:,.0f}" if whole else f"{figure.mean:,.1f} ± {figure.deviation:.1f}"


def amount(figure: Figure, unit: str, sign: bool = False) -> str:
    """A measurement over the seeds, to about three digits; with its sign if it is an error."""
    if figure.mean is None:
        return "absent"
    digits = decimals(figure.mean)
    text = f"{figure.mean:{'+' if sign else ''},.{digits}f}".replace("-", MINUS)
    if float(f"{figure.mean:.{digits}f}") == 0:
        text = text.lstrip("+" + MINUS)
    spread = f" ± {figure.deviation:,.{digits}f}" if figure.deviation is not None else ""
    return text + spread + (unit if unit in ("", "°") else f"\u00a0{unit}")


def decimals(value: float) -> int:
    """How many decimals make three digits; three at most."""
    return 3 if value == 0 else min(max(2 - math.floor(math.log10(abs(value))), 0), 3)
