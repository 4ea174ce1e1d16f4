"""Boxes as networks learn them, against cases worked by hand and pixels that are counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelproof.data.dataset import IGNORE
from pixelproof.nn.boxes import AWAY, BACKGROUND, Truth, decoded, encoded, matched, sampled, share_of, truth_of

SCALES = (10.0, 10.0, 5.0, 5.0)


def a_truth(boxes: list[list[float]], ignored: torch.Tensor | None = None) -> Truth:
    """Objects by their boxes."""
    nothing = torch.zeros(40, 40, dtype=torch.bool)
    masks = torch.zeros(len(boxes), 40, 40, dtype=torch.bool)
    return Truth(
        torch.tensor(boxes).view(-1, 4), torch.ones(len(boxes)).long(), masks, nothing if ignored is None else ignored
    )


def test_offsets_by_hand_and_back() -> None:
    """Half a width to the right, twice as wide, as high: 0.5 * 10, 0, log(2) * 5, 0."""
    box, other = torch.tensor([[4.0, 2.0, 12.0, 6.0]]), torch.tensor([[4.0, 2.0, 8.0, 6.0]])
    torch.testing.assert_close(encoded(box, other, SCALES), torch.tensor([[5.0, 0.0, np.log(2) * 5, 0.0]]).float())
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(50, 4, generator=generator) * 30
    boxes, others = (torch.cat([c[:, :2], c[:, :2] + c[:, 2:] + 1], 1) for c in (corners, corners.flip(0)))
    torch.testing.assert_close(decoded(encoded(boxes, others, SCALES), others, SCALES), boxes, rtol=1e-4, atol=1e-4)
    assert decoded(torch.full((1, 4), 1e6), other, SCALES).isfinite().all()


def test_objects_have_the_boxes_and_classes_of_their_pixels() -> None:
    mask, objects = torch.zeros(12, 16, dtype=torch.uint8), torch.zeros(12, 16, dtype=torch.int)
    mask[2:5, 3:9], objects[2:5, 3:9] = 4, 1
    mask[6:12, 10:16], objects[6:12, 10:16] = 2, 2
    mask[0, 0], objects[0, 0] = 2, 3  # too small
    mask[9:, :3], objects[9:, :3] = 2, -1  # nobody told them apart
    mask[0, 8:] = IGNORE
    truth = truth_of(mask, objects)
    assert truth.boxes.tolist() == [[3, 2, 9, 5], [10, 6, 16, 12]] and truth.classes.tolist() == [4, 2]
    assert torch.equal(truth.masks, torch.stack([objects == 1, objects == 2]))
    wanted = (mask == IGNORE) | (objects < 0)
    wanted[0, 0] = True
    assert torch.equal(truth.ignored, wanted)
    none = truth_of(mask * 0, objects * 0)
    assert none.boxes.shape == (0, 4) and none.classes.shape == (0,) and not none.ignored.any()


def test_boxes_are_matched_by_two_thresholds_and_each_object_has_its_best() -> None:
    truth = a_truth([[0, 0, 10, 10], [20, 20, 30, 30]])
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 20], [0, 0, 10, 40], [25, 20, 35, 30], [5, 30, 9, 39]])
    kinds, of = matched(boxes, truth, (0.3, 0.7), best=False)
    assert kinds.tolist() == [1, AWAY, BACKGROUND, AWAY, BACKGROUND] and of[:4].tolist() == [0, 0, 0, 1]
    kinds, of = matched(boxes, truth, (0.3, 0.7), best=True)
    assert kinds.tolist() == [1, AWAY, BACKGROUND, 1, BACKGROUND] and of[3] == 1
    assert matched(boxes, a_truth([]), (0.3, 0.7), best=True)[0].tolist() == [BACKGROUND] * 5


def test_background_is_not_learnt_where_nobody_knows() -> None:
    ignored = torch.zeros(40, 40, dtype=torch.bool)
    ignored[:, 20:] = True
    boxes = torch.tensor([[0.0, 0, 10, 10], [12, 0, 30, 10], [18, 0, 26, 10], [25, 0, 60, 10]])
    assert matched(boxes, a_truth([], ignored), (0.3, 0.7), best=True)[0].tolist() == [0, AWAY, AWAY, AWAY]
    rng = np.random.default_rng(0)
    where = rng.random((40, 40)) < 0.4
    corners = np.sort(rng.integers(0, 41, (30, 2, 2)), axis=1)
    shares = share_of(torch.from_numpy(where), torch.from_numpy(corners.reshape(30, 4)).float())
    for share, ((left, top), (right, bottom)) in zip(shares.tolist(), corners, strict=True):
        part = where[top:bottom, left:right]
        assert share == pytest.approx(part.mean() if part.size else 0.0)


def test_few_objects_are_filled_up_with_background() -> None:
    torch.manual_seed(0)
    kinds = torch.tensor([1] * 10 + [BACKGROUND] * 50 + [AWAY] * 40)
    objects, background = sampled(kinds, 16, 0.25)
    assert len(objects) == 4 and len(background) == 12
    assert (kinds[objects] == 1).all() and (kinds[background] == BACKGROUND).all()
    assert len(set(objects.tolist())) == 4 and len(set(background.tolist())) == 12
    objects, background = sampled(kinds, 60, 0.5)
    assert (len(objects), len(background)) == (10, 50)
