"""Overlap of boxes and non-maximum suppression, against ONNX Runtime's, the rule read aloud, and cases by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelproof.nn.suppression import overlaps, suppress
from tests.pixelproof.nn.test_regions import onnx_runtime

RNG = np.random.default_rng(1)


def boxes_of(count: int, extent: float = 100.0) -> torch.Tensor:
    """Boxes that overlap much."""
    corners = RNG.uniform(0, extent, (count, 2))
    return torch.from_numpy(np.hstack([corners, corners + RNG.uniform(5, 40, (count, 2))]).astype(np.float32))


def one_after_another(boxes: torch.Tensor, scores: torch.Tensor, above: float) -> list[int]:
    """The rule as it is told."""
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: (-float(scores[index]), index)):
        if all(float(overlaps(boxes[[index]], boxes[[other]])) <= above for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize("above", [0.3, 0.5, 0.7])
def test_suppression_is_that_of_onnx_runtime(above: float) -> None:
    boxes, scores = boxes_of(300), torch.from_numpy(RNG.permutation(300).astype(np.float32) / 300)
    wanted = onnx_runtime(
        "NonMaxSuppression",
        {
            "boxes": boxes[None, :, [1, 0, 3, 2]].numpy(),
            "scores": scores[None, None].numpy(),
            "most": np.array([300]),
            "above": np.array([above], np.float32),
        },
    )
    assert suppress(boxes, scores, above).tolist() == wanted[:, 2].tolist()
    assert 0 < len(wanted) < 300


def test_ties_and_chains_are_decided_as_one_after_another() -> None:
    """In a chain each box overlaps the next alone: every second one stays, which takes the most rounds."""
    boxes, scores = boxes_of(200, 60.0), torch.from_numpy(RNG.integers(0, 5, 200) / 5)
    assert suppress(boxes, scores, 0.4).tolist() == one_after_another(boxes, scores, 0.4)
    chain = torch.arange(50.0)[:, None] * torch.tensor([4.0, 0.0, 4.0, 0.0]) + torch.tensor([0.0, 0.0, 10.0, 10.0])
    assert suppress(chain, torch.linspace(1, 0, 50), 0.4).tolist() == list(range(0, 50, 2))


def test_classes_do_not_drop_each_other() -> None:
    boxes, scores = boxes_of(200, 60.0), torch.from_numpy(RNG.permutation(200) / 200)
    classes = torch.from_numpy(RNG.integers(0, 3, 200))
    kept = suppress(boxes, scores, 0.3, classes)
    for each in range(3):
        own = torch.nonzero(classes == each).flatten()
        wanted = own[suppress(boxes[own], scores[own], 0.3)]
        assert [index for index in kept.tolist() if classes[index] == each] == wanted.tolist()
    assert torch.equal(scores[kept], scores[kept].sort(descending=True).values)


def test_overlaps_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 1.0, 1.0]])
    others = torch.tensor([[2.0, 2.0, 6.0, 6.0], [0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 1.0, 1.0], [5.0, 3.0, 3.0, 5.0]])
    wanted = torch.tensor([[4 / 28, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(overlaps(boxes, others), wanted)


def test_no_boxes_are_kept_of_none() -> None:
    assert suppress(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
