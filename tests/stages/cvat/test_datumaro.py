"""What Datumaro writes in CVAT's format, drawn as Datumaro and COCO's tools draw it, as version 0.1 did.

Datumaro keeps numbers in single precision; those drawn here are the same in both, so that no tie falls elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelproof.data.dataset import IGNORE, UNSPLIT, read_mask, read_split
from pixelproof.data.images import Array
from stages.cvat.convert import convert
from tests.stages.cvat.fake import LABELS, params, picture

WIDTH, HEIGHT = 60, 40


def shapes(rng: np.random.Generator) -> list[Any]:
    """Polygons that may cross themselves, boxes, turned boxes and masks, partly on top of each other."""
    from datumaro.components.annotation import Bbox, Mask, Polygon, RotatedBbox

    found: list[Any] = []
    for place in range(8):
        about = {"label": place % 3, "z_order": int(rng.integers(-2, 3))}
        x, y, wide, high = (float(value) / 2 for value in rng.integers((0, 0, 2, 2), (100, 60, 40, 40)))
        points = rng.integers(-40, 280, (5, 2)) / 4
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[rng.integers(0, 20) : 30, rng.integers(0, 20) : 30] = rng.random() < 0.9
        found += [
            Polygon(points.ravel().tolist(), **about),
            Bbox(x, y, wide, high, **about),
            RotatedBbox(x + wide / 2, y + high / 2, wide, high, float(rng.integers(0, 360)), **about),
            Mask(mask, **about),
        ]
    order = rng.permutation(len(found))[:9]
    return [found[at] for at in order]


def drawn(annotations: list[Any]) -> Array:
    from datumaro.components.annotation import AnnotationType
    from datumaro.util import mask_tools

    mask = np.full((HEIGHT, WIDTH), IGNORE, np.uint8)
    for shape in sorted(annotations, key=lambda one: int(one.z_order)):
        if shape.type == AnnotationType.mask:
            inside = shape.image
        else:
            points = shape.points if shape.type == AnnotationType.polygon else np.ravel(shape.as_polygon())
            inside = mask_tools.rles_to_mask([[float(value) for value in points]], WIDTH, HEIGHT)
        mask[np.asarray(inside, bool)] = shape.label
    return mask


@pytest.mark.parametrize("seed", range(3))
def test_what_datumaro_writes(seed: int, tmp_path: Path) -> None:
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    rng = np.random.default_rng(seed)
    items = [
        DatasetItem(
            f"a/{number:02d}",
            media=Image.from_numpy(picture(WIDTH, HEIGHT)),
            annotations=shapes(rng),
            attributes={"frame": number},
        )
        for number in range(20)
    ]
    written = tmp_path / "export"
    Dataset.from_iterable(items, categories=list(LABELS)).export(str(written), "cvat", save_media=True)
    read = {item.id: list(item.annotations) for item in Dataset.import_from(str(written), "cvat")}
    convert([written], tmp_path / "out", params())
    samples = read_split(tmp_path / "out", UNSPLIT)
    assert len(samples) == len(read) == 20
    wrong = [
        int((read_mask(tmp_path / "out", UNSPLIT, sample, 3) != drawn(read[sample.id.replace("-", "/")])).sum())
        for sample in samples
    ]
    assert wrong == [0] * 20
