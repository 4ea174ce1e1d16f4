"""Exports made by Datumaro's own exporters, as CVAT's server makes them, and a slow drawer to compare readers with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelproof.core.errors import DataError
from pixelproof.data.images import Array
from pixelproof.data.outlines import Outline, Polygon, Runs
from stages.cvat.archive import Export, open_export
from stages.cvat.model import Annotated
from tests.stages.cvat.fake import encoded, picture

LABELS = ("road", "car", "lake")
WIDTH, HEIGHT = 20, 16
REFUSED = r"^(?=.*: expected )(?=.*, found )(?=.*; )[^\n]*$"  # one line: where, expected, found, what to do


def masks(seed: int, width: int = WIDTH, height: int = HEIGHT) -> tuple[Array, Array]:
    """A mask of label ids (255: unlabelled) and one of object ids (0: none): rectangles, the last on top."""
    random = np.random.default_rng(seed)
    labels, objects = np.full((height, width), 255, np.uint8), np.zeros((height, width), np.uint16)
    for number in range(1, 7):
        left, top = random.integers(0, width - 2), random.integers(0, height - 2)
        window = slice(top, top + random.integers(1, 9)), slice(left, left + random.integers(1, 9))
        labels[window], objects[window] = random.integers(0, len(LABELS)), number
    return labels, objects


def item(name: str, annotations: list[Any], subset: str = "default", width: int = WIDTH, height: int = HEIGHT) -> Any:
    """Datumaro's item, with a photograph."""
    import datumaro as dm

    path = Path(name)
    photo = dm.Image.from_numpy(data=picture(width, height, seed=len(name)), ext=path.suffix)
    return dm.DatasetItem(path.with_suffix("").as_posix(), subset=subset, media=photo, annotations=annotations)


def mask_items(labels: Array, objects: Array) -> list[Any]:
    """Datumaro's mask of each object."""
    import datumaro as dm

    found = [number for number in np.unique(objects) if number]
    return [dm.Mask(objects == number, label=int(labels[objects == number][0])) for number in found]


def export(folder: Path, kind: str, items: list[Any], **options: Any) -> Path:
    """Let Datumaro write the items."""
    import datumaro as dm

    dm.Dataset.from_iterable(items, categories=list(LABELS)).export(str(folder), kind, **options)
    return folder


def zipped(folder: Path) -> Path:
    """The folder as a zip."""
    return Path(shutil.make_archive(str(folder), "zip", folder))


def written(folder: Path, files: dict[str, bytes | str | dict[str, Any] | list[Any]]) -> Path:
    """A folder with these files; objects become JSON, and `w x h` pictures come from `photo`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, bytes | str) else json.dumps(content)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def photo(width: int = WIDTH, height: int = HEIGHT, suffix: str = ".png", seed: int = 0) -> bytes:
    """The file of a photograph."""
    return encoded(width, height, suffix, seed)


@contextmanager
def opened(path: Path) -> Iterator[Export]:
    """The open export."""
    with open_export(path) as found:
        yield found


def refusal(read: Any, path: Path) -> str:
    """The one-line message with which `read` refuses the export."""
    with opened(path) as found, pytest.raises(DataError, match=REFUSED) as error:
        read(found)
    return str(error.value)


def drawn(image: Annotated) -> tuple[Array, Array]:
    """The image's shapes as masks of label ids and object ids, as `masks` makes them; crowds belong to no object."""
    assert isinstance(image.labels, tuple)
    labels = np.full((image.height, image.width), 255, np.uint8)
    objects = np.zeros((image.height, image.width), np.uint16)
    numbered = list(enumerate(image.labels, 1))
    for number, shape in sorted(numbered, key=lambda pair: pair[1].z):
        inside = area(shape.outline, image.width, image.height)
        labels[inside], objects[inside] = LABELS.index(shape.label), 0 if shape.crowd else number
    return labels, objects


def area(outline: Outline, width: int, height: int) -> Array:
    """The pixels whose centres are inside, one after the other."""
    inside = np.zeros((height, width), bool)
    if isinstance(outline, Runs):
        values = [step % 2 == 1 for step, length in enumerate(outline.lengths) for _ in range(length)]
        order = "F" if outline.by_column else "C"
        window = np.reshape(values, (outline.height, outline.width), order=order)  # type: ignore[call-overload]
        inside[outline.top : outline.top + outline.height, outline.left : outline.left + outline.width] = window
        return inside
    assert isinstance(outline, Polygon)
    for y in range(height):
        for x in range(width):
            inside[y, x] = any(_odd(ring, x + 0.5, y + 0.5) for ring in outline.rings)
    return inside


def _odd(ring: Array, x: float, y: float) -> bool:
    """Whether a ray to the right crosses the ring an odd number of times."""
    crossings = 0
    for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            crossings += 1
    return crossings % 2 == 1


def same(image: Annotated, labels: Array, objects: Array) -> None:
    """Check that the drawn image equals the masks, objects by their areas."""
    found_labels, found_objects = drawn(image)
    np.testing.assert_array_equal(found_labels, labels)
    assert areas(found_objects) == areas(objects)


def areas(objects: Array) -> set[bytes]:
    """The area of each object, whatever its number."""
    return {(objects == number).tobytes() for number in np.unique(objects) if number}
