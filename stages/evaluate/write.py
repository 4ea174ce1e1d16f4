"""Writes the results of evaluate: the same numbers give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pixelproof.core.files import write_bytes, write_json
from pixelproof.scoring.panoptic import COUNTS
from stages.evaluate.split import Evaluation

IMAGE = {"split": "string", "id": "string", "group": "string"}
MATRICES = IMAGE | {"truth": "uint8", "prediction": "uint8", "count": "uint32"}
OBJECTS = IMAGE | {
    "class": "uint8",
    "kind": "string",
    "area": "uint32",
    "right": "uint32",
    "iou": "float64",
    **dict.fromkeys(("left", "top", "width", "height"), "uint32"),
}
DETECTIONS = IMAGE | {"class": "uint8", "kind": "string", "score": "float64", "right": "uint64", "counted": "uint64"}
SEGMENTS = IMAGE | {
    "class": "uint8",
    **dict.fromkeys(("objects", "small", "medium", "large"), "uint32"),
    **dict.fromkeys(COUNTS, "uint32"),
    "iou": "float64",  # the only sum that is no count
    **dict.fromkeys(("touching", "touching_found"), "uint32"),
}


def write_results(out: Path, evaluations: dict[str, Evaluation]) -> None:
    """Write the numbers by split, and tables of every image's matrix and of every object."""
    write_json(out / "metrics.json", {split: found.metrics for split, found in evaluations.items()})
    write_json(out / "calibration.json", {split: found.calibration for split, found in evaluations.items()})
    rows = [row for found in evaluations.values() for row in found.rows]
    write_bytes(out / "matrices.parquet", parquet(rows, MATRICES))
    objects = [row for found in evaluations.values() for row in found.objects]
    write_bytes(out / "objects.parquet", parquet(objects, OBJECTS))
    detections = [row for found in evaluations.values() for row in found.detections]
    write_bytes(out / "detections.parquet", parquet(detections, DETECTIONS))
    segments = [row for found in evaluations.values() for row in found.segments]
    write_bytes(out / "segments.parquet", parquet(segments, SEGMENTS))


def parquet(rows: Iterable[tuple[Any, ...]], kinds: Mapping[str, str]) -> bytes:
    """Rows as Parquet, with the name and the type of each column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds.values(), strict=True)]
    text = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(kinds)), text, compression="zstd", store_schema=False)
    return text.getvalue()
