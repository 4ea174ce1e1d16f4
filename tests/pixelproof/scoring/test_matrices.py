"""What evaluate wrote is what is read; an impossible table is an error of one line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixelproof.core.errors import PixelproofError
from pixelproof.data.dataset import Sample
from pixelproof.scoring.matrices import read_matrices
from stages.evaluate.split import Evaluation, image_rows
from stages.evaluate.write import write_results

ROW = {"split": "val", "id": "a", "group": "g", "truth": 0, "prediction": 1, "count": 5}


def stored(*rows: dict[str, Any]) -> bytes:
    """A table of these rows as evaluate stores it."""
    text = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), text)
    return text.getvalue()


def test_what_evaluate_wrote_is_what_is_read(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    written = {
        split: {f"{split}-{name}": draw.integers(0, 3, (3, 3)) * draw.integers(0, 2, (3, 3)) for name in names}
        for split, names in (("val", "cab"), ("test", "ab"))
    }
    written["val"]["val-b"][:] = 0
    found = {
        split: Evaluation({}, [r for name, matrix in images.items() for r in image_rows(split, sample(name), matrix)])
        for split, images in written.items()
    }
    found["val"].rows.append(("val", "val-ignored", "flight-z", 0, 0, 0))  # all of its pixels are ignored
    write_results(tmp_path, found)
    path = tmp_path / "matrices.parquet"
    for source in (path, path.read_bytes()):
        read = read_matrices(source, 3)
        assert set(read) == {"val", "test"}
        for split, images in written.items():
            assert read[split].ids == sorted(read[split].ids)
            assert read[split].counts.dtype == np.int64
            for name, group, matrix in zip(read[split].ids, read[split].groups, read[split].counts, strict=True):
                assert group == f"flight-{name[-1]}" or name == "val-ignored"
                np.testing.assert_array_equal(matrix, images.get(name, np.zeros((3, 3))))
        assert {"val-a", "val-c", "val-ignored"} <= set(read["val"].ids)


def sample(name: str) -> Sample:
    """An image whose group is not its name."""
    return Sample(name, f"flight-{name[-1]}", 48, 32, "tiny")


def test_images_are_selected_by_name() -> None:
    rows = [ROW | {"id": name, "group": name.upper(), "count": i} for i, name in enumerate("abc")]
    one = read_matrices(stored(*rows), 2)["val"].select(["c", "a"])
    assert (one.ids, one.groups, one.counts[:, 0, 1].tolist()) == (["c", "a"], ["C", "A"], [2, 0])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not parquet", "m: not the table that evaluate writes"),
        (stored({"id": "a"}), "m: expected columns split, id, group, truth, prediction, count, found no split, group,"),
        (stored(ROW | {"truth": 3}), "m: expected truth class ids below 3, found id 3"),
        (stored(ROW | {"prediction": 255}), "m: expected prediction class ids below 3, found id 255"),
        (stored(ROW | {"count": -1}), "m: expected counts of 0 and more, found -1"),
        (stored(ROW | {"count": "many"}), "m: not the table that evaluate writes"),
        (stored(ROW, ROW | {"id": None}), "m: expected a value in each cell, found empty ones"),
        (stored(ROW, ROW), "m: val: expected one row for each pair of classes of an image, found several"),
        (stored(ROW, ROW | {"group": "h", "truth": 1}), "m: val: expected one group for each image, found several"),
    ],
)
def test_an_impossible_table_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(PixelproofError) as error:
        read_matrices(content, 3, "m")
    assert str(error.value).startswith(said)
    assert "dvc repro" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PixelproofError, match=r"gone\.parquet: no such file; run `dvc repro`"):
        read_matrices(tmp_path / "gone.parquet", 3)


def test_a_table_without_rows_has_no_splits() -> None:
    table = pq.read_table(io.BytesIO(stored(ROW))).slice(0, 0)
    text = io.BytesIO()
    pq.write_table(table, text)
    assert read_matrices(text.getvalue(), 3) == {}
