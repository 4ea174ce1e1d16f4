"""Writes what evaluate found, with the same bytes for the same numbers."""

from __future__ import annotations

import io
from pathlib import Path

from stages.evaluate.split import Evaluation
from stages.files import write_bytes, write_json


def write_results(out: Path, evaluations: dict[str, Evaluation]) -> None:
    """metrics.json by split, and matrices.parquet with every image of every split."""
    write_json(out / "metrics.json", {split: found.metrics for split, found in evaluations.items()})
    write_bytes(out / "matrices.parquet", matrices(evaluations))


def matrices(evaluations: dict[str, Evaluation]) -> bytes:
    """The per-image confusion matrices as Parquet: split, id, group, truth, prediction, count."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = [pa.string(), pa.string(), pa.string(), pa.uint8(), pa.uint8(), pa.uint32()]
    names = ["split", "id", "group", "truth", "prediction", "count"]
    rows = [row for found in evaluations.values() for row in found.rows]
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    table = pa.table([pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], names=names)
    text = io.BytesIO()
    pq.write_table(table, text, compression="zstd", store_schema=False)
    return text.getvalue()
