"""Writes tables as CSV and as Parquet: the same numbers in both, and the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pixelproof.core.files import write_bytes, write_text

Row = dict[str, Any]
Column = tuple[str, Literal["string", "int64", "float64", "bool"]]
DIGITS = 6


def write_table(path: Path, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Write `path`.csv and `path`.parquet; a missing cell is empty in the one and null in the other."""
    cells = [{name: rounded(row.get(name)) for name, _ in columns} for row in rows]
    write_text(path.with_suffix(".csv"), as_csv(columns, cells))
    write_bytes(path.with_suffix(".parquet"), as_parquet(columns, cells))


def rounded(value: Any) -> Any:
    """Nested floats to six decimals: the rest is rounding noise."""
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0  # and no -0.0
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, list) else value


def as_csv(columns: Sequence[Column], cells: Sequence[Row]) -> str:
    """A header and a line for each row."""
    import pandas as pd

    frame = pd.DataFrame(list(cells), columns=[name for name, _ in columns], dtype=object)
    for name in (name for name, kind in columns if kind == "bool"):
        frame[name] = frame[name].map({True: "true", False: "false"})
    return frame.to_csv(index=False, lineterminator="\n")


def as_parquet(columns: Sequence[Column], cells: Sequence[Row]) -> bytes:
    """The same as Parquet; a column keeps its type even if it is empty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
    table = pa.Table.from_pylist(list(cells), pa.schema([(name, kinds[kind]) for name, kind in columns]))
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd", store_schema=False)
    return content.getvalue()
