"""Compares the objects of an ONNX file, read by the lines of its card, with those that PyTorch finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from commands._object_outputs import Object, ObjectOutputs
from commands._onnx_file import IMAGES_AT_ONCE, opened
from pixelproof.scoring.instances import Instance, cut_out, overlap
from stages.evaluate.detect import Detect

SCORE, OVERLAP = 1e-3, 0.9  # the scores of two that are the same differ by less, and their masks overlap by more
UNLIKE = 0.01  # the share of objects that may have no other: where two boxes overlap by just the threshold


@dataclass(frozen=True)
class Likeness:
    """How many objects both found, and how many of them only one did; of the others, what differs most."""

    objects: int
    unlike: int
    score: float
    overlap: float

    @property
    def holds(self) -> bool:
        """Whether the two agree."""
        return self.unlike <= UNLIKE * self.objects

    def told(self) -> str:
        """The same in words."""
        return (
            f"{self.unlike} of {self.objects} objects are not PyTorch's (at most {UNLIKE:.0%} may not be), the scores "
            f"of the others differ by up to {self.score:.2g}, their masks overlap by {self.overlap:.4f} or more (IoU)"
        )


def compare_objects(
    content: bytes, outputs: ObjectOutputs, detect: Detect, images: Iterable[NDArray[np.uint8]], threads: int
) -> Likeness:
    """The card's lines against the project's own functions, over images of one size.

    Those begin with the image, or with the maps in the file where these were compared by themselves (`grouped`).

    Args:
        content: The ONNX file.
        outputs: What it has for objects.
        detect: What finds the network's own, by PyTorch.
        images: Of one size.
        threads: Of ONNX Runtime.
    """
    session, left = opened(content, threads), iter(images)
    count, unlike, score, least = 0, 0, 0.0, 1.0
    while some := list(islice(left, IMAGES_AT_ONCE)):
        arrays = zip(*session.run(outputs.names, {"image": np.stack(some)}), strict=True)
        found = [dict(zip(outputs.names, each, strict=True)) for each in arrays]
        own = [cut(outputs.grouped(each)) for each in found] if outputs.grouped else detect(some)
        for wanted, each in zip(own, found, strict=True):
            read = cut(outputs.read(each))
            pairs, most = paired(wanted, read), max(len(wanted), len(read))
            count, unlike = count + most, unlike + most - len(pairs)
            score = max([score, *(abs(one.score - other.score) for one, other in pairs)])
            least = min([least, *(overlap(one, other) for one, other in pairs)])
    return Likeness(count, unlike, score, least)


def cut(objects: Iterable[Object]) -> list[Instance]:
    """Those that have a pixel."""
    found = (cut_out(*each) for each in objects)
    return [each for each in found if each is not None]


def paired(wanted: Sequence[Instance], found: Sequence[Instance]) -> list[tuple[Instance, Instance]]:
    """Those that are the same, each with at most one: of one class, alike in score and mask, the most alike first."""
    pairs, left = [], list(found)
    for one in wanted:
        alike = [
            (overlap(one, other), -place)
            for place, other in enumerate(left)
            if other.label == one.label and abs(other.score - one.score) < SCORE
        ]
        if alike and max(alike)[0] > OVERLAP:
            pairs.append((one, left.pop(-max(alike)[1])))
    return pairs
