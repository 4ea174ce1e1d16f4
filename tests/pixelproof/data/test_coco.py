"""Run lengths against pycocotools: any mask comes back, and no string crashes."""

from __future__ import annotations

import contextlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as tools

from pixelproof.core.errors import DataError
from pixelproof.data.coco import expanded, runs_of
from pixelproof.data.images import Array

MASKS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.integers(0, 1))


def image_of(lengths: Array, height: int, width: int) -> Array:
    """The mask that run lengths describe, column by column."""
    return np.repeat(np.arange(len(lengths)) % 2, lengths).reshape((height, width), order="F")


@settings(deadline=None)
@given(MASKS)
def test_a_mask_that_pycocotools_compressed_comes_back(mask: Array) -> None:
    rle = tools.encode(np.asfortranarray(mask))
    runs = runs_of("here", {"size": rle["size"], "counts": rle["counts"].decode()}, mask.shape[1], mask.shape[0])
    np.testing.assert_array_equal(image_of(runs.lengths, *mask.shape), mask)


@settings(deadline=None)
@given(st.lists(st.integers(0, (1 << 24) - 1), min_size=1, max_size=30))
def test_long_runs_come_back(lengths: list[int]) -> None:  # of longer ones pycocotools writes beyond its memory
    packed = tools.frPyObjects({"size": [sum(lengths), 1], "counts": lengths}, sum(lengths), 1)
    np.testing.assert_array_equal(expanded("here", packed["counts"].decode()), lengths)


@settings(max_examples=500, deadline=None)
@given(st.text(st.characters(min_codepoint=40, max_codepoint=115), max_size=40))
def test_any_string_is_runs_of_the_image_or_refused(text: str) -> None:
    with contextlib.suppress(DataError):
        runs = runs_of("here", {"size": [4, 5], "counts": text}, 5, 4)
        assert runs.lengths.sum() == 20 and runs.lengths.min() >= 0
