"""The confusion matrices that evaluate stores, one per image, from which later scores are computed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError, StateError

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS, NUMBERS = ("split", "id", "group"), ("truth", "prediction", "count")
FIX = "run `dvc repro`"


@dataclass(frozen=True)
class Matrices:
    """The matrices of one split (true class in rows, predicted class in columns), one per image and sorted by id."""

    ids: list[str]
    groups: list[str]
    counts: NDArray[np.int64]  # [images, classes, classes]

    def select(self, ids: Sequence[str]) -> Matrices:
        """The matrices of these images alone, in this order.

        Example:
            >>> both = Matrices(["a", "b"], ["day", "night"], np.array([[[3, 0], [1, 2]], [[0, 1], [0, 5]]]))
            >>> both.select(["b"]).groups
            ['night']
        """
        at = {name: row for row, name in enumerate(self.ids)}
        rows = [at[name] for name in ids]
        return Matrices(list(ids), [self.groups[row] for row in rows], self.counts[rows])


def read_matrices(source: Path | bytes, classes: int, where: str = "matrices.parquet") -> dict[str, Matrices]:
    """Read the matrices of every split.

    A cell without a row in the table is 0. An image that has only ignored pixels has one row, whose count is 0.

    Args:
        source: The Parquet file, or its content.
        classes: The number of classes.
        where: The name to use in errors for content in bytes; for a file, its path is used.

    Raises:
        StateError: The file is missing, or is not a table as evaluate writes it.
        DataError: The table contradicts itself or the number of classes.
    """
    where = str(source) if isinstance(source, Path) else where
    table = read_table(source, where, dict.fromkeys(TEXTS, "string") | dict.fromkeys(NUMBERS, "int64"))
    numbers = {name: table[name].to_numpy() for name in NUMBERS}
    for name in ("truth", "prediction"):
        if len(table) and not 0 <= numbers[name].min() <= numbers[name].max() < classes:
            worst = numbers[name].min() if numbers[name].min() < 0 else numbers[name].max()
            raise DataError(where, f"{name} class ids below {classes}", f"id {worst}", FIX)
    if len(table) and numbers["count"].min() < 0:
        raise DataError(where, "counts of 0 and more", f"{numbers['count'].min()}", FIX)
    texts = {name: _coded(table, name) for name in TEXTS}
    splits, split_of = texts["split"]
    found = {}
    for code, split in enumerate(splits):
        rows = split_of == code
        parts = [(names, codes[rows]) for names, codes in (texts["id"], texts["group"])]
        cells = [numbers[name][rows] for name in NUMBERS]
        found[split] = _one_split(f"{where}: {split}", parts[0], parts[1], cells, classes)
    return found


def read_table(source: Path | bytes, where: str, kinds: Mapping[str, str]) -> pa.Table:
    """Some columns of a table that evaluate wrote, with a value in each cell.

    Args:
        source: The Parquet file, or its content.
        where: Its name in errors.
        kinds: The name of each column and its type, as Arrow names it.

    Raises:
        StateError: The file is missing, or is not a table as evaluate writes it.
        DataError: A column or a value is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in kinds.items()])
    try:
        with pq.ParquetFile(source if isinstance(source, Path) else io.BytesIO(source)) as file:
            lacking = [name for name in schema.names if name not in file.schema_arrow.names]
            if lacking:
                raise DataError(where, f"columns {', '.join(schema.names)}", f"no {', '.join(lacking)}", FIX)
            # Threads of pyarrow that still run can abort the process at its end (apache/arrow issue 34314).
            table = file.read(columns=schema.names, use_threads=False).select(schema.names).cast(schema)
    except FileNotFoundError:
        raise StateError(where, "no such file", FIX) from None
    except (pa.ArrowException, OSError) as error:
        raise StateError(where, f"not the table that evaluate writes ({error})", FIX) from None
    if any(column.null_count for column in table.columns):
        raise DataError(where, "a value in each cell", "empty ones", FIX)
    return table


def _coded(table: pa.Table, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """The sorted distinct values of a text column, and each row's position among them."""
    column = table[name].combine_chunks().dictionary_encode()
    names: list[str] = column.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    return [names[i] for i in order], rank[column.indices.to_numpy()]


def _one_split(
    where: str,
    ids: tuple[list[str], NDArray[np.int64]],
    groups: tuple[list[str], NDArray[np.int64]],
    cells: list[NDArray[Any]],
    classes: int,
) -> Matrices:
    present, image = np.unique(ids[1], return_inverse=True)
    truth, prediction, count = cells
    group_of = np.empty(len(present), np.int64)
    group_of[image] = groups[1]
    if (group_of[image] != groups[1]).any():
        name = ids[0][present[image[group_of[image] != groups[1]][0]]]
        raise DataError(where, "one group for each image", f"several for {name!r}", FIX)
    flat = (image * classes + truth) * classes + prediction
    if len(np.unique(flat)) < len(flat):
        raise DataError(where, "one row for each pair of classes of an image", "several", FIX)
    counts = np.zeros(len(present) * classes**2, np.int64)
    counts[flat] = count
    shape = (len(present), classes, classes)
    return Matrices([ids[0][i] for i in present], [groups[0][i] for i in group_of], counts.reshape(shape))
