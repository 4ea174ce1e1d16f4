"""What Mask R-CNN's box head makes of proposals, against cases worked by hand."""

from __future__ import annotations

import pytest
import torch

from pixelproof.networks import region_heads
from pixelproof.networks.region_heads import BoxHead


def head(logits: list[list[float]]) -> tuple[BoxHead, torch.Tensor]:
    """A head of three classes that says these logits (the last is background), moves no box, and its features."""
    found = BoxHead(3, in_channels=1, channels=4)
    said = torch.tensor(logits)
    found.forward = lambda features: (said, torch.zeros(len(said), 3, 4))  # type: ignore[method-assign]
    return found, torch.zeros(len(said), 1, 7, 7)


BOXES = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0], [20.0, 20.0, 30.0, 30.0]])


def test_only_things_are_objects_and_the_best_of_those_that_overlap() -> None:
    box_head, features = head([[9.0, 3.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0], [0.0, 0.0, 5.0, 0.0]])
    ((boxes, scores, classes),) = box_head.detect(features, [BOXES], (40, 40), [1, 2])
    assert classes.tolist() == [2, 1]  # and not 0, of which the first is surest
    assert boxes.tolist() == [BOXES[2].tolist(), BOXES[1].tolist()]
    assert scores.tolist() == pytest.approx([0.9802, 0.9479], abs=1e-4)
    ((boxes, _, classes),) = box_head.detect(features, [BOXES], (40, 40), [0])
    assert classes.tolist() == [0] and boxes.tolist() == [BOXES[0].tolist()]


def test_the_best_candidates_alone_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes without an area are none of them, however sure."""
    boxes = torch.cat([BOXES, torch.tensor([[5.0, 5.0, 5.0, 9.0]])])
    box_head, features = head([[3.0, 0.0, 0.0, 0.0], [2.0, 2.0, 2.0, 0.0], [4.0, 0.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]])
    monkeypatch.setattr(region_heads, "CANDIDATES", 2)
    seen = []

    def every(boxes: torch.Tensor, *_: object) -> torch.Tensor:
        seen.append(boxes.tolist())
        return torch.arange(len(boxes))

    monkeypatch.setattr(region_heads, "suppress", every)
    ((_, scores, classes),) = box_head.detect(features, [boxes], (40, 40), [0, 1, 2])
    assert seen == [[BOXES[2].tolist(), BOXES[0].tolist()]]
    assert classes.tolist() == [0, 0] and scores[0] > scores[1]
