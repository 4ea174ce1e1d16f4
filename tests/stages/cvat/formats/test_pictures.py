"""Sizes are read from the first bytes of a picture, as it is shown."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.cvat.formats.pictures import picture_size
from tests.stages.cvat.formats.made import opened, written, zipped


def content(kind: str, orientation: int | None = None, size: tuple[int, int] = (700, 500)) -> bytes:
    """A picture of noise, so that it is long; turned by EXIF."""
    file, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(file, kind, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "webp"])
@pytest.mark.parametrize(
    ("orientation", "size"), [(None, (700, 500)), (3, (700, 500)), (6, (500, 700)), (8, (500, 700))]
)
def test_the_size_of_a_picture_in_a_folder_and_in_a_zip(
    tmp_path: Path, kind: str, orientation: int | None, size: tuple[int, int]
) -> None:
    data = content(kind, orientation)
    assert len(data) > 1 << 17
    folder = written(tmp_path / "x", {"a.any": data})
    for path in (folder, zipped(folder)):
        with opened(path) as found:
            assert picture_size(found, "a.any") == size


def test_only_the_head_is_read_and_no_picture_has_no_size(tmp_path: Path) -> None:
    head = content("png")[: 1 << 17]
    with opened(written(tmp_path / "x", {"a.png": head, "b.png": b"", "c.png": b"text"})) as found:
        assert [picture_size(found, name) for name in ("a.png", "b.png", "c.png")] == [(700, 500), None, None]
